//! Records that are wrong in files that are right: they go to `system.rejects`, the rest goes on;
//! and records that merely look odd are rows.

use tests::data::{trastuzumab_vh, trastuzumab_vl};
use tests::formats::{airr, airr_row, fasta};

use super::{Bench, set};

#[test]
fn invalid_utf8_is_rejected_with_its_place() {
    let bench = Bench::new();
    let set = set("utf8", 3);
    let mut bytes = airr(&set[..1]).into_bytes();
    let broken = airr_row(&set[1]).replace("made for a test", "caf?");
    bytes.extend(
        broken
            .bytes()
            .map(|byte| if byte == b'?' { 0xe9 } else { byte }),
    );
    bytes.extend(airr_row(&set[2]).bytes());
    let file = bench.write("latin1.tsv", bytes);
    bench.ingest(&file).expect_code(3);
    assert_eq!(bench.ids("utf8"), 2);
    let rejects = bench.rejects();
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert_eq!(rejects[0].0, Some(2));
    assert!(rejects[0].1.contains("UTF-8"), "{rejects:?}");
}

#[test]
fn residues_that_do_not_exist_are_rejected_with_their_place() {
    let bench = Bench::new();
    let text = format!("{}>digits\nEVQL1234VESGG\n", fasta(&set("ok", 2)));
    let file = bench.write("digits.fasta", text);
    bench.ingest(&file).expect_code(3);
    assert_eq!(bench.ids("ok"), 2);
    let rejects = bench.rejects();
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert_eq!(rejects[0].0, Some(3));
    assert!(rejects[0].2.contains("digits"), "{rejects:?}");
}

#[test]
fn an_unknown_residue_x_is_a_row() {
    let bench = Bench::new();
    let mut sequence = trastuzumab_vh();
    sequence.replace_range(9..10, "X");
    let file = bench.write("x.fasta", format!(">x-1\n{sequence}\n"));
    bench.ingest(&file).expect_code(0);
    assert_eq!(bench.ids("x"), 1);
    assert_eq!(
        bench.column("SELECT sequence_aa FROM chains"),
        [sequence.as_str()]
    );
}

#[test]
fn lower_case_is_the_same_sequence() {
    let bench = Bench::new();
    let (upper, lower) = (trastuzumab_vl(), trastuzumab_vl().to_lowercase());
    let file = bench.write("case.fasta", format!(">u-1\n{upper}\n>l-1\n{lower}\n"));
    bench.ingest(&file).expect_code(0);
    assert_eq!(
        bench.count("SELECT count(DISTINCT sequence_hash) FROM chains"),
        1
    );
    assert_eq!(
        bench.column("SELECT DISTINCT v_domain_aa FROM chains"),
        [upper.as_str()]
    );
    assert_eq!(bench.column("SELECT DISTINCT chain FROM chains"), ["light"]);
}

#[test]
fn records_with_the_same_id_are_all_kept() {
    let bench = Bench::new();
    let text = format!(
        ">same-1\n{}\n>same-1\n{}\n",
        trastuzumab_vh(),
        trastuzumab_vl()
    );
    let file = bench.write("same.fasta", text);
    bench.ingest(&file).expect_code(0);
    let rows =
        bench.column("SELECT source_record FROM chains WHERE sequence_id = 'same-1' ORDER BY 1");
    assert_eq!(rows, [1, 2]);
}

#[test]
fn broken_cells_are_rejected_and_the_other_rows_stay() {
    let bench = Bench::new();
    let set = set("cell", 5);
    let mut text = airr(&set[..1]);
    text.push_str(&airr_row(&set[1]).replace("\tF\tT\t", "\tF\tperhaps\t"));
    text.push_str(&airr_row(&set[2]).replace("\t3\tmade", "\tthree\tmade"));
    text.push_str("one\tcell\ttoo\tfew\n");
    text.push_str(&airr_row(&set[4]));
    let file = bench.write("cells.tsv", text);
    bench.ingest(&file).expect_code(3);
    assert_eq!(bench.ids("cell"), 2);
    let rejects = bench.rejects();
    let records: Vec<_> = rejects.iter().map(|reject| reject.0).collect();
    assert_eq!(records, [Some(2), Some(3), Some(4)], "{rejects:#?}");
    for (reject, word) in rejects.iter().zip(["perhaps", "three", "cell"]) {
        assert!(
            reject.1.contains(word) || reject.2.contains(word),
            "{reject:?}"
        );
    }
    assert!(rejects[0].1.contains("productive"), "{rejects:#?}");
    assert!(rejects[1].1.contains("duplicate_count"), "{rejects:#?}");
    let sources = bench.column("SELECT DISTINCT source_file FROM system.rejects");
    assert!(sources[0].as_str().unwrap().ends_with("cells.tsv"));
}

#[test]
fn a_record_without_a_v_domain_is_a_row_and_not_a_reject() {
    let bench = Bench::new();
    let mut set = set("none", 2);
    set[1].v_domain_aa = "MKTAYIAKQRQISFVKSHFSRQ".into();
    let file = bench.write("none.tsv", airr(&set));
    bench.ingest(&file).expect_code(0);
    assert_eq!(bench.rejects(), []);
    let rows = bench.paratope.query(
        "SELECT sequence_id, v_domain_aa IS NULL AS none, chain_source FROM chains WHERE sequence_id = 'none-00001'",
    );
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["none"], true);
    assert_eq!(rows[0]["chain_source"], "locus");
}

#[test]
fn a_source_that_contradicts_the_sequence_does_not_decide_the_chain() {
    let bench = Bench::new();
    let mut set = set("contra", 1);
    set[0].v_domain_aa = trastuzumab_vl();
    set[0].locus = "IGH";
    set[0].v_call = "IGHV3-66*01";
    let text = airr(&set[..1]);
    let file = bench.write("contra.tsv", text);
    bench.ingest(&file).expect_code(0);
    assert_eq!(bench.column("SELECT chain FROM chains"), ["light"]);
    assert_eq!(
        bench.column("SELECT chain_source FROM chains"),
        ["v_domain"]
    );
}

#[test]
fn a_hopeless_file_stops_at_max_rejects_and_leaves_nothing() {
    let bench = Bench::new();
    let mut text = airr(&set("stop", 2));
    text.push_str(&"too\tfew\n".repeat(20));
    let file = bench.write("hopeless.tsv", text);
    let path = file.to_str().unwrap();
    bench
        .paratope
        .run_verb("ingest", ["--max-rejects", "5", path])
        .expect_code(1)
        .expect_message(&["hopeless.tsv", "--max-rejects"]);
    assert_eq!(bench.count("SELECT count(*) FROM chains"), 0);
    bench
        .paratope
        .run_verb("ingest", ["--max-rejects", "20", path])
        .expect_code(3);
    assert_eq!(bench.ids("stop"), 2);
    assert_eq!(bench.rejects().len(), 20);
}
