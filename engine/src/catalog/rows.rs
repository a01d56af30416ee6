//! Entries as rows of the Delta table `system.catalog`.
//!
//! Its data files are small and many. They are read whole, one request each and several at a time,
//! which no query plan would do.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::error::Result as DFResult;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::EagerSnapshot;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Entry, Kind, NAME, Name};
use crate::error::{Error, Result};
use crate::session;
use crate::tables::Table;
use crate::tables::definitions::definition;
use crate::tables::write::{self, Written};

/// Files read at a time.
const CONCURRENCY: usize = 16;
/// Memory for writing a handful of rows.
const WRITE_BYTES: u64 = 128 << 20;

/// Entries of these data files (paths relative to the table), in no order.
pub async fn read(table: &Table, files: Vec<Path>) -> Result<Vec<Entry>> {
    let store = table.log_store().object_store(None);
    let batches: Vec<Vec<RecordBatch>> = futures::stream::iter(files)
        .map(|file| {
            let store = Arc::clone(&store);
            async move { read_file(&store, &file).await }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut entries = Vec::new();
    for batch in batches.iter().flatten() {
        take_entries(batch, &mut entries)?;
    }
    Ok(entries)
}

async fn read_file(store: &Arc<dyn ObjectStore>, file: &Path) -> Result<Vec<RecordBatch>> {
    let bytes = store.get(file).await?.bytes().await?;
    let broken =
        |error: parquet::errors::ParquetError| Error::Corrupt(format!("{file} of {NAME}: {error}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.build())
        .map_err(broken)?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

fn take_entries(batch: &RecordBatch, entries: &mut Vec<Entry>) -> Result<()> {
    let column = |name: &str, kind: &DataType| match batch.column_by_name(name) {
        Some(values) => cast(values, kind).map_err(Error::from),
        None => Ok(new_null_array(kind, batch.num_rows())),
    };
    let schemas = column("schema_name", &DataType::Utf8)?;
    let names = column("name", &DataType::Utf8)?;
    let kinds = column("kind", &DataType::Utf8)?;
    let locations = column("location", &DataType::Utf8)?;
    let definitions = column("definition", &DataType::Utf8)?;
    let dropped = column("dropped", &DataType::Boolean)?;
    let times = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let changed = column("changed_at", &times)?;
    let dropped = dropped.as_boolean();
    let changed = changed.as_primitive::<TimestampMicrosecondType>();
    for row in 0..batch.num_rows() {
        let (Some(schema), Some(name), Some(kind)) =
            (text(&schemas, row), text(&names, row), text(&kinds, row))
        else {
            return Err(Error::Corrupt(format!("{NAME} has a row without a name")));
        };
        let Some(kind) = Kind::parse(&kind) else {
            continue;
        };
        entries.push(Entry {
            name: Name::new(schema, name),
            kind,
            location: text(&locations, row),
            definition: text(&definitions, row),
            dropped: dropped.is_valid(row) && dropped.value(row),
            changed_at: changed.value(row),
        });
    }
    Ok(())
}

fn text(column: &ArrayRef, row: usize) -> Option<String> {
    let column = column.as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_string())
}

/// Writes entries as a data file that is not committed yet.
pub async fn write(table: &Table, base: &EagerSnapshot, entries: &[Entry]) -> Result<Written> {
    let required = |of: fn(&Entry) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(entries.iter().map(of)))
    };
    let optional = |of: fn(&Entry) -> Option<&String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(entries.iter().map(of)))
    };
    let kinds: ArrayRef = Arc::new(StringArray::from_iter_values(
        entries.iter().map(|entry| entry.kind.to_string()),
    ));
    let dropped: BooleanArray = entries.iter().map(|entry| Some(entry.dropped)).collect();
    let changed: TimestampMicrosecondArray =
        entries.iter().map(|entry| Some(entry.changed_at)).collect();
    let batch = RecordBatch::try_new(
        definition(NAME)?.arrow_schema(),
        vec![
            required(|entry| &entry.name.schema_name),
            required(|entry| &entry.name.name),
            kinds,
            optional(|entry| entry.location.as_ref()),
            optional(|entry| entry.definition.as_ref()),
            Arc::new(dropped),
            Arc::new(changed.with_timezone("UTC")),
        ],
    )?;
    let stream =
        RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([DFResult::Ok(batch)]));
    let context = session::bare_context()?.task_ctx();
    write::write_sorted(table, base, Box::pin(stream), context, WRITE_BYTES).await
}
