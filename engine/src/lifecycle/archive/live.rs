//! `system.archive`: what lies in the archives of tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::Moved;
use super::away::CLASS_TAG;
use super::moving::Archive;
use crate::catalog::{Live, SCHEMAS};
use crate::error::Result;
use crate::lake::Lake;
use crate::tables::Table;
use crate::tables::archive::partition_name;

/// Name of the table in the schema `system`.
pub const TABLE: &str = "archive";

/// An archived partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// `schema.name` of its table.
    pub table: String,
    /// `column=value`, separated by slashes.
    pub partition: String,
    /// What of it lies there.
    pub held: Moved,
    /// When the latest of it was put away.
    pub archived_at: DateTime<Utc>,
    /// The storage class, where the table asks for one.
    pub storage_class: Option<String>,
    /// The archive's folder, relative to the lake: a Delta table.
    pub location: String,
}

/// The archived partitions of a table, in order.
///
/// # Errors
/// Whatever keeps its log, or its archive's, from being read.
pub async fn contents(table: &Arc<Table>) -> Result<Vec<Put>> {
    let Some(archive) = Archive::open(table).await? else {
        return Ok(Vec::new());
    };
    let columns = archive.base.metadata().partition_columns();
    let mut found: BTreeMap<Vec<Option<String>>, Put> = BTreeMap::new();
    for file in &archive.files {
        let put = found.entry(file.partition.clone()).or_insert_with(|| Put {
            table: table.name().to_string(),
            partition: partition_name(columns, file.partition.iter().map(Option::as_deref)),
            held: Moved {
                partitions: 1,
                ..Moved::default()
            },
            archived_at: DateTime::UNIX_EPOCH,
            storage_class: file.tag(CLASS_TAG),
            location: archive.archive.location().to_string(),
        });
        put.held.files += 1;
        put.held.bytes += file.bytes;
        put.held.rows += file.rows.unwrap_or(0);
        let at = DateTime::from_timestamp_millis(file.add().modification_time);
        put.archived_at = put.archived_at.max(at.unwrap_or(DateTime::UNIX_EPOCH));
    }
    Ok(found.into_values().collect())
}

/// The table.
#[derive(Debug)]
pub struct LiveArchive {
    lake: Arc<Lake>,
    schema: SchemaRef,
}

impl LiveArchive {
    /// The archives of `lake`.
    pub fn new(lake: Arc<Lake>) -> Self {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("table_name", DataType::Utf8, false),
            Field::new("partition", DataType::Utf8, false),
            Field::new("files", DataType::UInt64, false),
            Field::new("rows", DataType::UInt64, false),
            Field::new("bytes", DataType::UInt64, false),
            Field::new("archived_at", time, false),
            Field::new("storage_class", DataType::Utf8, true),
            Field::new("location", DataType::Utf8, false),
        ]);
        Self {
            lake,
            schema: Arc::new(schema),
        }
    }
}

#[async_trait]
impl Live for LiveArchive {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let mut all = Vec::new();
        for name in self.lake.table_names(SCHEMAS[0]) {
            let table = self.lake.table(&format!("{}.{name}", SCHEMAS[0]))?;
            all.extend(contents(&table).await?);
        }
        let text = |of: fn(&Put) -> Option<&str>| -> ArrayRef {
            Arc::new(all.iter().map(of).collect::<StringArray>())
        };
        let number = |of: fn(&Put) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(all.iter().map(of)))
        };
        let times = all.iter().map(|put| put.archived_at.timestamp_micros());
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        Ok(RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                text(|put| Some(&put.table)),
                text(|put| Some(&put.partition)),
                number(|put| put.held.files),
                number(|put| put.held.rows),
                number(|put| put.held.bytes),
                Arc::new(times),
                text(|put| put.storage_class.as_deref()),
                text(|put| Some(&put.location)),
            ],
        )?)
    }
}
