//! Real files, read from the folder that `PARATOPE_CORPUS` names; the tests say that they were skipped where it is unset.
#![allow(clippy::print_stderr)]

use std::path::PathBuf;

use super::super::fv::{Domains, Fv, Pairing, fvs};
use super::broken::{Damage, survives};
use super::*;

/// The PDB files of the corpus by name; none where there is no corpus.
pub(super) fn files() -> Vec<(String, String)> {
    let Some(folder) = std::env::var_os("PARATOPE_CORPUS") else {
        eprintln!("skipped: PARATOPE_CORPUS is not set, no structures are read");
        return Vec::new();
    };
    let folder = PathBuf::from(folder).join("structures");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pdb"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert_eq!(files.len(), 7);
    files
}

fn of(name: &str) -> Option<Entry> {
    let files = files();
    let (_, text) = files.iter().find(|(file, _)| file == name)?;
    Some(of_pdb(text))
}

fn found(entry: &Entry) -> Vec<Fv> {
    fvs(&entry.models[0], &entry.remarks, &mut Domains::default())
}

/// Heavy and light chain as `HL`, `-` where there is none.
fn names(fvs: &[Fv]) -> Vec<String> {
    let side = |side: &Option<super::super::fv::Side>| {
        side.as_ref()
            .map_or("-".to_string(), |side| side.chain.clone())
    };
    fvs.iter()
        .map(|fv| side(&fv.heavy) + &side(&fv.light))
        .collect()
}

fn antigens(fv: &Fv) -> Vec<(&str, Option<&str>)> {
    fv.antigens
        .iter()
        .map(|antigen| (antigen.chain.as_str(), antigen.kind.as_deref()))
        .collect()
}

#[test]
fn every_file_is_read_without_a_fault() {
    for (name, text) in files() {
        let entry = of_pdb(&text);
        let id = entry.id.unwrap().to_lowercase();
        assert!(name.starts_with(&id), "{name}");
        // Residues by their own places in the text, water and other ligands apart.
        let mut residues: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("ATOM"))
            .map(|line| &line[21..27])
            .collect();
        residues.dedup();
        let observed = entry.models[0]
            .chains
            .iter()
            .flat_map(|chain| &chain.residues)
            .filter(|residue| residue.is_observed);
        assert_eq!(observed.count(), residues.len(), "{name}");
    }
}

#[test]
fn two_fabs_pair_as_the_remark_says() {
    let Some(entry) = of("12e8_imgt") else { return };
    let fvs = found(&entry);
    assert_eq!(names(&fvs), ["HL", "PM"]);
    assert!(
        fvs.iter()
            .all(|fv| fv.pairing == Pairing::Remark && fv.antigens.is_empty())
    );
    assert!(chain(&entry, "H").sequence.starts_with("EVQLQQSGAEVVRSGASVKLSCTASGFNIKDYYIHWVKQRPEKGLEWIGWIDPEIGDTEYVPKFQGKATMTADTSSNTAYLQLSSLTSEDTAVYYCNAGHDYDRGRFPYWGQGTLVTVSAA"));
}

#[test]
fn several_antigens_are_kept_in_order_and_insertion_codes_too() {
    let Some(entry) = of("1kb5") else { return };
    let fvs = found(&entry);
    assert_eq!(names(&fvs), ["HL"]);
    assert_eq!(
        antigens(&fvs[0]),
        [("A", Some("protein")), ("B", Some("protein"))]
    );
    let inserted = entry.models[0]
        .chains
        .iter()
        .flat_map(|chain| &chain.residues)
        .filter(|residue| residue.insertion.is_some());
    assert_eq!(inserted.count(), 3);
}

#[test]
fn a_hapten_on_the_identifier_of_the_light_chain_is_an_antigen() {
    let Some(entry) = of("6y1l_imgt") else { return };
    assert_eq!(antigens(&found(&entry)[0]), [("L", Some("hapten"))]);
}

#[test]
fn a_pair_that_the_file_lacks_is_kept_with_its_warnings() {
    let Some(entry) = of("8ee8_imgt") else { return };
    let fvs = found(&entry);
    assert_eq!(names(&fvs), ["HL", "DC"]);
    assert_eq!(
        fvs[0].warnings,
        [
            "chain H is not in the file",
            "chain L is not in the file",
            "CRYSTAL CONTACT WARNING: ANTIGEN A HAS BEEN PAIRED WITH FAB HL"
        ]
    );
    assert_eq!(fvs[1].warnings, Vec::<String>::new());
}

#[test]
fn a_nanobody_is_single() {
    let Some(entry) = of("8oi2_imgt") else { return };
    let fvs = found(&entry);
    assert_eq!(names(&fvs), ["B-"]);
    assert_eq!(
        (fvs[0].pairing, antigens(&fvs[0])),
        (Pairing::Remark, vec![("A", Some("protein"))])
    );
}

#[test]
fn without_remarks_contacts_give_the_pairs_and_antigens_that_the_remarks_give() {
    for (name, text) in files() {
        let entry = of_pdb(&text);
        let said = found(&entry);
        let geometry = fvs(
            &entry.models[0],
            &Default::default(),
            &mut Domains::default(),
        );
        let in_file: Vec<&Fv> = said
            .iter()
            .filter(|fv| fv.contacts.is_some() || fv.light.is_none())
            .collect();
        assert_eq!(geometry.len(), in_file.len(), "{name}");
        for (ours, theirs) in geometry.iter().zip(in_file) {
            assert_eq!(
                (&ours.heavy, &ours.light),
                (&theirs.heavy, &theirs.light),
                "{name}"
            );
            let is_there = |chain: &&str| {
                entry.models[0]
                    .chains
                    .iter()
                    .any(|other| other.auth_asym_id == **chain)
            };
            let polymers = antigens(theirs)
                .into_iter()
                .filter(|(_, kind)| *kind != Some("hapten"))
                .map(|(chain, _)| chain);
            let expected: Vec<&str> = polymers.filter(is_there).collect();
            let found: Vec<&str> = antigens(ours).into_iter().map(|(chain, _)| chain).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn a_file_of_the_protein_data_bank_has_its_head_and_all_declared_residues() {
    let Some(entry) = of("8kdm") else { return };
    assert_eq!(entry.method.as_deref(), Some("ELECTRON MICROSCOPY"));
    assert_eq!(entry.resolution, Some(2.87));
    let fvs = found(&entry);
    assert_eq!(names(&fvs), ["ED", "GF"]);
    assert!(fvs.iter().all(|fv| fv.pairing == Pairing::Geometry));
    assert_eq!(
        (antigens(&fvs[0]), antigens(&fvs[1])),
        (vec![("B", Some("protein"))], vec![("A", Some("protein"))])
    );
    // The author's numbers are the places in the declared sequence: each residue must have come to its own.
    for (auth, declared, observed) in [
        ("A", 1190, 1051),
        ("B", 1190, 1051),
        ("E", 450, 218),
        ("D", 216, 213),
    ] {
        let residues = &chain(&entry, auth).residues;
        assert_eq!(residues.len(), declared);
        assert_eq!(
            residues
                .iter()
                .filter(|residue| residue.is_observed)
                .count(),
            observed
        );
        for (place, residue) in (1..).zip(residues) {
            assert_eq!(residue.number, Some(place), "{auth}");
        }
    }
    let spike = &chain(&entry, "A").molecule;
    assert_eq!(spike.name.as_deref(), Some("SPIKE GLYCOPROTEIN"));
    let organism = "SEVERE ACUTE RESPIRATORY SYNDROME CORONAVIRUS 2";
    assert_eq!(spike.organism.as_deref(), Some(organism));
}

#[test]
fn damaged_and_cut_real_files_are_survived() {
    let mut damage = Damage::new(11);
    // The small ones; each is read often.
    for (_, text) in files().into_iter().filter(|(_, text)| text.len() < 500_000) {
        for round in 1..8 {
            survives(&text.as_bytes()[..text.len() * round / 8]);
            survives(&damage.apply(text.as_bytes()));
        }
    }
}
