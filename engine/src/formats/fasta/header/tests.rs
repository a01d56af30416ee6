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
fn uniprot_and_uniref_are_known_without_pipes_too() {
    let header =
        parse("P00533 Epidermal growth factor receptor OS=Homo sapiens OX=9606 GN=EGFR PE=1 SV=2");
    assert_eq!(
        (header.id, header.species),
        ("P00533", Some("Homo sapiens"))
    );
    assert_eq!(attribute(&header, "uniprot"), Some("P00533"));
    let named = "Epidermal growth factor receptor";
    assert_eq!(attribute(&header, "description"), Some(named));
    let header = parse(
        "UniRef50_P00533 Epidermal growth factor receptor n=9 Tax=Homo sapiens TaxID=9606 RepID=EGFR_HUMAN",
    );
    assert_eq!(header.species, Some("Homo sapiens"));
    assert_eq!(attribute(&header, "description"), Some(named));
    assert_eq!(attribute(&header, "representative"), Some("EGFR_HUMAN"));
    let header = parse("mine OS=Homo sapiens OX=9606");
    assert_eq!(attribute(&header, "uniprot"), None);
}

#[test]
fn uniprot_entries_as_ncbi_writes_them_have_all_their_names() {
    let header = parse(
        "sp|P00533.2|EGFR_HUMAN RecName: Full=Epidermal growth factor receptor; AltName: Full=Proto-oncogene c-ErbB-1; Flags: Precursor [Homo sapiens]",
    );
    assert_eq!(
        (header.id, header.species),
        ("P00533.2", Some("Homo sapiens"))
    );
    assert_eq!(attribute(&header, "uniprot"), Some("P00533"));
    let named = "Epidermal growth factor receptor";
    assert_eq!(attribute(&header, "description"), Some(named));
    let names = attribute(&header, "recommended_and_alternative_names").unwrap();
    assert!(
        names.ends_with("Full=Proto-oncogene c-ErbB-1; Flags: Precursor"),
        "{names}"
    );
}

#[test]
fn entries_of_ncbi_give_accession_organism_and_name() {
    for (header, id, key, accession) in [
        (
            "NP_005219.2 epidermal growth factor receptor isoform a precursor [Homo sapiens]",
            "NP_005219.2",
            "refseq",
            "NP_005219.2",
        ),
        (
            "gi|29725609|ref|NP_005219.2| epidermal growth factor receptor isoform a precursor [Homo sapiens]",
            "gi|29725609|ref|NP_005219.2",
            "refseq",
            "NP_005219.2",
        ),
        (
            "AAA52371.1 epidermal growth factor receptor isoform a precursor [Homo sapiens]",
            "AAA52371.1",
            "genbank",
            "AAA52371.1",
        ),
    ] {
        let header = parse(header);
        assert_eq!(header.id, id);
        assert_eq!(attribute(&header, key), Some(accession), "{id}");
        assert_eq!(header.species, Some("Homo sapiens"), "{id}");
        let named = "epidermal growth factor receptor isoform a precursor";
        assert_eq!(attribute(&header, "description"), Some(named), "{id}");
    }
    assert_eq!(attribute(&parse("gi|5|gb|AAA1.1| x"), "gi"), Some("5"));
    let virus = parse(
        "YP_009724390.1 surface glycoprotein [Influenza A virus (A/Puerto Rico/8/1934(H1N1))]",
    );
    let named = "Influenza A virus (A/Puerto Rico/8/1934(H1N1))";
    assert_eq!(virus.species, Some(named));
    let nested = parse("XP_000001.1 enzyme [NAD(P)+] [[Candida] glabrata]");
    assert_eq!(nested.species, Some("[Candida] glabrata"));
    assert_eq!(attribute(&nested, "description"), Some("enzyme [NAD(P)+]"));
    let chain = parse("1A14_H Chain H, NC10 FV (HEAVY CHAIN) [Mus musculus]");
    assert_eq!(attribute(&chain, "pdb_id"), Some("1A14"));
    assert_eq!(chain.species, Some("Mus musculus"));
    let several = parse("WP_000001.1 toxin [Vibrio]\u{1}AAA12345.1 toxin A [Vibrio cholerae]");
    assert_eq!(several.species, Some("Vibrio"));
    let others = attribute(&several, "identical_entries");
    assert_eq!(others, Some("AAA12345.1 toxin A [Vibrio cholerae]"));
}

#[test]
fn brackets_of_a_laboratory_are_an_organism_only_if_they_name_a_species() {
    let header = parse("clone5 anti-EGFR [Fab fragment]");
    assert_eq!(header.species, None);
    assert_eq!(
        attribute(&header, "description"),
        Some("anti-EGFR [Fab fragment]")
    );
    let header = parse("clone5 anti-EGFR [Mus musculus]");
    assert_eq!(header.species, Some("Mus musculus"));
    assert_eq!(attribute(&header, "description"), Some("anti-EGFR"));
    for id in ["NP_1", "ABC12345", "AB_123456.x", "abc12345.1", "12e8_L"] {
        let header = parse(id);
        assert_eq!((header.id, header.attributes.len()), (id, 0));
    }
}

#[test]
fn random_headers_do_no_harm() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(11);
    let parts = [
        "sp",
        "tr",
        "gi",
        "ref",
        "pdb",
        "|",
        "||",
        " ",
        "[",
        "]",
        "[[",
        "]]",
        "=",
        "OS=",
        "OX=",
        "Tax=",
        "UniRef50_",
        "NP_005219",
        ".2",
        "RecName: ",
        "Full=",
        ";",
        "\u{1}",
        "é",
        "Chain ",
        "1A14_H",
        "mol:",
        "Homo sapiens",
        "IGHV1-2*01",
    ];
    for _ in 0..20_000 {
        let header: String = (0..random.random_range(0..12))
            .map(|_| parts[random.random_range(0..parts.len())])
            .collect();
        let found = parse(&header);
        assert!(header.contains(found.id), "{header}");
        for (_, value) in found.attributes {
            assert!(header.contains(value), "{header}");
        }
    }
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
    assert_eq!(attribute(&header, "pdb_id"), Some("1A14"));
    assert_eq!(attribute(&header, "pdb_chain"), Some("H"));
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
