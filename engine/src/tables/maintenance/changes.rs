//! `table_changes`: the rows that changed between two versions.
//!
//! Where the table records change data (`delta.enableChangeDataFeed`), a version's changes are its change
//! files or, where it has none, the rows of its added and removed files: so says the Delta protocol. Where it
//! does not, added files alone are inserts and removed files alone are deletes; a version that does both
//! has rewritten rows, and which of them changed nobody knows any more: that is an error.
//!
//! The scan is DataFusion's own over Parquet, as that of tables: deltalake's cannot travel to workers,
//! misses files in folders with percent signs, and takes a range without change data for one with it
//! wherever no metadata was written in its first version.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use deltalake::kernel::{Action, EagerSnapshot, Metadata};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::features;
use super::files::{self, partition_of};
use super::versions::resolve_in;
use crate::error::{Error, Result};
use crate::tables::archive;
use crate::tables::log::{CONCURRENCY, Log, Provenance, within};
use crate::tables::{Moment, Table};

mod scan;

pub use scan::{CHANGE_TYPE, COMMIT_TIMESTAMP, COMMIT_VERSION, ChangeFile, Changes};

/// Table property: whether writers record which rows they change.
const RECORDS_CHANGES: &str = "delta.enableChangeDataFeed";

/// Rows of `table` that changed in the versions `from` to `to` (both included; up to the newest without
/// `to`), with [`CHANGE_TYPE`], [`COMMIT_VERSION`] and [`COMMIT_TIMESTAMP`]. Times mean the versions
/// made between them.
///
/// # Errors
/// `NotFound` where versions or their files are gone; `Invalid` for a range that ends before it
/// begins; `Unsupported` where a version rewrites rows without recording which.
pub async fn table_changes(
    table: &Table,
    from: Moment,
    to: Option<Moment>,
) -> Result<Arc<dyn datafusion::catalog::TableProvider>> {
    let log = Log::list(table).await?;
    let newest = table.snapshot().await?;
    let first = first_version(&log, table, from).await?;
    let last = match to {
        Some(at) => resolve_in(&log, table, at).await?,
        None => newest.version(),
    };
    if first > last {
        return Err(Error::Invalid(format!(
            "changes of {} from version {first} to {last}: the range ends before it begins",
            table.name()
        )));
    }
    let store = table.log_store().as_ref();
    let before = EagerSnapshot::try_new(store, Some(first)).await?;
    let after = EagerSnapshot::try_new(store, Some(last)).await?;
    for snapshot in [&before, &after, &newest] {
        features::check_reading(table, snapshot, "table_changes")?;
    }
    let mut records = records_changes(before.metadata());
    let columns = after.metadata().partition_columns().to_vec();
    let mut found = Found::new(columns);
    let mut commits = pin!(log.range(first..=last));
    while let Some((commit, actions)) = commits.try_next().await? {
        for action in &actions {
            if let Action::Metadata(metadata) = action {
                records = records_changes(metadata);
            }
        }
        if !archive::only_moves(&actions) {
            found.note(table, &commit, &actions, records)?;
        }
    }
    let files = found.locate(table, &newest).await?;
    Ok(Arc::new(Changes::try_new(table, after, files).await?))
}

/// The first version not older than `at`.
async fn first_version(log: &Log, table: &Table, at: Moment) -> Result<u64> {
    let Moment::Timestamp(time) = at else {
        return resolve_in(log, table, at).await;
    };
    let oldest = log.oldest().unwrap_or(0);
    if log.provenance(oldest).await?.at >= time {
        return match oldest {
            0 => Ok(0),
            _ => Err(Error::NotFound(format!(
                "changes of {} since {} are gone from its log: the oldest version left is {oldest}",
                table.name(),
                time.to_rfc3339()
            ))),
        };
    }
    let version = resolve_in(log, table, at).await?;
    let exactly = log.provenance(version).await?.at == time;
    Ok(if exactly { version } else { version + 1 })
}

fn records_changes(metadata: &Metadata) -> bool {
    let value = metadata.configuration().get(RECORDS_CHANGES);
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Files with changes, before it is known where they are.
struct Found {
    partition_columns: Vec<String>,
    files: Vec<Unlocated>,
}

struct Unlocated {
    path: String,
    partition: Option<Vec<Option<String>>>,
    /// `None`: the file says it itself.
    change: Option<&'static str>,
    commit: Provenance,
}

impl Found {
    fn new(partition_columns: Vec<String>) -> Self {
        Self {
            partition_columns,
            files: Vec::new(),
        }
    }

    /// Notes what a commit changed.
    fn note(
        &mut self,
        table: &Table,
        commit: &Provenance,
        actions: &[Action],
        records: bool,
    ) -> Result<()> {
        let changes = actions.iter().filter_map(|action| match action {
            Action::Cdc(file) => Some((file.path.as_str(), Some(&file.partition_values), None)),
            _ => None,
        });
        let adds = actions.iter().filter_map(|action| match action {
            Action::Add(file) if file.data_change => Some((
                file.path.as_str(),
                Some(&file.partition_values),
                Some("insert"),
            )),
            _ => None,
        });
        let removes = actions.iter().filter_map(|action| match action {
            Action::Remove(file) if file.data_change => Some((
                file.path.as_str(),
                file.partition_values.as_ref(),
                Some("delete"),
            )),
            _ => None,
        });
        let mut changed: Vec<_> = changes.collect();
        if changed.is_empty() {
            let (adds, removes): (Vec<_>, Vec<_>) = (adds.collect(), removes.collect());
            if !records && !adds.is_empty() && !removes.is_empty() {
                let operation = commit.info.operation.as_deref().unwrap_or("a statement");
                return Err(Error::Unsupported(format!(
                    "version {} of {} ({operation}) rewrote rows and did not record which of them changed. Changes after it can be read; ALTER TABLE {} SET TBLPROPERTIES ('{RECORDS_CHANGES}' = 'true') records them from then on",
                    commit.version,
                    table.name(),
                    table.name()
                )));
            }
            changed.extend(adds);
            changed.extend(removes);
        }
        for (path, values, change) in changed {
            self.files.push(Unlocated {
                path: path.to_string(),
                partition: values.map(|values| partition_of(&self.partition_columns, values)),
                change,
                commit: commit.clone(),
            });
        }
        Ok(())
    }

    /// Finds the files. Those of the newest version are there; others may have been deleted.
    async fn locate(self, table: &Table, newest: &EagerSnapshot) -> Result<Vec<ChangeFile>> {
        let active: HashMap<String, u64> = files::active(newest)?
            .into_iter()
            .map(|file| (file.path, file.bytes))
            .collect();
        let partitions = self.missing_partitions(table).await?;
        let store = table.log_store().object_store(None);
        let looks = self.files.into_iter().map(|file| {
            let (store, active, partitions) = (&store, &active, &partitions);
            async move {
                let location = within(table, &file.path)?;
                let bytes = match active.get(&file.path) {
                    Some(bytes) => *bytes,
                    None => match store.head(&location).await {
                        Ok(meta) => meta.size,
                        Err(object_store::Error::NotFound { .. }) => {
                            return Err(Error::NotFound(format!(
                                "changes of version {} of {} cannot be read any more: VACUUM has deleted its file {}",
                                file.commit.version,
                                table.name(),
                                file.path
                            )));
                        }
                        Err(error) => return Err(error.into()),
                    },
                };
                let partition = match file.partition {
                    Some(partition) => partition,
                    None => partitions.get(&file.path).cloned().ok_or_else(|| {
                        Error::Corrupt(format!(
                            "version {} of {} removes {}, which no version had",
                            file.commit.version,
                            table.name(),
                            file.path
                        ))
                    })?,
                };
                let root = table.storage().path(table.location());
                Ok(ChangeFile {
                    meta: ObjectMeta {
                        location: root.parts().chain(location.parts()).collect(),
                        last_modified: file.commit.at,
                        size: bytes,
                        e_tag: None,
                        version: None,
                    },
                    partition,
                    change: file.change,
                    version: file.commit.version,
                    at: file.commit.at,
                })
            }
        });
        futures::stream::iter(looks)
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Some writers do not say the partition of a file that they remove; the version before has it.
    async fn missing_partitions(
        &self,
        table: &Table,
    ) -> Result<HashMap<String, Vec<Option<String>>>> {
        let versions: HashSet<u64> = self
            .files
            .iter()
            .filter(|file| file.partition.is_none())
            .map(|file| file.commit.version)
            .collect();
        let mut found = HashMap::new();
        for version in versions {
            let Some(before) = version.checked_sub(1) else {
                continue;
            };
            let store = table.log_store().as_ref();
            let snapshot = EagerSnapshot::try_new(store, Some(before)).await?;
            let files = files::active(&snapshot)?.into_iter();
            found.extend(files.map(|file| (file.path, file.partition)));
        }
        Ok(found)
    }
}
