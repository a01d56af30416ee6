//! Tables of molecules, known and mapped, whole and broken. Sequences are those of approved therapeutics (public facts).
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use std::io::Cursor;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use rand::{Rng, SeedableRng};

use super::*;
use crate::formats::{decompress, detect};

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";
const VH2: &str = "EVQLVESGGGLVQPGRSLRLSCAASGFTFDDYAMHWVRQAPGKGLEWVSAITWNSGHIDYADSVEGRFTISRDNAKNSLYLQMNSLRAEDTAVYYCAKVSYLSTASSLDYWGQGTLVTVSS";
const THERA: &str = "Therapeutic,Format,CH1 Isotype,VD LC,Highest_Clin_Trial (Jan '24),Est. Status,Heavy Sequence,Light Sequence,Heavy Sequence (if bispec),Light Sequence (if bispec),Target,100% SI Structure";

fn thera() -> String {
    format!(
        "{THERA}\n\
         Trastuzumab,Whole mAb,G1,Kappa,Approved,Active,{VH},{VL},na,na,ERBB2/HER2,1n8z:BA;4hkz:BA\n\
         Twomab,Bispecific mAb,G1,na,Phase-I,na,{VH},{VL},{VH2},{VL},ERBB2;TNF,None\n\
         Nanozumab,Nanobody,na,na,Preregistration,na,{VH2},na,na,na,TNF,None\n"
    )
}

fn open(text: &[u8], columns: &[(&str, &str)]) -> Result<Box<dyn Records>> {
    let input = decompress(Box::new(Cursor::new(text.to_vec())))?;
    let columns = columns.iter().map(|(a, b)| ((*a).into(), (*b).into()));
    let options = ReadOptions {
        columns: columns.collect(),
        ..ReadOptions::default()
    };
    Molecules.open(input, "x.csv", &options)
}

fn read(text: &[u8], columns: &[(&str, &str)]) -> SourceBatch {
    let mut records = open(text, columns).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert!(records.next_batch().unwrap().is_none());
    batch
}

fn cell(rows: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = rows.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(row)).then(|| column.value(row).to_string())
}

fn cells(rows: &RecordBatch, name: &str) -> Vec<String> {
    let all = (0..rows.num_rows()).map(|row| cell(rows, name, row).unwrap_or_default());
    all.collect()
}

fn entry(rows: &RecordBatch, column: &str, row: usize, key: &str) -> Option<String> {
    let map = rows.column_by_name(column).unwrap().as_map();
    if map.is_null(row) {
        return None;
    }
    let entries = map.value(row);
    let keys = entries.column(0).as_string::<i32>();
    let at = keys.iter().position(|known| known == Some(key))?;
    Some(entries.column(1).as_string::<i32>().value(at).to_string())
}

fn beside(batch: &SourceBatch, target: Target) -> &RecordBatch {
    let found = batch.beside.iter().find(|other| other.target == target);
    &found.unwrap().rows
}

#[test]
fn a_table_of_therapeutics_is_known_without_a_word() {
    let text = thera();
    assert_eq!(detect(text.as_bytes(), "x.csv").unwrap().name(), "table");
    let batch = read(text.as_bytes(), &[]);
    let rows = &batch.records;
    assert_eq!((batch.consumed, batch.rejects.len()), (3, 0));
    assert_eq!(rows.schema(), Molecules.schema().unwrap());
    for (name, expected) in [
        ("protein_id", Some("Trastuzumab")),
        ("name", Some("Trastuzumab")),
        ("kind", Some("antibody")),
        ("format", Some("Whole mAb")),
        ("stage", Some("Approved")),
        ("target", Some("ERBB2/HER2")),
        ("sequence_aa", None),
    ] {
        assert_eq!(cell(rows, name, 0).as_deref(), expected, "{name}");
    }
    let pdb = entry(rows, "cross_references", 0, "pdb");
    assert_eq!(pdb.as_deref(), Some("1n8z,4hkz"));
    for (key, value) in [
        ("CH1 Isotype", Some("G1")),
        ("100% SI Structure", Some("1n8z:BA;4hkz:BA")),
        ("Heavy Sequence", Some(VH)),
        ("Heavy Sequence (if bispec)", None),
    ] {
        assert_eq!(entry(rows, "attributes", 0, key).as_deref(), value, "{key}");
    }
    assert_eq!(entry(rows, "cross_references", 1, "pdb"), None);
}

#[test]
fn each_v_domain_is_a_chain_of_its_arm() {
    let batch = read(thera().as_bytes(), &[]);
    let rows = beside(&batch, Target::ProteinChains);
    let arms = rows
        .column_by_name("arm")
        .unwrap()
        .as_primitive::<Int32Type>();
    let copies = rows
        .column_by_name("copies")
        .unwrap()
        .as_primitive::<Int32Type>();
    let found: Vec<(String, i32, String, Option<i32>)> = (0..rows.num_rows())
        .map(|row| {
            (
                cell(rows, "protein_id", row).unwrap(),
                arms.value(row),
                cell(rows, "role", row).unwrap(),
                copies.is_valid(row).then(|| copies.value(row)),
            )
        })
        .collect();
    let expected = [
        ("Trastuzumab", 1, "VH", Some(2)),
        ("Trastuzumab", 1, "VL", Some(2)),
        ("Twomab", 1, "VH", Some(1)),
        ("Twomab", 1, "VL", Some(1)),
        ("Twomab", 2, "VH", Some(1)),
        ("Twomab", 2, "VL", Some(1)),
        ("Nanozumab", 1, "VHH", None),
    ]
    .map(|(id, arm, role, copies)| (id.to_string(), arm, role.to_string(), copies));
    assert_eq!(found, expected);
    // A V domain and nothing else: both hashes are of the same letters.
    assert_eq!(cells(rows, "sequence_hash"), cells(rows, "v_domain_hash"));
    assert_eq!(
        cell(rows, "sequence_hash", 0),
        udfs::antibody::hash::sequence_hash(VH.as_bytes())
    );
}

#[test]
fn the_chains_of_an_arm_are_chain_records_and_a_pair() {
    let batch = read(thera().as_bytes(), &[]);
    let rows = beside(&batch, Target::Chains);
    assert_eq!(
        cells(rows, "sequence_id"),
        [
            "Trastuzumab_H",
            "Trastuzumab_L",
            "Twomab_H",
            "Twomab_L",
            "Twomab_H2",
            "Twomab_L2",
            "Nanozumab_H"
        ]
    );
    let pairs = cells(rows, "pair_id");
    assert_eq!(pairs[0], pairs[1]);
    assert_eq!(pairs[4], pairs[5]);
    assert_ne!(pairs[2], pairs[4], "one molecule, two binding sites");
    assert_eq!(pairs[6], "", "nothing to pair with");
    assert_eq!(
        entry(rows, "attributes", 0, "target").as_deref(),
        Some("ERBB2/HER2")
    );
}

#[test]
fn a_single_chain_has_the_role_of_one_for_both_its_domains() {
    let chain = format!("{VH}GGGGSGGGGSGGGGS{VL}");
    let text = format!("name,format,heavy\nscfv1,scFv,{chain}\nodd,Fab,ACDEFGHIKLMNPQRSTVWY\n");
    let batch = read(text.as_bytes(), &[]);
    let rows = beside(&batch, Target::ProteinChains);
    assert_eq!(cells(rows, "role"), ["scFv", "scFv", ""]);
    let hashes = cells(rows, "v_domain_hash");
    assert_ne!(hashes[0], hashes[1]);
    assert_eq!(hashes[2], "", "no V domain, and a row all the same");
    assert_eq!(
        beside(&batch, Target::Chains).num_rows(),
        2,
        "ingest finds the domains"
    );
}

#[test]
fn a_mapping_says_what_other_columns_hold() {
    let text = format!(
        "INN;Antigen;VH;UniProt;Synonyms;Isotype\nTrastuzumab;HER2;{VH};P04626;Herceptin|4D5;IgG1\n"
    );
    let mapping = [
        ("INN", "name"),
        ("Antigen", "target"),
        ("VH", "heavy"),
        ("UniProt", "cross_references.UniProt"),
        ("Synonyms", "names"),
    ];
    let batch = read(text.as_bytes(), &mapping);
    let rows = &batch.records;
    assert_eq!(batch.rejects, []);
    assert_eq!(cell(rows, "target", 0).as_deref(), Some("HER2"));
    let reference = entry(rows, "cross_references", 0, "uniprot");
    assert_eq!(reference.as_deref(), Some("P04626"));
    assert_eq!(
        entry(rows, "attributes", 0, "Isotype").as_deref(),
        Some("IgG1")
    );
    let names = rows
        .column_by_name("names")
        .unwrap()
        .as_list::<i32>()
        .value(0);
    let names: Vec<_> = names.as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["Trastuzumab", "Herceptin", "4D5"]);
    assert_eq!(beside(&batch, Target::Chains).num_rows(), 1);
}

#[test]
fn columns_with_our_names_need_no_mapping_and_a_mapping_comes_first() {
    let text = "protein_id\tname\tkind\tsequence_aa\tlabel\nP1\tEGFR\tAntigen\tMRPSG\tHER1\n";
    let batch = read(text.as_bytes(), &[]);
    assert_eq!(cell(&batch.records, "kind", 0).as_deref(), Some("antigen"));
    assert_eq!(cell(&batch.records, "name", 0).as_deref(), Some("EGFR"));
    assert!(cell(&batch.records, "sequence_hash", 0).is_some());
    let batch = read(text.as_bytes(), &[("label", "name")]);
    assert_eq!(cell(&batch.records, "name", 0).as_deref(), Some("HER1"));
    let kept = entry(&batch.records, "attributes", 0, "name");
    assert_eq!(kept.as_deref(), Some("EGFR"), "nothing is lost");
}

#[test]
fn chains_in_one_cell_are_told_apart_by_their_v_domains() {
    let unread = "GASGASGASGASGAS";
    let text = format!(
        "inn,seqs\na,\"{VH},{VL}\"\nb,\"{VL}, {VH}\"\nc,{VL}\nd,{VL};{VH};{VH2};{VL}\ne,{unread}|{VL}\nf,{unread}\ng,\"{VH},1\"\n"
    );
    let batch = read(text.as_bytes(), &[("inn", "name"), ("seqs", "chains")]);
    let chains = beside(&batch, Target::Chains);
    let told: Vec<String> = cells(chains, "sequence_id")
        .into_iter()
        .zip(cells(chains, "sequence_aa"))
        .map(|(id, sequence)| {
            let name = [(VH, "VH"), (VL, "VL"), (VH2, "VH2"), (unread, "unread")]
                .into_iter()
                .find(|(known, _)| *known == sequence);
            format!("{id}={}", name.unwrap().1)
        })
        .collect();
    assert_eq!(
        told,
        [
            "a_H=VH",
            "a_L=VL",
            "b_H=VH",
            "b_L=VL",
            "c_L=VL",
            "d_H=VH",
            "d_L=VL",
            "d_H2=VH2",
            "d_L2=VL",
            "e_H=unread",
            "e_L=VL"
        ]
    );
    let kept = entry(&batch.records, "attributes", 0, "seqs");
    assert_eq!(kept, Some(format!("{VH},{VL}")));
    let reasons: Vec<&str> = batch.rejects.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0].contains("column seqs: no antibody V domain in GASGAS"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("column seqs: '1' at position 1 is no residue"),
        "{reasons:?}"
    );
}

#[test]
fn what_a_mapping_gets_wrong_is_said_with_the_remedy() {
    let text = b"a,b\nx,y\n";
    for (columns, words) in [
        (vec![], ["--map COLUMN=name", "the header has a, b"]),
        (vec![("c", "name")], ["no column c", "the header has a, b"]),
        (vec![("a", "nmae")], ["no field 'nmae'", "heavy_2"]),
        (vec![("a", "name"), ("b", "name")], ["column b", "once"]),
    ] {
        let error = open(text, &columns).err().unwrap().to_string();
        for word in words.into_iter().chain(["x.csv"]) {
            assert!(error.contains(word), "{error}");
        }
    }
    assert_eq!(
        column_mapping("INN = name"),
        Some(("INN".into(), "name".into()))
    );
    assert_eq!(
        column_mapping("a=b=heavy"),
        Some(("a=b".into(), "heavy".into()))
    );
    assert_eq!(column_mapping("data/x=1/file.csv"), None);
}

#[test]
fn broken_rows_are_rejected_with_their_place_and_the_rest_goes_on() {
    for (broken, reason) in [
        (
            "x,antibody,EVQ1",
            "column heavy: '1' at position 4 is no residue",
        ),
        (
            "x,enzyme,EVQ",
            "column kind: 'enzyme' is none of antibody, antigen, other",
        ),
        ("na,antibody,", "neither a name nor a sequence"),
        ("x,antibody", "2 cells under a header of 3"),
        ("\"x,antibody,EVQ", "a quote is opened and not closed"),
    ] {
        let text = format!("name,kind,heavy\na,antibody,EVQ\n{broken}\nb,antigen,\n");
        let batch = read(text.as_bytes(), &[]);
        assert_eq!(
            (batch.records.num_rows(), batch.consumed),
            (2, 3),
            "{broken}"
        );
        let reject = &batch.rejects[0];
        assert_eq!((reject.record, reject.text.as_str()), (Some(2), broken));
        assert!(reject.reason.starts_with("line 3: "), "{}", reject.reason);
        assert!(reject.reason.contains(reason), "{}", reject.reason);
    }
}

#[test]
fn a_mark_windows_line_ends_and_a_missing_last_newline_change_nothing() {
    let plain = read(thera().as_bytes(), &[]);
    let windows = format!("\u{feff}{}", thera().trim_end()).replace('\n', "\r\n");
    let windows = read(windows.as_bytes(), &[]);
    assert_eq!(plain.records, windows.records);
    assert_eq!(windows.rejects, []);
}

#[test]
fn random_damage_makes_neither_a_panic_nor_a_loss() {
    let good = format!(
        "name,kind,heavy,light,pdb,format\na,antibody,{},{},1abc:HL,mAb\nb,antigen,,,,\n",
        &VH[..30],
        &VL[..30]
    );
    let good = good.into_bytes();
    let mut random = rand::rngs::StdRng::seed_from_u64(23);
    let bytes = b"\"\",\n\r\t\0;|:\xff1A";
    for _ in 0..1_000 {
        let mut text = good.clone();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..text.len());
            match random.random_range(0..3) {
                0 => text[at] = bytes[random.random_range(0..bytes.len())],
                1 => text.insert(at, bytes[random.random_range(0..bytes.len())]),
                _ => text.truncate(at.max(1)),
            }
        }
        let Ok(mut records) = open(&text, &[]) else {
            continue;
        };
        while let Some(batch) = records.next_batch().unwrap() {
            let seen = batch.records.num_rows() + batch.rejects.len();
            assert_eq!(seen as u64, batch.consumed);
        }
    }
}
