//! The made files, residue by residue.

use super::super::component::Component;
use super::super::entry::{Polymer, SequenceSource};
use super::*;

fn component(name: &str) -> Component {
    Component::new(name).unwrap()
}

#[test]
fn both_formats_give_the_same_entry() {
    let (pdb, cif) = (of_pdb(PDB), of_cif(CIF));
    assert_eq!(chain(&cif, "l").label_asym_id.as_deref(), Some("B"));
    assert_eq!(without_labels(cif), pdb);
}

#[test]
fn the_head_of_the_file_is_read() {
    let entry = of_pdb(PDB);
    assert_eq!(entry.id.as_deref(), Some("0ABC"));
    let title = "MADE FOR A TEST: PLACES ARE NOT REAL";
    assert_eq!(entry.title.as_deref(), Some(title));
    assert_eq!(entry.method.as_deref(), Some("X-RAY DIFFRACTION"));
    assert_eq!(entry.resolution, Some(2.1));
    let light = &chain(&entry, "l").molecule;
    assert_eq!(light.name.as_deref(), Some("MADE LIGHT CHAIN"));
    assert_eq!(light.organism.as_deref(), Some("HOMO SAPIENS"));
}

#[test]
fn declared_residues_that_were_not_observed_have_a_number_and_no_place() {
    let entry = of_pdb(PDB);
    let heavy = chain(&entry, "H");
    assert_eq!(heavy.sequence, format!("Q{}", &VH[1..]));
    assert_eq!(heavy.sequence_source, Some(SequenceSource::Seqres));
    assert_eq!(heavy.residues.len(), 120);
    for (residue, number) in heavy.residues[118..].iter().zip([118, 119]) {
        assert_eq!((residue.number, residue.ca), (Some(number), None));
        assert_eq!((residue.is_observed, residue.missing_atoms), (false, None));
        assert_eq!(residue.component, component("SER"));
    }
    assert!(
        heavy.residues[..118]
            .iter()
            .all(|residue| residue.is_observed)
    );
}

#[test]
fn modified_residues_are_known_by_what_they_were() {
    let entry = of_pdb(PDB);
    let first = chain(&entry, "H").residues[0];
    assert_eq!(
        (first.component, first.parent),
        (component("PCA"), Some(component("GLN")))
    );
    assert_eq!(first.missing_atoms, None);
    let last = chain(&entry, "A").residues[9];
    assert_eq!(
        (last.component, last.parent),
        (component("MSE"), Some(component("MET")))
    );
    assert_eq!(chain(&entry, "A").sequence, "ACDEFGHIKM");
}

#[test]
fn insertion_codes_alternate_locations_and_missing_atoms_are_kept() {
    let entry = of_pdb(PDB);
    let (heavy, light) = (chain(&entry, "H"), chain(&entry, "l"));
    let place = |at: usize| (heavy.residues[at].number, heavy.residues[at].insertion);
    assert_eq!(place(51), (Some(52), None));
    assert_eq!(place(52), (Some(52), Some(b'A')));
    assert_eq!(place(53), (Some(53), None));
    assert_eq!(
        heavy.residues[29].ca,
        Some([114.0, 0.0, 0.0]),
        "the second has 0.65"
    );
    assert_eq!(
        heavy.residues[1].missing_atoms,
        Some(5),
        "a valine with N and CA"
    );
    let residue = light.residues[49];
    assert_eq!((residue.is_observed, residue.ca), (true, None));
    assert_eq!(light.ligands, [component("FLU")], "water is none");
}

#[test]
fn chains_are_told_apart_by_case_and_a_blank_one_has_a_name() {
    let text = strand('h', "GAS", 0.0) + &strand('H', "GA", 9.0) + &strand(' ', "G", 20.0);
    let entry = of_pdb(&text);
    let names: Vec<&str> = entry.models[0]
        .chains
        .iter()
        .map(|chain| chain.auth_asym_id.as_str())
        .collect();
    assert_eq!(names, ["h", "H", "_"]);
    assert_eq!(chain(&entry, "h").sequence, "GAS");
    assert_eq!(
        chain(&entry, "h").sequence_source,
        Some(SequenceSource::Atoms)
    );
    assert_eq!(entry.id, None);
}

#[test]
fn a_declared_sequence_of_something_else_is_not_believed() {
    let text = format!(
        "SEQRES   1 A    5  TRP TRP TRP TRP TRP\n{}",
        strand('A', "GAS", 0.0)
    );
    let entry = of_pdb(&text);
    assert_eq!(chain(&entry, "A").sequence, "GAS");
    assert_eq!(
        chain(&entry, "A").sequence_source,
        Some(SequenceSource::Atoms)
    );
}

#[test]
fn a_declared_chain_of_which_nothing_was_observed_is_there() {
    let text = format!(
        "SEQRES   1 B    3  TRP MSE GLY\n{}",
        strand('A', "GAS", 0.0)
    );
    let entry = of_pdb(&text);
    let unseen = chain(&entry, "B");
    assert_eq!(
        (unseen.sequence.as_str(), unseen.polymer),
        ("WMG", Polymer::Polypeptide)
    );
    assert!(unseen.residues.iter().all(|residue| !residue.is_observed));
}

#[test]
fn hetero_residues_count_where_they_are_bonded_and_free_amino_acids_do_not() {
    let at = |x: f64| [x, 0.0, 0.0];
    let residue = |name: &str, place: &str, x: f64| {
        atom("HETATM", " N", name, place, at(x - 1.0)) + &atom("HETATM", " CA", name, place, at(x))
    };
    let text = residue("PCA", "A   0 ", 0.0)
        + &strand('A', "GAS", 0.0)
        + &residue("MSE", "A   4 ", 15.2)
        + &residue("GLY", "A 900 ", 80.0)
        + &atom("HETATM", "CA", "CA", "A 901 ", at(90.0));
    let entry = of_pdb(&text);
    assert_eq!(chain(&entry, "A").sequence, "QGASM");
    assert_eq!(
        chain(&entry, "A").ligands,
        [component("GLY"), component("CA")]
    );
}

#[test]
fn nucleic_acids_and_chains_of_ligands_are_chains() {
    let at = [0.0; 3];
    let text = atom("ATOM", " P", "DA", "N   1 ", at)
        + &atom("ATOM", " P", "DT", "N   2 ", at)
        + &atom("HETATM", " C1", "NAG", "S   1 ", at)
        + &atom("HETATM", " O", "HOH", "W   1 ", at);
    let entry = of_pdb(&text);
    let found: Vec<_> = entry.models[0]
        .chains
        .iter()
        .map(|chain| {
            (
                chain.auth_asym_id.as_str(),
                chain.polymer,
                chain.sequence.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("N", Polymer::NucleicAcid, "AT"), ("S", Polymer::Other, "")]
    );
}

#[test]
fn a_minimal_mmcif_file_needs_no_numbers_of_the_author() {
    let entry = of_cif(
        "data_\nloop_\n_atom_site.group_PDB\n_atom_site.label_atom_id\n_atom_site.label_comp_id\n_atom_site.label_asym_id\n_atom_site.label_seq_id\n_atom_site.Cartn_x\n_atom_site.Cartn_y\n_atom_site.Cartn_z\nATOM CA GLY AA 1 1.0 2 -3e0\nATOM CA MSE AA 2 4.0 2 -3\n",
    );
    assert_eq!((&entry.id, entry.models.len()), (&None, 1));
    let chain = chain(&entry, "AA");
    assert_eq!(
        (chain.sequence.as_str(), chain.residues[1].number),
        ("GM", Some(2))
    );
    assert_eq!(chain.residues[0].ca, Some([1.0, 2.0, -3.0]));
}

#[test]
fn sequences_of_entities_count_where_chains_have_none_and_alternatives_are_one_residue() {
    let head = "data_x\nloop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n1 1 MET\n1 2 SER\n1 2 THR\n1 3 TRP\n";
    let atoms = "loop_\n_atom_site.group_PDB\n_atom_site.label_atom_id\n_atom_site.label_comp_id\n_atom_site.label_asym_id\n_atom_site.label_entity_id\n_atom_site.label_seq_id\n_atom_site.label_alt_id\n_atom_site.occupancy\n_atom_site.Cartn_x\n_atom_site.Cartn_y\n_atom_site.Cartn_z\nATOM CA SER A 1 2 A 0.4 0 0 0\nATOM CA THR A 1 2 B 0.6 1 1 1\n";
    let entry = of_cif(&format!("{head}{atoms}"));
    let chain = chain(&entry, "A");
    assert_eq!(chain.sequence, "MSW");
    assert_eq!(chain.residues[1].component, component("THR"));
    assert_eq!(chain.residues[1].ca, Some([1.0; 3]));
}
