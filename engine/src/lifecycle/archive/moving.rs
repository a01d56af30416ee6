//! How files move between a table and its archive.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::Utc;
use deltalake::kernel::{Action, Add, EagerSnapshot};
use deltalake::protocol::DeltaOperation;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::Moved;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::tables::archive::{archive_of, in_force, pin};
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::log::relative;
use crate::tables::maintenance::{
    DataFile, Vacuum, VacuumSummary, active_files, commit_info, vacuum,
};
use crate::tables::{Table, TableDefinition, metadata, write_first_version};

/// Files copied at once.
const AT_ONCE: usize = 4;
/// The archive tells of all its versions: tables pin old ones.
const PROPERTIES: [(&str, &str); 2] = [
    ("delta.enableExpiredLogCleanup", "false"),
    ("delta.logRetentionDuration", "interval 5200 weeks"),
];

/// A table with its archive, as something is about to move.
pub struct Archive {
    /// The table.
    pub table: Arc<Table>,
    /// The version of it that the move begins with.
    pub base: EagerSnapshot,
    /// Its archive.
    pub archive: Arc<Table>,
    newest: EagerSnapshot,
    /// Files of the archive that belong to the table.
    pub files: Vec<DataFile>,
}

impl Archive {
    /// The archive of a table; `None` where nothing was ever put away.
    ///
    /// # Errors
    /// Whatever keeps the logs from being read.
    pub async fn open(table: &Arc<Table>) -> Result<Option<Self>> {
        Self::open_at(table, table.snapshot().await?).await
    }

    async fn open_at(table: &Arc<Table>, base: EagerSnapshot) -> Result<Option<Self>> {
        let Some((archive, pinned)) = in_force(table, &base).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            table: Arc::clone(table),
            base,
            newest: archive.snapshot().await?,
            files: active_files(&pinned)?,
            archive,
        }))
    }

    /// The archive of a table at a version, which is made where there is none.
    ///
    /// # Errors
    /// As [`Archive::open`]; whatever keeps it from being made.
    pub async fn open_or_create(table: &Arc<Table>, base: EagerSnapshot) -> Result<Self> {
        if let Some(open) = Self::open_at(table, base.clone()).await? {
            return Ok(open);
        }
        let archive = archive_of(table)?;
        // It may be there from an attempt that was cut short.
        write_first_version(&archive, &definition(table, &base)?).await?;
        let newest = archive.snapshot().await?;
        Ok(Self {
            table: Arc::clone(table),
            base,
            archive,
            newest,
            files: Vec::new(),
        })
    }

    /// Whether the archive's log has nothing beyond what the table pins: then what it removed may be deleted.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn is_settled(&self) -> Result<bool> {
        let newest = active_files(&self.newest)?;
        let paths = |files: &[DataFile]| -> HashSet<String> {
            files.iter().map(|file| file.path.clone()).collect()
        };
        Ok(paths(&newest) == paths(&self.files))
    }

    /// Makes the archive hold these files and no others; tells the version at which it does.
    ///
    /// # Errors
    /// `Conflict` where somebody else is moving files.
    pub async fn hold(&self, wanted: Vec<Add>) -> Result<u64> {
        let mut wanted: HashMap<String, Add> = wanted
            .into_iter()
            .map(|add| (add.path.clone(), add))
            .collect();
        let mut actions = metadata::with_schema(&self.newest, self.base.schema().as_ref())?;
        for file in active_files(&self.newest)? {
            if wanted.remove(&file.add().path).is_none() {
                actions.push(Action::Remove(file.remove(true)));
            }
        }
        let mut adds: Vec<Add> = wanted.into_values().collect();
        adds.sort_by(|one, other| one.path.cmp(&other.path));
        actions.extend(adds.into_iter().map(Action::Add));
        if actions.is_empty() {
            return Ok(self.newest.version());
        }
        let changes = Commit {
            base: self.newest.clone(),
            operation: append(),
            actions,
            transactions: Vec::new(),
            // Who moves files at the same time is a conflict.
            reads: Reads::Rows,
        };
        match commit(&self.archive, changes).await? {
            Outcome::Committed(version) => Ok(version),
            Outcome::AlreadyDone(_) => Err(Error::Internal(format!(
                "{} carries transaction ids",
                self.archive.name()
            ))),
        }
    }

    /// Changes the table's files and pins `version` of the archive, in one commit.
    ///
    /// # Errors
    /// `Conflict` where others have replaced one of the files, or moved some, meanwhile.
    pub async fn settle(
        self,
        name: &str,
        actions: Vec<Action>,
        version: u64,
        moved: &Moved,
    ) -> Result<()> {
        let operation = DeltaOperation::Delete { predicate: None };
        let metrics = json!({
            "numPartitions": moved.partitions,
            "numFiles": moved.files,
            "numBytes": moved.bytes,
            "numRows": moved.rows,
        });
        let mut info = commit_info(&operation, self.base.version(), metrics);
        info.operation = Some(name.to_string());
        let first = std::iter::once(Action::CommitInfo(info));
        let changes = Commit {
            base: self.base,
            operation,
            actions: first.chain(actions).collect(),
            transactions: vec![pin(version)],
            reads: Reads::Nothing,
        };
        match commit(&self.table, changes).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::AlreadyDone(_) => Err(Error::Conflict(format!(
                "others moved partitions of {} to or from its archive meanwhile; run this again",
                self.table.name()
            ))),
        }
    }
}

fn definition(table: &Table, base: &EagerSnapshot) -> Result<TableDefinition> {
    let (schema, name) = table
        .name()
        .split_once('.')
        .unwrap_or(("main", table.name()));
    let fields = base.schema().fields().cloned().collect();
    let properties = PROPERTIES.map(|(key, value)| (key.to_string(), value.to_string()));
    TableDefinition::new(schema, name, fields)?
        .partitioned_by(base.metadata().partition_columns().to_vec())?
        .with_properties(properties.to_vec())
}

/// Copies files from a table's folder to the folder of another that `store` is, and looks whether they arrived whole.
///
/// # Errors
/// Whatever the store says; then the copies that were made are left to VACUUM.
pub async fn copy(
    from: &Table,
    store: &Arc<dyn ObjectStore>,
    files: &[(Add, String)],
) -> Result<()> {
    let source = from.log_store().object_store(None);
    let copies: Vec<_> = files
        .iter()
        .map(|(add, path)| {
            let copy = Copy {
                source: relative(&add.path),
                target: relative(path),
                bytes: u64::try_from(add.size).unwrap_or(0),
            };
            copy.make(Arc::clone(&source), Arc::clone(store))
        })
        .collect();
    futures::stream::iter(copies)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// A file that is copied.
struct Copy {
    source: Path,
    target: Path,
    bytes: u64,
}

impl Copy {
    async fn make(self, source: Arc<dyn ObjectStore>, store: Arc<dyn ObjectStore>) -> Result<()> {
        let mut parts = source.get(&self.source).await?.into_stream();
        let mut writer = BufWriter::new(Arc::clone(&store), self.target.clone());
        while let Some(part) = parts.next().await {
            let put = async { writer.put(part?).await };
            if let Err(error) = put.await {
                let _ = writer.abort().await;
                return Err(error.into());
            }
        }
        writer.shutdown().await?;
        let arrived = store.head(&self.target).await?.size;
        match arrived == self.bytes {
            true => Ok(()),
            false => Err(Error::Corrupt(format!(
                "{} has {arrived} bytes, and {} were to be copied from {}",
                self.target, self.bytes, self.source
            ))),
        }
    }
}

/// `file` as it is moved to `path` now.
pub fn moved(add: &Add, path: String) -> Add {
    Add {
        path,
        data_change: true,
        modification_time: Utc::now().timestamp_millis(),
        ..add.clone()
    }
}

/// Deletes files of the archive that no version of the table within the retention needs. Where somebody was killed as
/// files moved, the archive's log is first put back to what the table pins.
///
/// # Errors
/// As [`vacuum`].
pub async fn tidy(lake: &Lake, table: &Arc<Table>, options: Vacuum) -> Result<VacuumSummary> {
    let Some(archive) = Archive::open(table).await? else {
        return Ok(VacuumSummary::default());
    };
    if !archive.is_settled()? {
        if options.dry_run {
            return Ok(VacuumSummary::default());
        }
        archive
            .hold(archive.files.iter().map(DataFile::add).collect())
            .await?;
    }
    vacuum(lake, &archive.archive, options).await
}
