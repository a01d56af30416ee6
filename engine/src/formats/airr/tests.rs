//! Tables, good and broken.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::*;
use crate::formats::decompress;

const HEADER: &str = "sequence_id\tsequence\trev_comp\tproductive\tv_call\tjunction_aa\tv_identity\tduplicate_count\tmine\n";
const ROW: &str = "a\tACGT\tF\tT\tIGHV1-2*01\tCARW\t93.26\t12\tx\n";

fn open(text: &[u8]) -> Result<Box<dyn Records>> {
    let input = decompress(Box::new(Cursor::new(text.to_vec()))).unwrap();
    Airr.open(input, "x.tsv", &ReadOptions::default())
}

fn read(text: &[u8]) -> SourceBatch {
    open(text).unwrap().next_batch().unwrap().unwrap()
}

fn text(batch: &SourceBatch, name: &str, row: usize) -> String {
    let column = batch
        .records
        .column_by_name(name)
        .unwrap()
        .as_string::<i32>();
    if column.is_null(row) {
        "NULL".into()
    } else {
        column.value(row).into()
    }
}

#[test]
fn cells_become_what_their_columns_say() {
    let batch = read(format!("{HEADER}{ROW}").as_bytes());
    assert_eq!(batch.rejects, []);
    assert_eq!(batch.records.schema(), Airr.schema().unwrap());
    assert_eq!(text(&batch, "sequence_id", 0), "a");
    assert_eq!(text(&batch, "d_call", 0), "NULL");
    let column = |name: &str| batch.records.column_by_name(name).unwrap();
    assert!(column("productive").as_boolean().value(0));
    assert!(!column("rev_comp").as_boolean().value(0));
    assert_eq!(
        column("v_identity").as_primitive::<Float64Type>().value(0),
        0.9326
    );
    assert_eq!(
        column("duplicate_count")
            .as_primitive::<Int64Type>()
            .value(0),
        12
    );
    let map = column("attributes").as_map();
    assert_eq!(map.keys().as_string::<i32>().value(0), "mine");
}

#[test]
fn a_mark_windows_line_ends_and_a_missing_last_newline_change_nothing() {
    let plain = read(format!("{HEADER}{ROW}{ROW}").as_bytes());
    let windows = format!("\u{feff}{HEADER}\n{ROW}{}", ROW.trim_end()).replace('\n', "\r\n");
    let windows = read(windows.as_bytes());
    assert_eq!(plain.records, windows.records);
    assert_eq!(windows.rejects, []);
}

#[test]
fn empty_cells_are_null_and_quotes_are_text() {
    let batch = read(format!("{HEADER}a\tACGT\t\t\t\"IGHV1\"\t\t\t\t\n").as_bytes());
    assert_eq!(text(&batch, "v_call", 0), "\"IGHV1\"");
    assert_eq!(text(&batch, "junction_aa", 0), "NULL");
    assert!(
        batch
            .records
            .column_by_name("productive")
            .unwrap()
            .is_null(0)
    );
    assert!(
        batch
            .records
            .column_by_name("attributes")
            .unwrap()
            .is_null(0)
    );
}

#[test]
fn a_broken_cell_rejects_its_record_and_the_rest_goes_on() {
    for (broken, reason) in [
        (
            "b\tACGT\tF\tyes\tV\tC\t1\t1\t",
            "column productive: 'yes' is not T or F",
        ),
        (
            "b\tACGT\tNA\tT\tV\tC\t1\t1\t",
            "column rev_comp: 'NA' is not T or F",
        ),
        (
            "b\tACGT\tF\tT\tV\tC\t1\tmany\t",
            "column duplicate_count: 'many' is not",
        ),
        (
            "b\tACGT\tF\tT\tV\tC\t101\t1\t",
            "column v_identity: '101' is neither",
        ),
        (
            "b\tAC5T\tF\tT\tV\tC\t1\t1\t",
            "column sequence: '5' at position 3",
        ),
        ("b\tACGT\tF\tT", "4 cells under a header of 9"),
        (
            "b\tACGT\tF\tT\tV\tC\t1\t1\t\t\tx",
            "11 cells under a header of 9",
        ),
        ("b\t\tF\tT\t\t\t1\t1\t", "the record has none of sequence"),
    ] {
        let batch = read(format!("{HEADER}{ROW}{broken}\n{ROW}").as_bytes());
        assert_eq!((batch.records.num_rows(), batch.consumed), (2, 3));
        let reject = &batch.rejects[0];
        assert_eq!(reject.record, Some(2));
        assert!(reject.reason.starts_with("line 3: "), "{}", reject.reason);
        assert!(reject.reason.contains(reason), "{}", reject.reason);
        assert_eq!(reject.text, broken);
        let records = batch.records.column(0).as_primitive::<Int64Type>();
        assert_eq!(records.values(), &[1, 3]);
    }
}

#[test]
fn bytes_that_are_not_utf_8_reject_their_record() {
    let mut bytes = format!("{HEADER}{ROW}").into_bytes();
    bytes.extend_from_slice(b"b\xff\tACGT\tF\tT\t\t\t\t\n");
    bytes.extend_from_slice(ROW.as_bytes());
    let batch = read(&bytes);
    assert_eq!(batch.records.num_rows(), 2);
    assert!(
        batch.rejects[0]
            .reason
            .contains("line 3: byte 2 is not valid UTF-8")
    );
}

#[test]
fn a_header_without_a_sequence_is_refused_with_what_is_missing() {
    let text = format!("{HEADER}{ROW}").replace("\tsequence\t", "\twrong_name\t");
    let error = open(text.as_bytes()).err().unwrap().to_string();
    for word in [
        "x.tsv",
        "line 1",
        "requires the column sequence",
        "d_call",
        "v_cigar",
    ] {
        assert!(error.contains(word), "{error}");
    }
    assert!(!error.contains("productive"), "it is there: {error}");
}

#[test]
fn an_empty_file_and_a_column_named_twice_are_refused() {
    assert!(open(b"").err().unwrap().to_string().contains("empty"));
    let error = open(b"sequence_id\tsequence\tjunction\tjunction\n")
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("x.tsv: the header names junction twice"),
        "{error}"
    );
}

#[test]
fn a_header_alone_has_no_records() {
    assert!(
        open(HEADER.as_bytes())
            .unwrap()
            .next_batch()
            .unwrap()
            .is_none()
    );
}

#[test]
fn equal_identifiers_are_kept_and_missing_ones_made() {
    let nameless = ROW.replacen('a', "", 1);
    let batch = read(format!("{HEADER}{ROW}{ROW}{nameless}{nameless}").as_bytes());
    assert_eq!(batch.records.num_rows(), 4);
    assert_eq!(text(&batch, "sequence_id", 1), "a");
    let made = text(&batch, "sequence_id", 2);
    assert_eq!(made.len(), 32);
    assert_ne!(made, text(&batch, "sequence_id", 3));
}

#[test]
fn a_long_line_is_rejected_and_the_file_goes_on() {
    let long = format!("b\t{}\tF\tT\t\t\t\t\t\n", "A".repeat(20_000_000));
    let batch = read(format!("{HEADER}{ROW}{long}{ROW}").as_bytes());
    assert_eq!(batch.records.num_rows(), 2);
    assert!(batch.rejects[0].reason.contains("more than the limit"));
    assert!(batch.rejects[0].text.len() <= Reject::TEXT_LIMIT);
}

#[test]
fn the_source_may_name_the_species() {
    let batch = read(b"sequence_id\tsequence_aa\tspecies\torganism\na\tEVQ\tmouse\tx\n");
    assert_eq!(text(&batch, "species_reported", 0), "mouse");
}

#[test]
fn a_cut_gzip_table_gives_its_whole_records_and_a_reject() {
    use std::io::Write;

    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(5);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(HEADER.as_bytes()).unwrap();
    for record in 0..3_000 {
        let sequence: String = (0..300)
            .map(|_| ['A', 'C', 'G', 'T'][random.random_range(0..4)])
            .collect();
        writeln!(encoder, "r{record}\t{sequence}\tF\tT\t\t\t\t\t").unwrap();
    }
    let packed = encoder.finish().unwrap();
    let mut records = open(&packed[..packed.len() / 2]).unwrap();
    let (mut rows, mut rejects, mut consumed) = (0, Vec::new(), 0);
    while let Some(batch) = records.next_batch().unwrap() {
        rows += batch.records.num_rows();
        consumed += batch.consumed;
        rejects.extend(batch.rejects);
    }
    assert!(rows > 1_000);
    assert_eq!((rejects.len(), consumed), (1, rows as u64 + 1));
    assert_eq!(rejects[0].record, Some(rows as i64 + 1));
    assert!(rejects[0].reason.contains("cut off"), "{rejects:?}");
    let error = open(&packed[..12]).err().unwrap().to_string();
    assert!(error.contains("cut off"), "{error}");
}
