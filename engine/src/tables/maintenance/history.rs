//! DESCRIBE HISTORY: who changed a table when, and how.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::error::Result;
use crate::tables::Table;
use crate::tables::log::{CONCURRENCY, Log, Provenance};

/// The newest commits of `table`, newest first; all that the log has without a `limit`.
///
/// # Errors
/// Whatever keeps the log from being read.
pub async fn history(table: &Table, limit: Option<usize>) -> Result<RecordBatch> {
    let log = Log::list(table).await?;
    let newest = log.newest()?;
    let versions: Vec<u64> = log
        .commits()
        .map(|(version, _)| version)
        .rev()
        .filter(|version| *version <= newest)
        .take(limit.unwrap_or(usize::MAX))
        .collect();
    let commits: Vec<Provenance> = futures::stream::iter(versions)
        .map(|version| log.provenance(version))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    batch(&commits)
}

fn batch(commits: &[Provenance]) -> Result<RecordBatch> {
    let text = |of: fn(&Provenance) -> Option<String>| -> ArrayRef {
        Arc::new(commits.iter().map(of).collect::<StringArray>())
    };
    let versions = commits.iter().map(|commit| number(commit.version));
    let times = commits.iter().map(|commit| commit.at.timestamp_micros());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("version", Arc::new(Int64Array::from_iter_values(versions))),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
        ("operation", text(|commit| commit.info.operation.clone())),
        (
            "operation_parameters",
            maps(commits, |commit| commit.info.operation_parameters.clone())?,
        ),
        ("user_id", text(|commit| commit.info.user_id.clone())),
        ("user_name", text(|commit| commit.info.user_name.clone())),
        (
            "engine_info",
            text(|commit| commit.info.engine_info.clone()),
        ),
        (
            "read_version",
            Arc::new(
                commits
                    .iter()
                    .map(|commit| commit.info.read_version.map(number))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "is_blind_append",
            Arc::new(
                commits
                    .iter()
                    .map(|commit| commit.info.is_blind_append)
                    .collect::<BooleanArray>(),
            ),
        ),
        ("operation_metrics", maps(commits, metrics)?),
        (
            "user_metadata",
            text(|commit| commit.info.user_metadata.clone()),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| {
            let required = matches!(*name, "version" | "timestamp");
            Field::new(*name, values.data_type().clone(), !required)
        })
        .collect();
    let columns = columns.into_iter().map(|(_, values)| values).collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

fn metrics(commit: &Provenance) -> Option<HashMap<String, Value>> {
    let metrics = commit.info.info.get("operationMetrics")?.as_object()?;
    Some(metrics.clone().into_iter().collect())
}

/// A map of texts a row, its keys sorted.
fn maps(
    commits: &[Provenance],
    of: impl Fn(&Provenance) -> Option<HashMap<String, Value>>,
) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for commit in commits {
        let map = of(commit);
        let mut entries: Vec<_> = map.iter().flatten().collect();
        entries.sort_by_key(|(key, _)| *key);
        for (key, value) in entries {
            builder.keys().append_value(key);
            match value {
                Value::Null => builder.values().append_null(),
                Value::String(text) => builder.values().append_value(text),
                other => builder.values().append_value(other.to_string()),
            }
        }
        builder.append(map.is_some())?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Type of a moment, as in the lake's tables.
pub fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A version as SQL has it.
pub fn number(version: u64) -> i64 {
    version.try_into().unwrap_or(i64::MAX)
}
