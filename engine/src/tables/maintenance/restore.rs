//! RESTORE: a table becomes what it was at an earlier version, as a new version.
//!
//! The files of that version that are not active are added again, those active that it had not are removed.
//! Rows that others append blindly while the statement runs stay: they count as appended after it.
//!
//! Ids of ingested inputs go back as well, in the same commit: an input that came after the version
//! is undone ([`transactions::UNDONE`]) and can be ingested again; one that an earlier RESTORE undid is done
//! again when its rows come back. So do the cursors of jobs that write the table: what went with its rows is computed again.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use chrono::{DateTime, Utc};
use deltalake::kernel::{Action, EagerSnapshot, Transaction};
use deltalake::protocol::DeltaOperation;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};

use super::features;
use super::files::{self, DataFile};
use super::provenance::commit_info;
use super::vacuum::{END, FILES_ID, START};
use super::versions::resolve_in;
use crate::error::{Error, Result};
use crate::ingest::{self, INPUT_PREFIX};
use crate::jobs;
use crate::lake::Lake;
use crate::tables::archive;
use crate::tables::commit::{ATTEMPTS, Commit, Outcome, Reads, commit};
use crate::tables::log::{CONCURRENCY, Log, Provenance, within};
use crate::tables::properties::{APPEND_ONLY, is_true};
use crate::tables::transactions::{self, Recorded, UNDONE};
use crate::tables::{Moment, Table};

/// What RESTORE did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreSummary {
    /// The version whose state the table has now.
    pub restored: u64,
    /// The new version; `None` where the table was in that state already.
    pub version: Option<u64>,
    /// Files that came back.
    pub files_added: u64,
    /// Files that went.
    pub files_removed: u64,
    /// Inputs whose rows went: they can be ingested again.
    pub inputs_undone: u64,
    /// Inputs whose rows came back: they are done again.
    pub inputs_redone: u64,
}

/// Puts `table` back to an earlier version.
///
/// # Errors
/// `NotFound` where the version, or one of its files, is gone; `Unsupported` for a table with
/// features that would be lost; `Conflict` where others never stop changing rows.
pub async fn restore(lake: &Lake, table: &Table, to: Moment) -> Result<RestoreSummary> {
    let version = resolve_in(&Log::list(table).await?, table, to).await?;
    for _ in 0..ATTEMPTS {
        let base = table.snapshot().await?;
        let plan = Plan::make(table, base, version, to).await?;
        let mut summary = plan.summary(version);
        if plan.is_empty() {
            return Ok(summary);
        }
        let inputs = (plan.undone.clone(), plan.redone.clone());
        match commit(table, plan.commit(version, to)).await {
            Ok(Outcome::Committed(committed)) => {
                summary.version = Some(committed);
                let (undone, redone) = inputs;
                return match ingest::note_restored(lake, table, &undone, &redone).await {
                    Ok(()) => Ok(summary),
                    Err(error) => Err(error.context(format!(
                        "{} is restored (version {committed}), but its inputs are not noted yet; the next ingest does that",
                        table.name()
                    ))),
                };
            }
            // Rows were changed, files deleted or ids moved meanwhile: look again.
            Ok(Outcome::AlreadyDone(_)) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.context(format!("RESTORE of {}", table.name()))),
        }
    }
    Err(Error::Conflict(format!(
        "rows of {} were changed {ATTEMPTS} times while it was to be restored; try again later",
        table.name()
    )))
}

fn is_append_only(snapshot: &EagerSnapshot) -> bool {
    is_true(Table::property(snapshot, APPEND_ONLY).as_ref())
}

/// Fails where partitions were moved to or from the archive since: its files are not the table's to put back.
async fn check_archived(
    table: &Table,
    base: &EagerSnapshot,
    target: &EagerSnapshot,
    to: Moment,
) -> Result<()> {
    let (now, then) = (
        archive::pinned(table, base).await?,
        archive::pinned(table, target).await?,
    );
    if now == then {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "{} cannot be restored {to}: partitions have gone to its archive or come back since. Read that version with VERSION AS OF, \
         or, where rows are missing, bring them back with `paratope archive restore {}`",
        table.name(),
        table.name()
    )))
}

/// What has to change.
struct Plan {
    base: EagerSnapshot,
    adds: Vec<DataFile>,
    removes: Vec<DataFile>,
    metadata: Option<Action>,
    undone: Vec<String>,
    redone: Vec<(String, i64)>,
    /// Cursors of jobs that go back.
    cursors: Vec<Transaction>,
}

impl Plan {
    async fn make(table: &Table, base: EagerSnapshot, version: u64, to: Moment) -> Result<Self> {
        features::check_rewriting(table, &base, "RESTORE")?;
        let target = EagerSnapshot::try_new(table.log_store().as_ref(), Some(version)).await?;
        features::check_rewriting(table, &target, "RESTORE")?;
        check_archived(table, &base, &target, to).await?;
        let (now, then) = (files::active(&base)?, files::active(&target)?);
        let paths = |files: &[DataFile]| -> HashSet<String> {
            files.iter().map(|file| file.path.clone()).collect()
        };
        let (now_paths, then_paths) = (paths(&now), paths(&then));
        let adds: Vec<DataFile> = then
            .into_iter()
            .filter(|file| !now_paths.contains(&file.path))
            .collect();
        let removes: Vec<DataFile> = now
            .into_iter()
            .filter(|file| !then_paths.contains(&file.path))
            .collect();
        if !removes.is_empty() && is_append_only(&base) {
            return Err(Error::Denied(format!(
                "{} is append-only, and RESTORE would remove rows; first ALTER TABLE {} SET TBLPROPERTIES ('{APPEND_ONLY}' = 'false')",
                table.name(),
                table.name()
            )));
        }
        let metadata = (target.metadata() != base.metadata())
            .then(|| Action::Metadata(target.metadata().clone()));
        let log = Log::list(table).await?;
        let since = Since::read(&log, version, base.version()).await?;
        since.check_deletions(table, &adds, to)?;
        check_present(table, &adds, to).await?;
        let before = match since.ids.is_empty() {
            true => HashMap::new(),
            false => transactions::as_of(&log, version).await?,
        };
        let (undone, redone) = since.inputs(&before);
        let cursors = since.cursors(&before);
        Ok(Self {
            base,
            adds,
            removes,
            metadata,
            undone,
            redone,
            cursors,
        })
    }

    fn is_empty(&self) -> bool {
        self.adds.is_empty()
            && self.removes.is_empty()
            && self.metadata.is_none()
            && self.undone.is_empty()
            && self.redone.is_empty()
            && self.cursors.is_empty()
    }

    fn summary(&self, restored: u64) -> RestoreSummary {
        RestoreSummary {
            restored,
            version: None,
            files_added: self.adds.len() as u64,
            files_removed: self.removes.len() as u64,
            inputs_undone: self.undone.len() as u64,
            inputs_redone: self.redone.len() as u64,
        }
    }

    fn commit(self, version: u64, to: Moment) -> Commit {
        let operation = match to {
            Moment::Version(_) => DeltaOperation::Restore {
                version: Some(version),
                datetime: None,
            },
            Moment::Timestamp(time) => DeltaOperation::Restore {
                version: None,
                datetime: Some(time.timestamp_millis()),
            },
        };
        let bytes = |files: &[DataFile]| files.iter().map(|file| file.bytes).sum::<u64>();
        let metrics = json!({
            "numRestoredFiles": self.adds.len(),
            "restoredFilesSize": bytes(&self.adds),
            "numRemovedFiles": self.removes.len(),
            "removedFilesSize": bytes(&self.removes),
        });
        let info = commit_info(&operation, self.base.version(), metrics);
        let now = Utc::now().timestamp_millis();
        let id = |name: String, version: i64| {
            Transaction::new_with_last_update(name, version, Some(now))
        };
        let base = self.base.version().try_into().unwrap_or(i64::MAX);
        let undone = self.undone.into_iter().map(|name| id(name, UNDONE));
        let redone = self
            .redone
            .into_iter()
            .map(|(name, records)| id(name, records));
        let mut actions = vec![Action::CommitInfo(info)];
        actions.extend(self.metadata);
        actions.extend(
            self.removes
                .iter()
                .map(|file| Action::Remove(file.remove(true))),
        );
        actions.extend(self.adds.iter().map(|file| Action::Add(file.add())));
        Commit {
            operation,
            actions,
            transactions: undone
                .chain(redone)
                .chain(self.cursors)
                .chain([id(FILES_ID.to_string(), base)])
                .collect(),
            reads: Reads::Rows,
            base: self.base,
        }
    }
}

/// What happened between the version to restore and now.
#[derive(Default)]
struct Since {
    /// When each file was removed last.
    removed: HashMap<String, DateTime<Utc>>,
    /// Ids of inputs that were written, as they stand now.
    ids: HashMap<String, Recorded>,
    /// VACUUMs that have not said that they are over.
    deleting: Vec<Deleting>,
}

/// A VACUUM at work.
struct Deleting {
    /// The version that announced it.
    version: u64,
    /// It deletes files that were removed before.
    cutoff: DateTime<Utc>,
}

impl Since {
    async fn read(log: &Log, version: u64, base: u64) -> Result<Self> {
        let mut since = Self::default();
        let mut commits = pin!(log.range(version + 1..=base));
        while let Some((provenance, actions)) = commits.try_next().await? {
            since.note(&provenance, &actions);
        }
        since
            .ids
            .retain(|id, _| id.starts_with(INPUT_PREFIX) || id.starts_with(jobs::PREFIX));
        Ok(since)
    }

    fn note(&mut self, commit: &Provenance, actions: &[Action]) {
        for action in actions {
            if let Action::Remove(remove) = action {
                let at = remove
                    .deletion_timestamp
                    .and_then(DateTime::from_timestamp_millis)
                    .unwrap_or(DateTime::UNIX_EPOCH);
                self.removed.insert(remove.path.clone(), at);
            }
        }
        transactions::record(actions, &mut self.ids);
        match commit.info.operation.as_deref() {
            Some(START) => self.deleting.push(Deleting {
                version: commit.version,
                cutoff: cutoff(commit),
            }),
            Some(END) => self.close(commit),
            _ => {}
        }
    }

    /// A VACUUM is over; so are earlier ones whose files it has deleted, even if they were interrupted.
    fn close(&mut self, end: &Provenance) {
        let own = |vacuum: &Deleting| Some(vacuum.version) == end.info.read_version;
        let closed = match self.deleting.iter().position(own) {
            Some(index) => self.deleting.remove(index),
            None => match self.deleting.pop() {
                Some(last) => last,
                None => return,
            },
        };
        let status = parameter(end, "status");
        if status.is_none_or(|status| status != "FAILED") {
            self.deleting.retain(|vacuum| vacuum.cutoff > closed.cutoff);
        }
    }

    /// Fails where a VACUUM at work may be about to delete one of the files.
    fn check_deletions(&self, table: &Table, adds: &[DataFile], to: Moment) -> Result<()> {
        for vacuum in &self.deleting {
            let threatened = adds.iter().find(|file| {
                let removed = self.removed.get(&file.path);
                removed.is_none_or(|at| *at < vacuum.cutoff)
            });
            if let Some(file) = threatened {
                return Err(Error::Conflict(format!(
                    "{} cannot be restored {to}: a VACUUM that began with version {} may be deleting its file {}. Wait until it is over; if it was interrupted, run VACUUM again and restore what is left",
                    table.name(),
                    vacuum.version,
                    file.path
                )));
            }
        }
        Ok(())
    }

    /// Inputs that the earlier version did not have, and those that it had and now are undone.
    fn inputs(&self, before: &HashMap<String, Recorded>) -> (Vec<String>, Vec<(String, i64)>) {
        let mut undone = Vec::new();
        let mut redone = Vec::new();
        let inputs = self.ids.iter();
        for (id, now) in inputs.filter(|(id, _)| id.starts_with(INPUT_PREFIX)) {
            let then = before.get(id).filter(|recorded| recorded.is_done());
            match (now.is_done(), then) {
                (true, None) => undone.push(id.clone()),
                (false, Some(then)) => redone.push((id.clone(), then.version)),
                _ => {}
            }
        }
        undone.sort();
        redone.sort();
        (undone, redone)
    }
}

impl Since {
    /// Cursors of jobs, as the earlier version has them: their rows go and come back with the table's.
    fn cursors(&self, before: &HashMap<String, Recorded>) -> Vec<Transaction> {
        let mut moved: Vec<Transaction> = self
            .ids
            .iter()
            .filter(|(id, _)| id.starts_with(jobs::PREFIX))
            .filter_map(|(id, now)| {
                let then = before.get(id).map_or(UNDONE, |recorded| recorded.version);
                // Without a time, as they are written: they must not be forgotten.
                (then != now.version).then(|| Transaction::new(id, then))
            })
            .collect();
        moved.sort_by(|one, other| one.app_id.cmp(&other.app_id));
        moved
    }
}

/// Before when a VACUUM deletes removed files.
fn cutoff(start: &Provenance) -> DateTime<Utc> {
    let millis = |name: &str| parameter(start, name)?.parse().ok();
    millis("specifiedRetentionMillis")
        .or_else(|| millis("defaultRetentionMillis"))
        .and_then(chrono::Duration::try_milliseconds)
        .and_then(|retained| start.at.checked_sub_signed(retained))
        .unwrap_or(start.at)
}

/// A parameter of an operation, as text.
fn parameter(commit: &Provenance, name: &str) -> Option<String> {
    match commit.info.operation_parameters.as_ref()?.get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Fails where a file to be added is not there any more.
async fn check_present(table: &Table, adds: &[DataFile], to: Moment) -> Result<()> {
    let store = table.log_store().object_store(None);
    let paths: Vec<String> = adds.iter().map(|file| file.path.clone()).collect();
    let mut looks = futures::stream::iter(paths)
        .map(|path| {
            let store = &store;
            async move {
                match store.head(&within(table, &path)?).await {
                    Ok(_) => Ok(()),
                    Err(object_store::Error::NotFound { .. }) => Err(Error::NotFound(format!(
                        "{} cannot be restored {to}: VACUUM has deleted its file {path}",
                        table.name()
                    ))),
                    Err(error) => Err(error.into()),
                }
            }
        })
        .buffer_unordered(CONCURRENCY);
    while looks.try_next().await?.is_some() {}
    Ok(())
}
