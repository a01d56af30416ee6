//! What comes in from a file goes out as the same file, and in again as the same rows.

use std::path::Path;

use tests::binary::Paratope;
use tests::data::chains;
use tests::formats::{airr, fasta, fasta_nucleotides};

/// A lake that holds nothing but one file.
fn lake_of(folder: &Path, name: &str, file: &Path) -> Paratope {
    let paratope = Paratope::on(folder.join(name));
    paratope.ingest([file]);
    paratope
}

/// Ingests a text, copies `query` out, ingests that, and copies it out once more. Returns the rows of `compared` in both lakes
/// and both copies.
fn around(text: &str, suffix: &str, query: &str, compared: &str) -> [(String, String); 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut file = folder.path().join(format!("given.{suffix}"));
    std::fs::write(&file, text).unwrap();
    ["once", "twice"].map(|name| {
        let paratope = lake_of(folder.path(), name, &file);
        file = folder.path().join(format!("{name}.{suffix}"));
        paratope.query(&format!("COPY ({query}) TO '{}'", file.display()));
        let rows = serde_json::to_string(&paratope.query(compared)).unwrap();
        (rows, std::fs::read_to_string(&file).unwrap())
    })
}

const FASTA: &str = "SELECT sequence_id, sequence_aa FROM chains ORDER BY source_record";

#[test]
fn fasta_that_is_copied_out_is_the_fasta_that_came_in() {
    let given = chains(41, "around", 50);
    let [once, twice] = around(
        &fasta(&given),
        "fasta",
        FASTA,
        "SELECT sequence_id, sequence_aa, sequence_hash, v_domain_hash, chain, cdr3_aa FROM chains ORDER BY sequence_id",
    );
    assert_eq!(once, twice);
    // The records, without descriptions and breaks of lines.
    let plain = |text: &str| -> Vec<(String, String)> {
        let records = text.split('>').skip(1).map(|record| {
            let (header, sequence) = record.split_once('\n').unwrap();
            let id = header.split_whitespace().next().unwrap();
            (id.to_string(), sequence.replace('\n', ""))
        });
        records.collect()
    };
    let out = plain(&once.1);
    assert_eq!(out.len(), 50);
    assert_eq!(out, plain(&fasta(&given)));
}

#[test]
fn nucleotides_in_fasta_come_back_as_they_were() {
    let given = fasta_nucleotides(&chains(42, "bases", 20));
    let query = "SELECT sequence_id, sequence FROM chains ORDER BY source_record";
    let compared =
        "SELECT sequence_id, sequence, sequence_aa, v_domain_hash FROM chains ORDER BY sequence_id";
    let [once, twice] = around(&given, "fasta", query, compared);
    assert_eq!(once, twice);
    assert_eq!(once.1.replace('\n', ""), given.replace('\n', ""));
}

#[test]
fn an_airr_table_that_is_copied_out_is_ingested_as_what_it_was() {
    let given = airr(&chains(43, "table", 50));
    let query = "SELECT * FROM chains ORDER BY source_record";
    // The file and the time are others.
    let compared = "SELECT * EXCEPT (source_file, ingested_at) FROM chains ORDER BY source_record";
    let [once, twice] = around(&given, "tsv", query, compared);
    assert_eq!(once.0, twice.0);
    assert_eq!(once.1.lines().count(), 51);
}
