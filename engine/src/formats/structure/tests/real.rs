//! A real mmCIF entry, as the wwPDB writes it: 1BD2, a T cell receptor (`D`, `E`) on its antigen, cut down to Cα. The expected
//! values are what gemmi reads from the whole file.

use super::super::entry::{Residue, SequenceSource};
use super::super::fv::Domains;
use super::super::rows::chain_type;
use super::*;

const REAL: &[u8] = include_bytes!("../../../../../tests/data/1bd2_ca.cif.gz");

fn real() -> Entry {
    let (entry, rejects) = entry::<mmcif::Reader>(REAL);
    assert_eq!(rejects, []);
    entry.unwrap()
}

/// Number and insertion code of the author.
fn name(residue: &Residue) -> String {
    let code = residue.insertion.map(char::from);
    residue.number.unwrap().to_string() + &code.map(String::from).unwrap_or_default()
}

#[test]
fn a_real_entry_says_what_it_is() {
    let entry = real();
    assert_eq!(entry.id.as_deref(), Some("1BD2"));
    assert_eq!(entry.method.as_deref(), Some("X-RAY DIFFRACTION"));
    assert_eq!(entry.resolution, Some(2.5));
    let mut domains = Domains::default();
    let chains: Vec<_> = entry.models[0]
        .chains
        .iter()
        .map(|chain| {
            assert_eq!(chain.sequence_source, Some(SequenceSource::Seqres));
            assert_eq!(chain.label_asym_id.as_deref(), Some(&*chain.auth_asym_id));
            let organism = chain.molecule.organism.as_deref();
            let kind = chain_type(chain, domains.of(chain));
            (&*chain.auth_asym_id, kind, chain.residues.len(), organism)
        })
        .collect();
    let human = Some("Homo sapiens");
    assert_eq!(
        chains,
        [
            ("A", "protein", 275, human),
            ("B", "protein", 100, human),
            ("C", "peptide", 9, Some("Human T-lymphotropic virus 1")),
            ("D", "alpha", 204, human),
            ("E", "beta", 244, human),
        ]
    );
}

#[test]
fn residues_of_a_real_entry_keep_the_numbers_of_its_authors() {
    let entry = real();
    for (auth, first, last, inserted) in [
        ("B", "0", "99", &[][..]),
        ("D", "1", "210", &["54A"]),
        ("E", "1", "247", &[]),
    ] {
        let residues = &chain(&entry, auth).residues;
        let names: Vec<String> = residues.iter().map(name).collect();
        let ends = (names[0].as_str(), names[names.len() - 1].as_str());
        assert_eq!(ends, (first, last), "{auth}");
        let has_code = |name: &&String| name.ends_with(char::is_alphabetic);
        let coded: Vec<&String> = names.iter().filter(has_code).collect();
        assert_eq!(coded, inserted, "{auth}");
    }
    let alpha = chain(&entry, "D");
    let inserted = alpha.residues.iter().find(|found| name(found) == "54A");
    assert_eq!(inserted.unwrap().component.as_str(), "LYS");
    assert_eq!(inserted.unwrap().ca, Some([-14.139, 38.813, 30.752]));
}

#[test]
fn residues_that_a_real_entry_does_not_show_have_their_place_and_number() {
    let entry = real();
    let hidden = |auth: &str| -> Vec<String> {
        let residues = chain(&entry, auth).residues.iter();
        let hidden = residues.filter(|residue| !residue.is_observed);
        hidden
            .map(|residue| name(residue) + residue.component.as_str())
            .collect()
    };
    assert_eq!(hidden("A"), Vec::<String>::new());
    assert_eq!(hidden("B"), ["0MET"]);
    assert_eq!(hidden("E"), ["1ASN", "2ALA"]);
    let alpha = "133SER 134SER 135ASP 136LYS 170SER 171MET 172ASP \
                 204PHE 205PRO 206SER 207PRO 208GLU 209SER 210SER";
    assert_eq!(hidden("D").join(" "), alpha);
}
