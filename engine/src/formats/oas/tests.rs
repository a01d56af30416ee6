//! Data units in both layouts, whole and broken. All sequences are made up from public therapeutics.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::*;

const METADATA: &str = r#""{""Run"": ""SRR1"", ""Author"": ""Doe et al., 2020"", ""Species"": ""mouse_C57BL/6"", ""Age"": ""no"", ""BSource"": ""Spleen"", ""BType"": ""Naive-B-Cells"", ""Vaccine"": ""None"", ""Disease"": ""None"", ""Subject"": ""no"", ""Longitudinal"": ""no"", ""Unique sequences"": 2, ""Isotype"": ""IGHM"", ""Chain"": ""Heavy""}""#;
const HEADER: &str = "sequence,locus,productive,rev_comp,v_call,j_call,sequence_alignment_aa,v_identity,fwr1_aa,cdr1_aa,fwr2_aa,cdr2_aa,fwr3_aa,cdr3_aa,fwr4_aa,junction_aa,Redundancy,ANARCI_numbering,ANARCI_status";
const ROW: &str =
    "ACGT,H,T,F,IGHV1-2*01,IGHJ4*02,EVQL-VESG,98.3,,,,,,,,CARW,3,\"{'1 ': 'Q', '2 ': 'V'}\",|||";

fn open(text: &str) -> Result<Box<dyn Records>> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    Oas.open(input, "x.csv.gz", &ReadOptions::default())
}

fn read(text: &str) -> (SourceBatch, RecordBatch) {
    let mut records = open(text).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert!(records.next_batch().unwrap().is_none());
    let [repertoires] = batch.beside.as_slice() else {
        panic!("{:?}", batch.beside);
    };
    assert_eq!(repertoires.target, Target::Repertoires);
    let repertoires = repertoires.rows.clone();
    (batch, repertoires)
}

fn cell(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(row)).then(|| column.value(row).to_string())
}

fn attribute(batch: &RecordBatch, row: usize, key: &str) -> Option<String> {
    let entries = batch
        .column_by_name("attributes")
        .unwrap()
        .as_map()
        .value(row);
    let keys = entries.column(0).as_string::<i32>();
    let at = keys.iter().position(|k| k == Some(key))?;
    Some(entries.column(1).as_string::<i32>().value(at).to_string())
}

#[test]
fn a_row_of_one_chain_gets_an_identifier_and_a_polypeptide() {
    let (batch, repertoires) = read(&format!("{METADATA}\n{HEADER}\n{ROW}\n{ROW}\n"));
    let rows = &batch.records;
    assert_eq!(batch.rejects, []);
    assert_eq!((rows.num_rows(), batch.consumed), (2, 2));
    assert_eq!(rows.schema(), Oas.schema().unwrap());
    assert_eq!(cell(rows, "sequence_aa", 0).as_deref(), Some("EVQLVESG"));
    assert_eq!(cell(rows, "sequence_id", 0).unwrap().len(), 32);
    assert_ne!(cell(rows, "sequence_id", 0), cell(rows, "sequence_id", 1));
    assert_eq!(cell(rows, "chain", 0).as_deref(), Some("heavy"));
    assert_eq!(
        cell(rows, "repertoire_id", 0).as_deref(),
        Some("SRR1_Heavy_IGHM")
    );
    assert_eq!(
        cell(rows, "species_reported", 0).as_deref(),
        Some("mouse_C57BL/6")
    );
    assert_eq!(cell(rows, "pair_id", 0), None);
    assert_eq!(
        attribute(rows, 0, "ANARCI_numbering").as_deref(),
        Some("{'1 ': 'Q', '2 ': 'V'}")
    );
    let column = |name: &str| rows.column_by_name(name).unwrap();
    assert_eq!(
        column("v_identity").as_primitive::<Float64Type>().value(0),
        0.983
    );
    assert_eq!(
        column("duplicate_count")
            .as_primitive::<Int64Type>()
            .value(0),
        3
    );

    assert_eq!(repertoires.num_rows(), 1);
    for (name, expected) in [
        ("repertoire_id", Some("SRR1_Heavy_IGHM")),
        ("study_id", Some("Doe et al., 2020")),
        ("subject_id", None),
        ("sample_id", Some("SRR1")),
        ("species", Some("mouse")),
        ("strain", Some("C57BL/6")),
        ("age", None),
        ("tissue", Some("Spleen")),
        ("cell_subset", Some("Naive-B-Cells")),
        ("library_type", Some("bulk")),
    ] {
        assert_eq!(cell(&repertoires, name, 0).as_deref(), expected, "{name}");
    }
    assert_eq!(
        attribute(&repertoires, 0, "Unique sequences").as_deref(),
        Some("2")
    );
}

#[test]
fn regions_are_joined_where_the_alignment_is_missing() {
    let row = "ACGT,H,T,F,,,,98.3,EVQ,GFT,MSW,ISG,YYA,ARD,WGQ,CARDW,1,,";
    let gap = "ACGT,H,T,F,,,,98.3,EVQ,GFT,,ISG,YYA,ARD,WGQ,CARDW,1,,";
    let (batch, _) = read(&format!("{METADATA}\n{HEADER}\n{row}\n{gap}\n"));
    let joined = cell(&batch.records, "sequence_aa", 0);
    assert_eq!(joined.as_deref(), Some("EVQGFTMSWISGYYAARDWGQ"));
    assert_eq!(
        cell(&batch.records, "sequence_aa", 1),
        None,
        "a gap must not be closed"
    );
}

#[test]
fn a_paired_row_is_two_records_with_one_number_and_one_pair() {
    let header = "sequence_id_heavy,sequence_heavy,locus_heavy,productive_heavy,v_call_heavy,sequence_alignment_aa_heavy,sequence_id_light,sequence_light,locus_light,productive_light,v_call_light,sequence_alignment_aa_light,Isotype";
    let row = "c1_contig_1,ACGT,H,T,IGHV1-2*01,EVQLV,c1_contig_2,TTTT,K,T,IGKV1-39*01,DIQMT,IGHG1";
    let nameless = "\"\",ACGT,H,T,IGHV1-2*01,EVQLV,,TTTT,K,T,IGKV1-39*01,DIQMT,IGHG1";
    let broken = "c1,ACGT,H,T,IGHV1-2*01,EVQLV,c2,TTTT,K,perhaps,IGKV1-39*01,DIQMT,IGHG1";
    let (batch, repertoires) = read(&format!(
        "{METADATA}\n{header}\n{row}\n{broken}\n{nameless}\n"
    ));
    let rows = &batch.records;
    assert_eq!((rows.num_rows(), batch.consumed), (4, 3));
    let records = rows.column(0).as_primitive::<Int64Type>();
    assert_eq!(records.values(), &[1, 1, 3, 3]);
    assert_eq!(cell(rows, "sequence_id", 0).as_deref(), Some("c1_contig_1"));
    assert_eq!(cell(rows, "sequence_id", 1).as_deref(), Some("c1_contig_2"));
    assert!(cell(rows, "sequence_id", 2).unwrap().ends_with("_heavy"));
    assert_eq!(cell(rows, "chain", 1).as_deref(), Some("light"));
    assert_eq!(cell(rows, "sequence_aa", 1).as_deref(), Some("DIQMT"));
    assert_eq!(cell(rows, "pair_id", 0), cell(rows, "pair_id", 1));
    assert_ne!(cell(rows, "pair_id", 0), cell(rows, "pair_id", 2));
    assert_eq!(attribute(rows, 1, "Isotype").as_deref(), Some("IGHG1"));
    assert_eq!(
        attribute(rows, 1, "v_call_heavy"),
        None,
        "the other chain's columns stay with it"
    );
    assert!(
        batch.rejects[0]
            .reason
            .contains("line 4: light chain: column productive: 'perhaps'")
    );
    assert_eq!(
        cell(&repertoires, "library_type", 0).as_deref(),
        Some("single_cell")
    );
}

#[test]
fn without_its_first_line_a_data_unit_is_refused_with_what_was_expected() {
    for text in [
        format!("{HEADER}\n{ROW}\n"),
        String::new(),
        "\"{broken\n".to_string(),
    ] {
        let error = open(&text).err().unwrap().to_string();
        for word in [
            "x.csv.gz",
            "line 1",
            "metadata",
            "\"\"Run\"\"",
            "first line",
        ] {
            assert!(error.contains(word), "{error}");
        }
    }
}

#[test]
fn another_header_is_refused() {
    let error = open(&format!("{METADATA}\na,b\n"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("line 2") && error.contains("sequence_alignment_aa"),
        "{error}"
    );
    assert!(open(METADATA).err().unwrap().to_string().contains("line 2"));
}

#[test]
fn broken_rows_are_rejected_with_their_lines_and_the_rest_goes_on() {
    for (broken, reason) in [
        (
            ROW.replace(",T,F,", ",T,maybe,"),
            "column rev_comp: 'maybe'",
        ),
        (ROW.replace(",3,", ",many,"), "column Redundancy: 'many'"),
        (
            ROW.replace("ACGT", "AC7T"),
            "column sequence: '7' at position 3",
        ),
        (format!("{ROW},x"), "20 cells under a header of 19"),
        (ROW.replace("}\"", "}"), "a quote is opened and not closed"),
    ] {
        let (batch, _) = read(&format!("{METADATA}\n{HEADER}\n{ROW}\n{broken}\n{ROW}"));
        assert_eq!((batch.records.num_rows(), batch.consumed), (2, 3));
        let reject = &batch.rejects[0];
        assert_eq!(reject.record, Some(2));
        assert!(reject.reason.contains("line 4: "), "{}", reject.reason);
        assert!(reject.reason.contains(reason), "{}", reject.reason);
    }
}

#[test]
fn a_header_alone_has_no_records_but_a_repertoire() {
    let (batch, repertoires) = read(&format!("{METADATA}\r\n{HEADER}\r\n"));
    assert_eq!((batch.records.num_rows(), batch.consumed), (0, 0));
    assert_eq!(repertoires.num_rows(), 1);
}

#[test]
fn bare_json_is_metadata_too_and_a_unit_without_a_run_gets_a_stable_identifier() {
    let text = format!("{{\"Species\": \"human\"}}\n{HEADER}\n{ROW}\n");
    let (first, _) = read(&text);
    let (second, repertoires) = read(&text);
    assert_eq!(cell(&first.records, "repertoire_id", 0).unwrap().len(), 32);
    assert_eq!(first.records, second.records);
    assert_eq!(cell(&repertoires, "species", 0).as_deref(), Some("human"));
}
