//! Headers of every habit.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use super::*;

fn attribute<'a>(header: &Header<'a>, key: &str) -> Option<&'a str> {
    header
        .attributes
        .iter()
        .find(|(k, _)| *k == key)
        .map(|(_, v)| *v)
}

#[test]
fn free_text_is_a_description() {
    let header = parse("  ab1 anti-HER2 clone 4D5 ");
    assert_eq!(header.id, "ab1");
    assert_eq!(
        attribute(&header, "description"),
        Some("anti-HER2 clone 4D5")
    );
    assert_eq!(
        parse("ab1"),
        Header {
            id: "ab1",
            ..Header::default()
        }
    );
    assert_eq!(parse(" ").id, "");
}

#[test]
fn gene_calls_between_pipes_are_taken() {
    let header = parse("seq_1|IGKV3-20*01|IGKJ4*01|K");
    assert_eq!(header.id, "seq_1");
    assert_eq!(header.v_call, Some("IGKV3-20*01"));
    assert_eq!(header.j_call, Some("IGKJ4*01"));
    assert_eq!(header.locus, Some(Locus::Igk));
    assert!(header.attributes.is_empty());
    assert_eq!(parse("s|IGLV1-40*01|IGLJ3*02|L").locus, Some(Locus::Igl));
}

#[test]
fn imgt_pipes_give_gene_species_and_functionality() {
    let header = parse("M99641|IGHV1-18*01|Homo sapiens|F|V-REGION|188..483|296 nt|1| | | |");
    assert_eq!(header.id, "M99641");
    assert_eq!(header.v_call, Some("IGHV1-18*01"));
    assert_eq!(header.species, Some("Homo sapiens"));
    assert_eq!(attribute(&header, "functionality"), Some("F"));
    assert_eq!(attribute(&header, "region"), Some("V-REGION"));
    let constant = parse("J00228|IGHG1*01|Mus musculus_C57BL/6|F|CH1");
    assert_eq!((constant.c_call, constant.v_call), (Some("IGHG1*01"), None));
    assert_eq!(constant.species, Some("Mus musculus_C57BL/6"));
}

#[test]
fn the_pdb_is_known_in_its_four_habits() {
    let old = parse("1A14:H|PDBID|CHAIN|SEQUENCE");
    assert_eq!(old.id, "1A14:H");
    assert_eq!(attribute(&old, "pdb_id"), Some("1A14"));
    assert_eq!(attribute(&old, "pdb_chain"), Some("H"));
    assert_eq!(old.chain, None, "a chain's letter is a name, not a type");

    let mol = parse("12e8_L mol:protein length:214  IGG1-KAPPA 2E8 FAB (LIGHT CHAIN)");
    assert_eq!(mol.id, "12e8_L");
    assert_eq!(attribute(&mol, "pdb_id"), Some("12e8"));
    assert_eq!(attribute(&mol, "length"), Some("214"));
    let described = "IGG1-KAPPA 2E8 FAB (LIGHT CHAIN)";
    assert_eq!(attribute(&mol, "description"), Some(described));

    let new = parse("1A14_1|Chain A[auth N]|NEURAMINIDASE|Influenza A virus (11320)");
    assert_eq!(new.id, "1A14_1");
    assert_eq!(attribute(&new, "pdb_chains"), Some("A[auth N]"));
    assert_eq!(new.species, Some("Influenza A virus (11320)"));

    let typed = parse("12e8_H|type: H");
    assert_eq!((typed.id, typed.chain), ("12e8_H", Some(Chain::Heavy)));
    assert_eq!(parse("12e8_L|type: L").chain, Some(Chain::Light));
    assert_eq!(parse("12e8_L|type: K").locus, Some(Locus::Igk));
}

#[test]
fn uniprot_entries_are_taken_apart() {
    let header = parse(
        "sp|P01857|IGHG1_HUMAN Immunoglobulin heavy constant gamma 1 OS=Homo sapiens OX=9606 GN=IGHG1 PE=1 SV=1",
    );
    assert_eq!(header.id, "P01857");
    assert_eq!(header.species, Some("Homo sapiens"));
    assert_eq!(attribute(&header, "gene"), Some("IGHG1"));
    assert_eq!(attribute(&header, "entry_name"), Some("IGHG1_HUMAN"));
    let described = "Immunoglobulin heavy constant gamma 1";
    assert_eq!(attribute(&header, "description"), Some(described));
    assert_eq!(header.c_call, None);
}

#[test]
fn counts_and_keys_of_presto_are_taken() {
    let header = parse("AB12|CONSCOUNT=10|DUPCOUNT=3|PRCONS=IGHG");
    assert_eq!(
        (header.consensus_count, header.duplicate_count),
        (Some(10), Some(3))
    );
    assert_eq!(attribute(&header, "PRCONS"), Some("IGHG"));
    let header = parse("ab [organism=Mus musculus] clone X");
    assert_eq!(header.species, Some("Mus musculus"));
}

#[test]
fn tags_of_databases_stay_in_the_identifier() {
    let header = parse("pdb|1A14|H Chain H, NC10 FV");
    assert_eq!(header.id, "pdb|1A14|H");
    assert_eq!(attribute(&header, "description"), Some("Chain H, NC10 FV"));
    assert_eq!(parse("gb|AAA12345.1| antibody").id, "gb|AAA12345.1");
}

#[test]
fn strange_headers_do_no_harm() {
    for header in [
        "|",
        "||||",
        "a|",
        "|b",
        "=|=",
        "a| = |: ",
        "é|ü|ñ",
        "sp||",
        "a [=] [b=",
        "x mol:",
    ] {
        let _ = parse(header);
    }
}
