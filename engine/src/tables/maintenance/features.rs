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
pub fn check(table: &Table, snapshot: &EagerSnapshot, statement: &str) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::Unsupported(format!(
            "{statement} does not work on {}: the table has {what}, which would be lost",
            table.name()
        )))
    };
    let mapping = Table::property(snapshot, "delta.columnMapping.mode");
    if mapping.is_some_and(|mode| mode != "none") {
        return refuse("column mapping");
    }
    let protocol = snapshot.protocol();
    if protocol.min_reader_version() > READER_VERSION
        || protocol.min_writer_version() > WRITER_VERSION
    {
        return refuse("a newer protocol than this paratope knows");
    }
    let features = [protocol.reader_features(), protocol.writer_features()];
    let unknown = features
        .into_iter()
        .flatten()
        .flatten()
        .map(ToString::to_string)
        .find(|feature| !KEPT.contains(&feature.as_str()));
    match unknown {
        Some(feature) if feature == "deletionVectors" => refuse("deletion vectors"),
        Some(feature) => refuse(&format!("the feature {feature}")),
        None => Ok(()),
    }
}
