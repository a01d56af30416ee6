//! Table properties: which there are, and what their values may be.
//!
//! A property is accepted only where reading, writing and maintenance act on it: what would be
//! stored and not honoured is an error, so that nobody relies on it.

use datafusion::sql::sqlparser::ast::{Expr, SqlOption, Value};
use deltalake::kernel::StructType;

use super::archive::{AFTER, ARCHIVE_CLASS};
use super::columns;
use super::layout::{PLAIN_COLUMNS, SORT_COLUMNS, ZORDER_COLUMNS};
use super::storage_class::{self, STORAGE_CLASS};
use crate::error::{Error, Result};
use crate::lifecycle::{Age, RETAIN};
use crate::storage::Storage;

/// Table property: rows are never removed or changed.
pub const APPEND_ONLY: &str = "delta.appendOnly";
/// Table property: changes of rows are kept beside the rows.
pub const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";

/// Longest interval, in days: sums with it stay within what clocks can show.
const LONGEST_DAYS: u64 = 36_500;

/// What a value is.
#[derive(Debug, Clone, Copy)]
enum Domain {
    Flag,
    /// From 1.
    Count,
    /// -1 for all, or from 0.
    IndexedColumns,
    Interval,
    OneOf(&'static [&'static str]),
    /// Columns that rows can be sorted by.
    Sortable,
    /// Columns whose values have no parts.
    Plain,
    /// Columns as deltalake's statistics can name them.
    Statistics,
    /// An age of rows.
    Age,
    /// A storage class of the lake's store.
    StorageClass,
}

const KNOWN: &[(&str, Domain)] = &[
    (APPEND_ONLY, Domain::Flag),
    ("delta.checkpointInterval", Domain::Count),
    ("delta.dataSkippingNumIndexedCols", Domain::IndexedColumns),
    ("delta.dataSkippingStatsColumns", Domain::Statistics),
    ("delta.deletedFileRetentionDuration", Domain::Interval),
    (CHANGE_DATA_FEED, Domain::Flag),
    ("delta.enableExpiredLogCleanup", Domain::Flag),
    (
        "delta.isolationLevel",
        Domain::OneOf(&["Serializable", "WriteSerializable"]),
    ),
    ("delta.logRetentionDuration", Domain::Interval),
    ("delta.setTransactionRetentionDuration", Domain::Interval),
    ("delta.targetFileSize", Domain::Count),
    (PLAIN_COLUMNS, Domain::Plain),
    (AFTER, Domain::Age),
    (ARCHIVE_CLASS, Domain::StorageClass),
    (RETAIN, Domain::Age),
    (SORT_COLUMNS, Domain::Sortable),
    (STORAGE_CLASS, Domain::StorageClass),
    (ZORDER_COLUMNS, Domain::Sortable),
];

/// Properties (or beginnings of some) that other software knows, and why not here.
const REFUSED: &[(&str, &str)] = &[
    (
        "delta.columnMapping.",
        "columns have the names of their Parquet columns",
    ),
    (
        "delta.enableDeletionVectors",
        "rows are removed by writing their files anew",
    ),
    (
        "delta.constraints.",
        "constraints are not enforced on writing",
    ),
    (
        "delta.invariants",
        "constraints are not enforced on writing",
    ),
    (
        "delta.generationExpression",
        "columns are not computed on writing",
    ),
    ("delta.identity.", "columns are not computed on writing"),
    (
        "delta.feature.",
        "features follow from columns and properties",
    ),
    (
        "delta.minReaderVersion",
        "the protocol follows from columns and properties",
    ),
    (
        "delta.minWriterVersion",
        "the protocol follows from columns and properties",
    ),
    (
        "delta.enableRowTracking",
        "rows have no identity of their own",
    ),
    ("delta.enableTypeWidening", "types of columns do not change"),
    (
        "delta.enableIcebergCompat",
        "no Iceberg metadata is written",
    ),
    ("delta.universalFormat.", "no Iceberg metadata is written"),
    (
        "delta.enableInCommitTimestamps",
        "commits have the time of their log entry",
    ),
    ("delta.checkpointPolicy", "checkpoints are classic ones"),
    ("delta.checkpoint.", "checkpoints hold statistics as JSON"),
    ("delta.parquet.", "files are Parquet with Zstd compression"),
    ("delta.autoOptimize.", "files are compacted by OPTIMIZE"),
    (
        "delta.randomizeFilePrefixes",
        "files have the names that the writer gives",
    ),
    (
        "delta.randomPrefixLength",
        "files have the names that the writer gives",
    ),
    ("delta.tuneFileSizesForRewrites", "set delta.targetFileSize"),
];

/// Whether the value is a true one.
pub fn is_true(value: Option<&String>) -> bool {
    value.is_some_and(|value| value == "true")
}

/// `'key' = 'value'` pairs of `TBLPROPERTIES (…)`.
///
/// # Errors
/// Anything else; a key that is there twice.
pub fn declared(options: &[SqlOption]) -> Result<Vec<(String, String)>> {
    let mut properties: Vec<(String, String)> = Vec::new();
    for option in options {
        let (key, value) = match option {
            SqlOption::KeyValue {
                key,
                value: Expr::Value(value),
            } => match &value.value {
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                    (key.value.clone(), text.clone())
                }
                Value::Null => return Err(no_pair(option)),
                other => (key.value.clone(), other.to_string()),
            },
            other => return Err(no_pair(other)),
        };
        if properties.iter().any(|(known, _)| *known == key) {
            return Err(Error::Invalid(format!(
                "the table property {key} is there twice; leave one out"
            )));
        }
        properties.push((key, value));
    }
    Ok(properties)
}

fn no_pair(option: &SqlOption) -> Error {
    Error::Invalid(format!("table property {option}: write 'key' = 'value'"))
}

/// Whether the property can be set to the value, on a table with these columns.
///
/// # Errors
/// An unknown key, a key whose meaning would not be honoured, a value that does not fit: each with
/// the remedy.
pub fn check(key: &str, value: &str, schema: &StructType) -> Result<()> {
    let expected = match domain(key)? {
        Domain::Flag if matches!(value, "true" | "false") => return Ok(()),
        Domain::Flag => "write 'true' or 'false'".to_string(),
        Domain::Count if value.parse::<i64>().is_ok_and(|count| count > 0) => return Ok(()),
        Domain::Count if key == "delta.targetFileSize" => {
            "write a number of bytes, like '134217728'".to_string()
        }
        Domain::Count => "write a whole number from 1, like '10'".to_string(),
        Domain::IndexedColumns if value.parse::<i64>().is_ok_and(|count| count >= -1) => {
            return Ok(());
        }
        Domain::IndexedColumns => "write a number of columns, or '-1' for all of them".to_string(),
        Domain::Interval if is_interval(value) => return Ok(()),
        Domain::Interval => format!(
            "write 'interval N seconds', minutes, hours, days or weeks, like 'interval 7 days', up to {LONGEST_DAYS} days"
        ),
        Domain::Age => return Age::parse(key, value, schema).map(|_| ()),
        Domain::StorageClass => return storage_class::check_name(key, value),
        Domain::OneOf(values) if values.contains(&value) => return Ok(()),
        Domain::OneOf(values) => format!("write one of '{}'", values.join("', '")),
        kind @ (Domain::Sortable | Domain::Plain | Domain::Statistics) => {
            return check_columns(key, value, kind, schema);
        }
    };
    Err(Error::Invalid(format!(
        "the table property {key} cannot be '{value}': {expected}"
    )))
}

/// Whether the store of a table can honour the property.
///
/// # Errors
/// Storage classes that it has not.
pub fn check_stored(key: &str, value: &str, storage: &Storage) -> Result<()> {
    match domain(key)? {
        Domain::StorageClass => storage_class::check(key, value, storage),
        _ => Ok(()),
    }
}

/// Whether the properties and columns of a table go together.
///
/// # Errors
/// Columns that a table with change data cannot have.
pub fn check_together<'a>(
    properties: impl Iterator<Item = (&'a str, &'a str)>,
    schema: &StructType,
) -> Result<()> {
    let has_change_data = properties
        .into_iter()
        .any(|(key, value)| key == CHANGE_DATA_FEED && value == "true");
    let taken = schema
        .fields()
        .find(|field| columns::is_change_data(field.name()));
    match taken {
        Some(field) if has_change_data => Err(Error::Invalid(format!(
            "a table with {CHANGE_DATA_FEED} cannot have the column {}: change data has one of this name",
            field.name()
        ))),
        _ => Ok(()),
    }
}

fn domain(key: &str) -> Result<Domain> {
    if let Some((_, domain)) = KNOWN.iter().find(|(known, _)| *known == key) {
        return Ok(*domain);
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| key.starts_with(refused)) {
        return Err(Error::Unsupported(format!(
            "the table property {key} is not honoured by this version of paratope ({why}); leave it out"
        )));
    }
    let meant = KNOWN
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(key));
    Err(Error::Invalid(match meant {
        Some((known, _)) => format!("there is no table property {key}; write {known}"),
        None => {
            let known: Vec<&str> = KNOWN.iter().map(|(known, _)| *known).collect();
            format!(
                "there is no table property {key}; there are {}",
                known.join(", ")
            )
        }
    }))
}

/// `interval 7 days`, as the Delta libraries read it: they ignore what follows.
fn is_interval(value: &str) -> bool {
    let words: Vec<&str> = value.split_whitespace().collect();
    let ["interval", number, unit] = words.as_slice() else {
        return false;
    };
    let unit = unit.strip_suffix('s').unwrap_or(unit);
    let in_seconds: u64 = match unit {
        "nanosecond" | "microsecond" | "millisecond" | "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return false,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(in_seconds))
        .is_some_and(|seconds| seconds <= LONGEST_DAYS * 86_400)
}

fn check_columns(key: &str, value: &str, kind: Domain, schema: &StructType) -> Result<()> {
    let refuse = |why: String| Err(Error::Invalid(format!("the table property {key}: {why}")));
    let mut seen: Vec<&str> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if name.is_empty() {
            return refuse("write names of columns, separated by commas".into());
        }
        let Some(field) = schema.field(name) else {
            let near = schema
                .fields()
                .find(|field| field.name().eq_ignore_ascii_case(name));
            return refuse(match near {
                Some(field) => format!("there is no column {name}; write {}", field.name()),
                None => format!("there is no column {name}"),
            });
        };
        if columns::is_nested(field.data_type()) {
            return refuse(format!(
                "{name} is of type {}; name columns whose values have no parts",
                field.data_type()
            ));
        }
        let plain = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if matches!(kind, Domain::Statistics) && !plain {
            return refuse(format!(
                "{name} cannot be listed here: statistics name columns by letters, digits and _ only"
            ));
        }
        if seen.contains(&name) {
            return refuse(format!("{name} is there twice"));
        }
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests;
