//! Which tables may be rewritten: those whose protocol asks for nothing that rewriting would break.

use deltalake::kernel::EagerSnapshot;

use crate::error::{Error, Result};
use crate::tables::Table;

/// Features of the protocol that old rows in new files, restored files and deleted old files keep
/// intact. What is not listed is refused: a feature that is not known cannot be kept.
const KEPT: &[&str] = &[
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "checkpointProtection",
    "columnMapping",
    "generatedColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];
/// Newest versions of the protocol.
const READER_VERSION: i32 = 3;
const WRITER_VERSION: i32 = 7;

/// Fails where `statement` would break a feature of the table.
///
/// # Errors
/// `Unsupported`, naming the feature.
pub fn check_rewriting(table: &Table, snapshot: &EagerSnapshot, statement: &str) -> Result<()> {
    check_reading(table, snapshot, statement)?;
    let protocol = snapshot.protocol();
    if protocol.min_writer_version() > WRITER_VERSION {
        return Err(refuse(table, statement, "a newer protocol"));
    }
    let features = protocol.writer_features();
    check_names(table, features.into_iter().flatten(), statement)
}

/// Fails where `statement` would read wrong rows.
///
/// # Errors
/// `Unsupported`, naming the feature.
pub fn check_reading(table: &Table, snapshot: &EagerSnapshot, statement: &str) -> Result<()> {
    let mapping = Table::property(snapshot, "delta.columnMapping.mode");
    if mapping.is_some_and(|mode| mode != "none") {
        return Err(refuse(table, statement, "column mapping"));
    }
    let protocol = snapshot.protocol();
    if protocol.min_reader_version() > READER_VERSION {
        return Err(refuse(table, statement, "a newer protocol"));
    }
    let features = protocol.reader_features();
    check_names(table, features.into_iter().flatten(), statement)
}

fn check_names(
    table: &Table,
    features: impl Iterator<Item = impl ToString>,
    statement: &str,
) -> Result<()> {
    let unknown = features
        .map(|feature| feature.to_string())
        .find(|feature| !KEPT.contains(&feature.as_str()));
    match unknown {
        Some(feature) if feature == "deletionVectors" => {
            Err(refuse(table, statement, "deletion vectors"))
        }
        Some(feature) => Err(refuse(table, statement, &format!("the feature {feature}"))),
        None => Ok(()),
    }
}

fn refuse(table: &Table, statement: &str, what: &str) -> Error {
    Error::Unsupported(format!(
        "{statement} does not work on {}: the table has {what}, which this version of paratope does not handle there",
        table.name()
    ))
}
