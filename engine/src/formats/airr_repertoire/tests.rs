//! Repertoire metadata, good and bad.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::Cursor;

use arrow::array::{Array, AsArray};

use super::*;

const YAML: &str = "
Info:
  version: '1.5'
Repertoire:
  - repertoire_id: R1
    study:
      study_id: PRJNA1
      study_title: A study
    subject:
      subject_id: S1
      species: {id: 'NCBITAXON:9606', label: Homo sapiens}
      sex: female
      age_min: 35
      age_max: 35
      age_unit: {id: 'UO:0000036', label: year}
      diagnosis:
        - disease_diagnosis: {id: null, label: null}
          immunogen: influenza
    sample:
      - sample_id: A
        tissue: {id: 'UBERON:0000178', label: blood}
        cell_subset: {id: 'CL:0000788', label: naive B cell}
        single_cell: false
      - sample_id: B
        tissue: {label: blood}
    data_processing:
      - germline_database: IMGT 2023-05
";

fn open(text: &str) -> Result<Box<dyn Records>> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    AirrRepertoire.open(input, "x.yaml", &ReadOptions::default())
}

fn cell(batch: &RecordBatch, name: &str) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(0)).then(|| column.value(0).to_string())
}

#[test]
fn yaml_and_json_give_the_same_row() {
    let yaml = open(YAML).unwrap().next_batch().unwrap().unwrap();
    let json: Json = serde_yaml_ng::from_str(YAML).unwrap();
    let json = open(&json.to_string())
        .unwrap()
        .next_batch()
        .unwrap()
        .unwrap();
    assert_eq!(yaml.records.num_rows(), 1);
    for (name, expected) in [
        ("repertoire_id", Some("R1")),
        ("study_id", Some("PRJNA1")),
        ("subject_id", Some("S1")),
        ("sample_id", Some("A; B")),
        ("species", Some("human")),
        ("age", Some("35 year")),
        ("sex", Some("female")),
        ("disease", None),
        ("vaccine", Some("influenza")),
        ("tissue", Some("blood")),
        ("cell_subset", Some("naive B cell")),
        ("library_type", Some("bulk")),
        ("germline_database", Some("IMGT 2023-05")),
        ("strain", None),
    ] {
        assert_eq!(cell(&yaml.records, name).as_deref(), expected, "{name}");
        assert_eq!(cell(&json.records, name).as_deref(), expected, "{name}");
    }
    let keys = yaml
        .records
        .column_by_name("attributes")
        .unwrap()
        .as_map()
        .keys()
        .clone();
    let keys: Vec<&str> = keys.as_string::<i32>().iter().flatten().collect();
    assert!(keys.contains(&"study.study_title"), "{keys:?}");
    assert!(keys.contains(&"species_reported"), "{keys:?}");
}

#[test]
fn an_entry_that_is_no_object_is_rejected_and_an_identifier_made_where_none_is() {
    let mut records = open("Repertoire:\n- 5\n- study: {study_id: X}\n").unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert_eq!((batch.records.num_rows(), batch.consumed), (1, 2));
    assert_eq!(batch.rejects[0].record, Some(1));
    assert_eq!(cell(&batch.records, "repertoire_id").unwrap().len(), 32);
    assert!(records.next_batch().unwrap().is_none());
}

#[test]
fn what_is_no_repertoire_metadata_is_refused_with_the_place() {
    for (text, word) in [
        ("{\"Repertoire\": [", "line 1"),
        ("Repertoire:\n  - a: [\n", "line"),
        ("Rearrangement: []\n", "no list Repertoire"),
        ("{\"Repertoire\": 5}", "not a list"),
        ("- a\n", "list Repertoire"),
    ] {
        let error = open(text).err().unwrap().to_string();
        assert!(
            error.contains("x.yaml") && error.contains(word),
            "{text}: {error}"
        );
    }
}
