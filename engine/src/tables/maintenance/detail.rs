//! DESCRIBE DETAIL: a table in one row.

use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::array::{
    ArrayRef, Int32Array, Int64Array, ListBuilder, MapBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};

use super::files;
use crate::error::Result;
use crate::storage::redact;
use crate::tables::Table;
use crate::tables::layout::SORT_COLUMNS;
use crate::tables::log::Log;

/// The newest version of `table` in one row.
///
/// # Errors
/// Whatever keeps the log from being read.
pub async fn detail(table: &Table) -> Result<RecordBatch> {
    let snapshot = table.snapshot().await?;
    let metadata = snapshot.metadata();
    let protocol = snapshot.protocol();
    let log = Log::list(table).await?;
    let modified = log.provenance(snapshot.version()).await.ok();
    let files = files::active(&snapshot)?;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    // Unknown as a whole where one file does not say.
    let rows = files
        .iter()
        .try_fold(0_u64, |sum, file| Some(sum + file.rows?));
    let mut features: Vec<String> = [protocol.reader_features(), protocol.writer_features()]
        .into_iter()
        .flatten()
        .flatten()
        .map(ToString::to_string)
        .collect();
    features.sort();
    features.dedup();
    let mut properties: Vec<_> = metadata.configuration().iter().collect();
    properties.sort();
    let sort_columns = Table::column_list(&snapshot, SORT_COLUMNS).unwrap_or_default();
    let location = format!("{}{}", redact(table.storage().url()), table.location());
    let created = metadata
        .created_time()
        .and_then(DateTime::from_timestamp_millis)
        .map(|time| time.timestamp_micros());

    let columns: Vec<(&str, ArrayRef)> = vec![
        ("format", text(Some("delta"))),
        ("id", text(Some(metadata.id()))),
        ("name", text(Some(table.name()))),
        ("description", text(metadata.description())),
        ("location", text(Some(&location))),
        ("created_at", moment(created)),
        (
            "last_modified",
            moment(modified.map(|commit| commit.at.timestamp_micros())),
        ),
        ("version", number(Some(snapshot.version()))),
        ("partition_columns", list(metadata.partition_columns())),
        ("sort_columns", list(&sort_columns)),
        ("files", number(Some(files.len() as u64))),
        ("bytes", number(Some(bytes))),
        ("rows", number(rows)),
        ("properties", map(&properties)?),
        (
            "min_reader_version",
            Arc::new(Int32Array::from(vec![protocol.min_reader_version()])),
        ),
        (
            "min_writer_version",
            Arc::new(Int32Array::from(vec![protocol.min_writer_version()])),
        ),
        ("table_features", list(&features)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, values)| values).collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

fn text(value: Option<&str>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn number(value: Option<u64>) -> ArrayRef {
    let value = value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    Arc::new(Int64Array::from(vec![value]))
}

fn moment(micros: Option<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
}

fn list(values: &[String]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        builder.values().append_value(value);
    }
    builder.append(true);
    Arc::new(builder.finish())
}

fn map(entries: &[(&String, &String)]) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (key, value) in entries {
        builder.keys().append_value(key);
        builder.values().append_value(value);
    }
    builder.append(true)?;
    Ok(Arc::new(builder.finish()))
}
