//! VACUUM: files that no version within the retention needs are deleted.
//!
//! Our own, because deltalake's takes the tombstones of checkpoints for all there are: they end after
//! `delta.deletedFileRetentionDuration`, and a longer RETAIN then deletes what it was asked to keep.
//!
//! What is kept: files of the newest version; files that a commit younger than the retention added,
//! removed or lists as change data; files that no commit lists and that are younger than both the
//! retention and `maintenance.orphan_hours`, which a writer may be about to commit; whatever is no
//! Parquet file, lies in a hidden folder or belongs to a table inside the table's folder. The store's
//! listing comes first and the log after it, so a commit made in between is seen.
//!
//! A RESTORE may bring back an old file while it is being deleted. Both therefore carry one
//! transaction id: of the two, the later to commit starts again and sees the other.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake::kernel::{Action, EagerSnapshot, Transaction};
use deltalake::protocol::DeltaOperation;
use deltalake::table::config::TablePropertiesExt as _;
use deltalake::table::state::DeltaTableState;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use serde_json::json;

use super::features;
use super::files;
use super::provenance::commit_info;
use crate::config::MaintenanceConfig;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::tables::Table;
use crate::tables::commit::{Commit, Outcome, Reads, commit};
use crate::tables::log::{Log, relative};

/// Transaction id by which VACUUM and RESTORE see each other.
pub const FILES_ID: &str = "paratope:files";
/// Operation that announces deletions.
pub const START: &str = "VACUUM START";
/// Operation that says they are over.
pub const END: &str = "VACUUM END";
/// Table property: how long removed files are kept.
const RETENTION: &str = "delta.deletedFileRetentionDuration";
/// Folder of change data, the only hidden one with files of ours.
const CHANGE_DATA: &str = "_change_data";
/// How often others may come between plan and announcement.
const ATTEMPTS: usize = 10;

/// What VACUUM is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuum {
    /// How long files that were removed are kept. Without: as the table says, else a week, and
    /// never shorter than the configuration's floor.
    pub retain: Option<Duration>,
    /// Only tell what would be deleted.
    pub dry_run: bool,
}

/// What VACUUM did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VacuumSummary {
    /// Files deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long removed files were kept.
    pub retained: Duration,
    /// Paths within the table's folder; of a dry run only.
    pub paths: Vec<String>,
}

/// Deletes files of `table` that no version within the retention needs.
///
/// # Errors
/// `Invalid` for a retention below the floor; `Unsupported` for a table with features that VACUUM
/// does not know; whatever the store says.
pub async fn vacuum(lake: &Lake, table: &Table, options: Vacuum) -> Result<VacuumSummary> {
    let config = &lake.config().maintenance;
    for _ in 0..ATTEMPTS {
        let base = table.snapshot().await?;
        features::check_rewriting(table, &base, "VACUUM")?;
        let retained = retention(table, &base, options.retain, config)?;
        let now = Utc::now();
        let ages = Ages {
            removed: before(now, retained),
            orphan: before(now, retained.max(hours(config.orphan_hours))),
        };
        let doomed = plan(table, ages).await?;
        let summary = VacuumSummary {
            files: doomed.len() as u64,
            bytes: doomed.iter().map(|file| file.size).sum(),
            retained,
            paths: Vec::new(),
        };
        if options.dry_run {
            let paths = doomed.into_iter().map(|file| file.location.to_string());
            return Ok(VacuumSummary {
                paths: paths.collect(),
                ..summary
            });
        }
        if doomed.is_empty() {
            return Ok(summary);
        }
        let Some(started) = announce(table, base, &summary).await? else {
            continue;
        };
        let deleted = delete(table, doomed).await;
        let status = match deleted {
            Ok(()) => "COMPLETED",
            Err(_) => "FAILED",
        };
        conclude(table, started, status, &summary).await?;
        deleted.map_err(|error| error.context(format!("VACUUM of {}", table.name())))?;
        return Ok(summary);
    }
    Err(Error::Conflict(format!(
        "VACUUM of {} was overtaken {ATTEMPTS} times; try again later",
        table.name()
    )))
}

/// Moments before which files may go.
#[derive(Debug, Clone, Copy)]
struct Ages {
    /// For files that a version had.
    removed: DateTime<Utc>,
    /// For files that no version lists.
    orphan: DateTime<Utc>,
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours.saturating_mul(3_600))
}

fn before(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(age)
        .ok()
        .and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::UNIX_EPOCH)
}

/// How long removed files are kept.
fn retention(
    table: &Table,
    snapshot: &EagerSnapshot,
    asked: Option<Duration>,
    config: &MaintenanceConfig,
) -> Result<Duration> {
    let floor = hours(config.vacuum_floor_hours);
    let of_table = snapshot
        .table_properties()
        .deleted_file_retention_duration();
    let Some(asked) = asked else {
        return Ok(of_table.max(floor));
    };
    let refuse = |least: Duration, remedy: String| {
        Err(Error::Invalid(format!(
            "VACUUM {} RETAIN {} HOURS is shorter than {} hours: statements and readers at work could lose their files. {remedy}",
            table.name(),
            asked.as_secs() / 3_600,
            least.as_secs().div_ceil(3_600),
        )))
    };
    if asked < floor {
        return refuse(
            floor,
            "The setting maintenance.vacuum_floor_hours allows less".to_string(),
        );
    }
    if asked < of_table && Table::property(snapshot, RETENTION).is_some() {
        return refuse(
            of_table,
            format!("The table's property {RETENTION} allows less"),
        );
    }
    Ok(asked)
}

/// The files that may go.
async fn plan(table: &Table, ages: Ages) -> Result<Vec<ObjectMeta>> {
    let store = table.log_store().object_store(None);
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await?;
    let newest = table.snapshot().await?;
    let log = Log::list(table).await?;
    let mentions = mentions(table, &newest, &log, ages.removed).await?;
    let inner = inner_tables(&listed);
    let partition_columns = newest.metadata().partition_columns();
    Ok(listed
        .into_iter()
        .filter(|file| is_data_file(&file.location, partition_columns))
        .filter(|file| {
            !inner
                .iter()
                .any(|folder| file.location.prefix_matches(folder))
        })
        .filter(|file| !mentions.needed.contains(&file.location))
        .filter(|file| {
            let known = mentions.removed.contains(&file.location);
            known || file.last_modified < ages.orphan
        })
        .collect())
}

/// What the log says of files.
struct Mentions {
    /// Of the newest version, or of commits within the retention.
    needed: HashSet<Path>,
    /// Removed longer ago.
    removed: HashSet<Path>,
}

async fn mentions(
    table: &Table,
    newest: &EagerSnapshot,
    log: &Log,
    cutoff: DateTime<Utc>,
) -> Result<Mentions> {
    let mut needed: HashSet<Path> = files::active(newest)?
        .iter()
        .map(|file| relative(&file.path))
        .collect();
    let mut removed = HashSet::new();
    // A commit file is younger than the retention by the store's clock, which no writer can set wrong.
    let until = log.newest()?;
    let young: Vec<u64> = log
        .commits()
        .filter(|(version, meta)| *version <= until && meta.last_modified >= cutoff)
        .map(|(version, _)| version)
        .collect();
    let mut commits = pin!(
        futures::stream::iter(young)
            .map(|version| log.actions(version))
            .buffered(crate::tables::log::CONCURRENCY)
    );
    while let Some((_, actions)) = commits.try_next().await? {
        needed.extend(actions.iter().filter_map(|action| match action {
            Action::Add(add) => Some(relative(&add.path)),
            Action::Remove(remove) => Some(relative(&remove.path)),
            Action::Cdc(change) => Some(relative(&change.path)),
            _ => None,
        }));
    }
    // Checkpoints tell of removals whose commits are gone.
    let state = DeltaTableState::new(newest.clone());
    let mut tombstones = state.all_tombstones(table.log_store().as_ref());
    while let Some(tombstone) = tombstones.try_next().await? {
        let path = relative(&tombstone.path());
        let at = tombstone.deletion_timestamp().unwrap_or(0);
        match at >= cutoff.timestamp_millis() {
            true => needed.insert(path),
            false => removed.insert(path),
        };
    }
    Ok(Mentions { needed, removed })
}

/// Folders of tables within the table's folder.
fn inner_tables(listed: &[ObjectMeta]) -> HashSet<Path> {
    listed
        .iter()
        .filter_map(|file| {
            let (folder, _) = file.location.as_ref().rsplit_once("/_delta_log/")?;
            Some(relative(folder))
        })
        .collect()
}

/// Whether a path can be a data file: Parquet, and in no hidden folder but that of change data.
fn is_data_file(path: &Path, partition_columns: &[String]) -> bool {
    let mut segments = path.as_ref().split('/').peekable();
    let mut first = true;
    while let Some(segment) = segments.next() {
        if segments.peek().is_none() {
            return !is_hidden(segment) && segment.to_ascii_lowercase().ends_with(".parquet");
        }
        let of_partition = partition_columns.iter().any(|column| {
            let rest = segment.strip_prefix(column.as_str());
            rest.is_some_and(|rest| rest.starts_with('='))
        });
        let of_changes = first && segment == CHANGE_DATA;
        if is_hidden(segment) && !of_partition && !of_changes {
            return false;
        }
        first = false;
    }
    false
}

fn is_hidden(segment: &str) -> bool {
    segment.starts_with(['_', '.'])
}

/// Says in the log which files are about to go. `None`: another VACUUM or a RESTORE came between.
async fn announce(
    table: &Table,
    base: EagerSnapshot,
    summary: &VacuumSummary,
) -> Result<Option<u64>> {
    let properties = base.table_properties();
    let default = properties.deleted_file_retention_duration();
    let operation = DeltaOperation::VacuumStart {
        retention_check_enabled: summary.retained >= default,
        specified_retention_millis: Some(millis(summary.retained)),
        default_retention_millis: millis(default),
    };
    let metrics = json!({
        "numFilesToDelete": summary.files,
        "sizeOfDataToDelete": summary.bytes,
    });
    let info = commit_info(&operation, base.version(), metrics);
    let id = Transaction::new_with_last_update(
        FILES_ID,
        base.version().try_into().unwrap_or(i64::MAX),
        Some(Utc::now().timestamp_millis()),
    );
    let changes = Commit {
        base,
        operation,
        actions: vec![Action::CommitInfo(info)],
        transactions: vec![id],
        reads: Reads::Nothing,
    };
    match commit(table, changes).await {
        Ok(Outcome::Committed(version)) => Ok(Some(version)),
        Ok(Outcome::AlreadyDone(_)) | Err(Error::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn conclude(
    table: &Table,
    started: u64,
    status: &str,
    summary: &VacuumSummary,
) -> Result<()> {
    let operation = DeltaOperation::VacuumEnd {
        status: status.to_string(),
    };
    let metrics = json!({"numDeletedFiles": summary.files, "numVacuumedDirectories": 0});
    let info = commit_info(&operation, started, metrics);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let changes = Commit {
            base: table.snapshot().await?,
            operation: operation.clone(),
            actions: vec![Action::CommitInfo(info.clone())],
            transactions: Vec::new(),
            reads: Reads::Nothing,
        };
        match commit(table, changes).await {
            // A change of the table's properties is no conflict with having deleted files.
            Err(Error::Conflict(_)) if attempt < ATTEMPTS => {}
            other => return other.map(|_| ()),
        }
    }
}

async fn delete(table: &Table, doomed: Vec<ObjectMeta>) -> Result<()> {
    let store = table.log_store().object_store(None);
    let paths = futures::stream::iter(doomed).map(|file| Ok(file.location));
    let mut deleted = store.delete_stream(paths.boxed());
    while let Some(outcome) = deleted.next().await {
        match outcome {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}
