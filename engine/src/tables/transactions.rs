//! All transaction ids of a table in one pass over its log.
//!
//! deltalake answers for one id at a time and replays the log for each; ingest asks for thousands.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use deltalake::kernel::Action;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Table;
use super::log::Log;
use crate::error::{Error, Result};

/// The version of a transaction that takes an earlier one of its id back: the work was undone.
pub const UNDONE: i64 = -1;

/// What a table remembers of a transaction id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The number the writer gave it.
    pub version: i64,
    /// When it was written, milliseconds since the epoch, where the writer said.
    pub last_updated: Option<i64>,
}

impl Recorded {
    /// Whether the work behind the id is in the table, and was not undone since.
    pub fn is_done(&self) -> bool {
        self.version >= 0
    }
}

/// Transaction ids as of a version not older than the newest at the time of the call.
///
/// # Errors
/// Whatever keeps the log from being read.
pub async fn all(table: &Table) -> Result<HashMap<String, Recorded>> {
    let log = Log::list(table).await?;
    as_of(&log, log.newest()?).await
}

/// Transaction ids as of `version`.
///
/// # Errors
/// `NotFound` where the log does not reach back to it.
pub async fn as_of(log: &Log, version: u64) -> Result<HashMap<String, Recorded>> {
    log.check(version)?;
    let mut found = HashMap::new();
    let checkpoint = log.checkpoint(version);
    if let Some((_, parts)) = checkpoint {
        for part in parts {
            read_checkpoint(log.store(), part, &mut found).await?;
        }
    }
    let after = checkpoint.map_or(0, |(at, _)| at + 1);
    let mut commits = pin!(log.range(after..=version));
    while let Some((_, actions)) = commits.try_next().await? {
        record(&actions, &mut found);
    }
    Ok(found)
}

/// Enters the transaction ids of one commit.
pub fn record(actions: &[Action], found: &mut HashMap<String, Recorded>) {
    for action in actions {
        if let Action::Txn(txn) = action {
            let recorded = Recorded {
                version: txn.version,
                last_updated: txn.last_updated,
            };
            found.insert(txn.app_id.clone(), recorded);
        }
    }
}

/// Reads the `txn` column of a checkpoint; the columns of file actions, which dominate its size,
/// are not decoded.
async fn read_checkpoint(
    store: &Arc<dyn ObjectStore>,
    file: &ObjectMeta,
    found: &mut HashMap<String, Recorded>,
) -> Result<()> {
    let broken = |error: parquet::errors::ParquetError| {
        Error::Corrupt(format!("checkpoint {}: {error}", file.location))
    };
    let bytes = store.get(&file.location).await?.bytes().await?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(broken)?;
    let mask = ProjectionMask::roots(
        builder.parquet_schema(),
        builder
            .parquet_schema()
            .root_schema()
            .get_fields()
            .iter()
            .position(|field| field.name() == "txn"),
    );
    for batch in builder.with_projection(mask).build().map_err(broken)? {
        let batch = batch?;
        let Some(txn) = batch.column_by_name("txn").and_then(|c| c.as_struct_opt()) else {
            return Ok(());
        };
        let column = |name: &str, kind: &DataType| match txn.column_by_name(name) {
            Some(values) => cast(values, kind).map_err(Error::from),
            None => Ok(new_null_array(kind, txn.len())),
        };
        let ids = column("appId", &DataType::Utf8)?;
        let versions = column("version", &DataType::Int64)?;
        let updated = column("lastUpdated", &DataType::Int64)?;
        let (ids, versions, updated) = (
            ids.as_string::<i32>(),
            versions.as_primitive::<Int64Type>(),
            updated.as_primitive::<Int64Type>(),
        );
        for row in 0..txn.len() {
            if txn.is_valid(row) && ids.is_valid(row) && versions.is_valid(row) {
                let recorded = Recorded {
                    version: versions.value(row),
                    last_updated: updated.is_valid(row).then(|| updated.value(row)),
                };
                found.insert(ids.value(row).to_string(), recorded);
            }
        }
    }
    Ok(())
}
