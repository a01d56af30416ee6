//! What a lake holds, in a form that two lakes can be compared by.

use std::collections::BTreeMap;

use crate::binary::{Paratope, Row};

/// Tables that ingest fills.
pub const INGEST_TABLES: &[&str] = &[
    "main.chains",
    "main.proteins",
    "main.protein_chains",
    "main.fvs",
    "main.repertoires",
    "system.rejects",
    "system.files",
];

/// Columns that tell when and not what.
const TIMES: &[&str] = &["ingested_at", "rejected_at", "changed_at"];

/// Rows of tables as sorted text.
pub type Contents = BTreeMap<&'static str, Vec<String>>;

/// Rows of each ingest table as sorted text, without times.
pub fn contents(paratope: &Paratope) -> Contents {
    INGEST_TABLES
        .iter()
        .map(|table| (*table, rows_of(paratope, table)))
        .collect()
}

/// Rows of one table as sorted text, without times.
#[track_caller]
pub fn rows_of(paratope: &Paratope, table: &str) -> Vec<String> {
    let mut rows: Vec<String> = paratope
        .query(&format!("SELECT * FROM {table}"))
        .into_iter()
        .map(|row| text(row, &[]))
        .collect();
    rows.sort();
    rows
}

fn text(mut row: Row, without: &[&str]) -> String {
    for column in TIMES.iter().chain(without) {
        row.remove(*column);
    }
    // Columns in the order of their names, so that the text depends on the row only.
    let sorted: BTreeMap<_, _> = row.into_iter().collect();
    serde_json::to_string(&sorted).expect("JSON")
}

/// Asserts that two lakes hold the same rows in every ingest table.
#[track_caller]
pub fn assert_same(actual: &Contents, expected: &Contents, when: &str) {
    for (table, expected) in expected {
        let actual = &actual[table];
        if actual != expected {
            let lost: Vec<_> = expected
                .iter()
                .filter(|row| !actual.contains(row))
                .take(3)
                .collect();
            let extra: Vec<_> = actual
                .iter()
                .filter(|row| !expected.contains(row))
                .take(3)
                .collect();
            panic!(
                "{when}: {table} has {} rows and should have {}\nlost: {lost:#?}\nextra (or double): {extra:#?}",
                actual.len(),
                expected.len()
            );
        }
    }
}

/// `(id, sequence)` of every row of `chains`, sorted.
#[track_caller]
pub fn chain_rows(paratope: &Paratope) -> Vec<(String, String)> {
    let mut rows: Vec<_> = paratope
        .query("SELECT sequence_id, v_domain_aa FROM chains")
        .into_iter()
        .map(|row| {
            let cell = |name: &str| {
                row.get(name)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
                    .to_string()
            };
            (cell("sequence_id"), cell("v_domain_aa"))
        })
        .collect();
    rows.sort();
    rows
}
