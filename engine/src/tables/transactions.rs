//! All transaction ids of a table in one pass over its log.
//!
//! deltalake answers for one id at a time and replays the log for each; ingest asks for thousands.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use deltalake::kernel::Action;
use deltalake::logstore::get_actions;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Table;
use crate::error::{Error, Result};

/// Commits read at a time.
const CONCURRENCY: usize = 16;

/// What a table remembers of a transaction id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The number the writer gave it.
    pub version: i64,
    /// When it was written, milliseconds since the epoch, where the writer said.
    pub last_updated: Option<i64>,
}

/// Transaction ids as of a version not older than the newest at the time of the call.
///
/// # Errors
/// Whatever keeps the log from being read.
pub async fn all(table: &Table) -> Result<HashMap<String, Recorded>> {
    let store = table.log_store().object_store(None);
    let log = Path::from("_delta_log");
    let entries: Vec<ObjectMeta> = store.list(Some(&log)).try_collect().await?;
    let mut found = HashMap::new();
    let checkpoint = newest_checkpoint(&entries);
    if let Some((_, parts)) = &checkpoint {
        for part in parts {
            read_checkpoint(&store, part, &mut found).await?;
        }
    }
    let after = checkpoint.map(|(version, _)| version);
    let mut commits: Vec<(u64, Path)> = entries
        .iter()
        .filter_map(|entry| Some((commit_version(&entry.location)?, entry.location.clone())))
        .filter(|(version, _)| after.is_none_or(|checkpoint| *version > checkpoint))
        .collect();
    commits.sort();
    let mut actions = futures::stream::iter(commits)
        .map(|(version, path)| {
            let store = Arc::clone(&store);
            async move {
                let bytes = store.get(&path).await?.bytes().await?;
                Ok::<_, Error>(get_actions(version, &bytes)?)
            }
        })
        .buffered(CONCURRENCY);
    while let Some(actions) = actions.try_next().await? {
        for action in actions {
            if let Action::Txn(txn) = action {
                let recorded = Recorded {
                    version: txn.version,
                    last_updated: txn.last_updated,
                };
                found.insert(txn.app_id, recorded);
            }
        }
    }
    Ok(found)
}

/// Version of a commit file, `None` for anything else.
fn commit_version(path: &Path) -> Option<u64> {
    let name = path.filename()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

/// The newest checkpoint whose parts are all there.
fn newest_checkpoint(entries: &[ObjectMeta]) -> Option<(u64, Vec<ObjectMeta>)> {
    let mut complete: HashMap<(u64, usize), Vec<ObjectMeta>> = HashMap::new();
    for entry in entries {
        let Some(name) = entry
            .location
            .filename()
            .and_then(|name| name.strip_suffix(".parquet"))
        else {
            continue;
        };
        let fields: Vec<&str> = name.split('.').collect();
        let parts = match fields.as_slice() {
            [_, "checkpoint"] => 1,
            [_, "checkpoint", _part, parts] => parts.parse().unwrap_or(0),
            [_, "checkpoint", _uuid] => 1,
            _ => continue,
        };
        if let Some(version) = fields.first().and_then(|text| text.parse().ok()) {
            complete
                .entry((version, parts))
                .or_default()
                .push(entry.clone());
        }
    }
    complete
        .into_iter()
        .filter(|((_, parts), files)| files.len() >= *parts && *parts > 0)
        .max_by_key(|((version, _), _)| *version)
        .map(|((version, parts), mut files)| {
            files.truncate(parts);
            (version, files)
        })
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
