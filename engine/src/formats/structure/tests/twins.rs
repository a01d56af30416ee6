//! Real PDB files, written anew as mmCIF by a small writer of the test: both must give the same entry.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::entry::Remarks;
use super::corpus::files;
use super::*;

/// Molecules of the one file of the corpus that names them: number, name, organism, chains.
const MOLECULES: [(&str, &str, &str, &str); 3] = [
    (
        "1",
        "SPIKE GLYCOPROTEIN",
        "SEVERE ACUTE RESPIRATORY SYNDROME CORONAVIRUS 2",
        "ABC",
    ),
    ("2", "PW5-5 HEAVY CHAIN", "HOMO SAPIENS", "EG"),
    ("3", "PW5-5 LIGHT CHAIN", "HOMO SAPIENS", "DF"),
];

/// The mmCIF twin of a PDB file. Where sequences are declared the author's numbers must be places in them, as in `8kdm`.
fn twin(name: &str, text: &str) -> String {
    let mut declared: Vec<(char, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("SEQRES")) {
        let chain = line.chars().nth(11).unwrap();
        if declared.last().is_none_or(|(last, _)| *last != chain) {
            declared.push((chain, Vec::new()));
        }
        declared
            .last_mut()
            .unwrap()
            .1
            .extend(line[19..70].split_whitespace());
    }
    let mut cif = format!("# written by a test\ndata_{name}\n_entry.id '{name}'\n");
    if !declared.is_empty() {
        cif += "_struct.title\n;STRUCTURE OF SARS-COV SPIKE PROTEIN COMPLEXED WITH ANTIBODY PW5-5\n;\n_exptl.method \"ELECTRON MICROSCOPY\"\n_em_3d_reconstruction.resolution 2.87\n_refine.ls_d_res_high ?\n";
        cif += "loop_\n_entity.id\n_entity.pdbx_description\n";
        for (id, name, _, _) in MOLECULES {
            writeln!(cif, "{id} '{name}'").unwrap();
        }
        cif += "loop_\n_entity_src_gen.entity_id\n_entity_src_gen.pdbx_gene_src_scientific_name\n";
        for (id, _, organism, _) in MOLECULES {
            writeln!(cif, "{id}\n;{organism}\n;").unwrap();
        }
        cif += "loop_\n_pdbx_poly_seq_scheme.asym_id\n_pdbx_poly_seq_scheme.entity_id\n_pdbx_poly_seq_scheme.seq_id\n_pdbx_poly_seq_scheme.mon_id\n_pdbx_poly_seq_scheme.pdb_seq_num\n_pdbx_poly_seq_scheme.pdb_strand_id\n_pdbx_poly_seq_scheme.pdb_ins_code\n";
        for (chain, names) in &declared {
            let molecule = MOLECULES
                .iter()
                .find(|(_, _, _, chains)| chains.contains(*chain))
                .unwrap()
                .0;
            for (place, name) in (1..).zip(names) {
                writeln!(cif, "{chain}x {molecule} {place} {name} {place} {chain} .").unwrap();
            }
        }
    }
    cif += "loop_\n";
    for item in "group_PDB id label_atom_id label_alt_id label_comp_id label_asym_id label_seq_id auth_asym_id auth_seq_id pdbx_PDB_ins_code Cartn_x Cartn_y Cartn_z occupancy pdbx_PDB_model_num".split(' ') {
        writeln!(cif, "_atom_site.{item}").unwrap();
    }
    let mut places: HashMap<char, (String, usize)> = HashMap::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("ATOM") || line.starts_with("HETATM"))
    {
        let cut = |start: usize, end: usize| match line[start..end].trim() {
            "" => ".",
            cell => cell,
        };
        let chain = line.chars().nth(21).unwrap();
        let is_polymer = line.starts_with("ATOM");
        let place = places.entry(chain).or_default();
        if is_polymer && place.0 != line[22..27] {
            *place = (line[22..27].to_string(), place.1 + 1);
        }
        let index = match (is_polymer, declared.is_empty()) {
            (false, _) => ".".to_string(),
            (true, true) => place.1.to_string(),
            (true, false) => cut(22, 26).to_string(),
        };
        let label = if is_polymer {
            format!("{chain}x")
        } else {
            format!("{chain}{}", cut(17, 20))
        };
        writeln!(
            cif,
            "{} {} \"{}\" {} {} {label} {index} {chain} {} {} {} {} {} {} 1",
            cut(0, 6),
            cut(6, 11),
            cut(12, 16),
            cut(16, 17),
            cut(17, 20),
            cut(22, 26),
            cut(26, 27),
            cut(30, 38),
            cut(38, 46),
            cut(46, 54),
            cut(54, 60)
        )
        .unwrap();
    }
    cif
}

#[test]
fn pdb_files_and_their_mmcif_twins_give_the_same_entry() {
    for (name, text) in files() {
        let mut pdb = of_pdb(&text);
        // mmCIF files carry no remarks of SAbDab.
        pdb.remarks = Remarks::default();
        pdb.id = Some(name.clone());
        let cif = without_labels(of_cif(&twin(&name, &text)));
        assert_eq!(
            (&cif.title, &cif.method, cif.resolution),
            (&pdb.title, &pdb.method, pdb.resolution)
        );
        for (cif, pdb) in cif.models[0].chains.iter().zip(&pdb.models[0].chains) {
            assert_eq!(cif, pdb, "{name}");
        }
        assert!(cif == pdb, "{name}");
    }
}
