//! The one committer.
//!
//! deltalake's own conflict check is not enough (racing rewrites both commit and rows double), and
//! a store may apply a conditional PUT and lose its answer, after which the repeated PUT finds
//! "somebody else's" file. So each commit here carries an id of its own, and before each attempt
//! every version that appeared since the base is read: a version with our id is our success; a
//! transaction id we carry means the work was done by somebody else; a change of metadata or
//! protocol, the removal of a file we remove too, or a change of rows where ours were found by a
//! condition, is a conflict. So the rows of a table always equal some serial order of its commits.

use std::collections::HashSet;
use std::time::Duration;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake::kernel::{Action, EagerSnapshot, Transaction};
use deltalake::logstore::get_actions;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::config::TablePropertiesExt as _;
use rand::Rng as _;
use serde_json::json;
use uuid::Uuid;

use super::Table;
use crate::error::{Error, Result};
use crate::measures;

/// Key in `commitInfo` under which a commit carries its own id.
pub(crate) const COMMIT_ID: &str = "paratopeCommit";
/// Attempts before a busy table is given up.
pub(crate) const ATTEMPTS: u32 = 200;
/// Attempts after errors whose outcome is unknown (time-outs, server errors).
const STORE_ERRORS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// Short, because a writer that waits long after each loss never wins against fresh ones.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Changes to one table that appear together or not at all.
#[derive(Debug)]
pub struct Commit {
    /// The snapshot the changes were computed from.
    pub base: EagerSnapshot,
    /// What is recorded as the operation.
    pub operation: DeltaOperation,
    /// Files added and removed, metadata changed.
    pub actions: Vec<Action>,
    /// Transaction ids: the commit is not made where one of them is in the table already.
    pub transactions: Vec<Transaction>,
    /// What of the table the changes depend on.
    pub reads: Reads,
}

/// What of a table its changes were computed from, beyond the files that they remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Nothing: new rows, or old rows in new files.
    Nothing,
    /// Rows, found by a condition. Others' changes of rows meanwhile are then a conflict; blind
    /// appends are none: they count as made after this commit, which had not seen them.
    Rows,
}

impl Commit {
    /// Whether it adds rows without having looked at the table's.
    fn is_blind_append(&self) -> bool {
        self.reads == Reads::Nothing
            && self.actions.iter().all(|action| match action {
                Action::Add(add) => add.data_change,
                Action::Remove(_) => false,
                _ => true,
            })
    }
}

/// The operation of a commit that only adds rows.
pub fn append() -> DeltaOperation {
    DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: None,
        predicate: None,
    }
}

/// How a commit ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The changes are version `.0`.
    Committed(u64),
    /// Nothing was changed: others have committed these transaction ids meanwhile.
    AlreadyDone(Vec<String>),
}

/// Which guards are on. All, outside tests that show what each is for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Guards {
    /// Recognise our own commit after a lost answer.
    pub own_commit: bool,
    /// Refuse what conflicts with versions that appeared since the base.
    pub conflicts: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            own_commit: true,
            conflicts: true,
        }
    }
}

/// Commits, retrying while others win the race.
///
/// # Errors
/// `Conflict` where the changes no longer fit the table; `Unavailable` where the store's outcome
/// stays unknown (the commit may then still appear: repeating the work is safe with transaction ids).
pub async fn commit(table: &Table, commit: Commit) -> Result<Outcome> {
    commit_guarded(table, commit, Guards::default()).await
}

#[doc(hidden)]
pub async fn commit_guarded(table: &Table, commit: Commit, guards: Guards) -> Result<Outcome> {
    let outcome = attempt(table, commit, guards).await;
    measures::commit(&outcome);
    outcome
}

async fn attempt(table: &Table, commit: Commit, guards: Guards) -> Result<Outcome> {
    let id = Uuid::new_v4().to_string();
    let mut checked = commit.base.version();
    let mut store_errors = 0;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(wait(attempt)).await;
        }
        let newest = table.snapshot().await?;
        for version in checked + 1..=newest.version() {
            if let Some(outcome) = examine(table, &commit, &id, version, guards).await? {
                return Ok(outcome);
            }
        }
        checked = newest.version();
        let metadata = [
            (COMMIT_ID.to_string(), json!(id)),
            ("isBlindAppend".to_string(), json!(commit.is_blind_append())),
        ];
        let properties = CommitProperties::default()
            .with_metadata(metadata)
            .with_max_retries(0)
            .with_cleanup_expired_logs(cleanup(&newest))
            .with_application_transactions(commit.transactions.clone());
        let prepared = CommitBuilder::from(properties)
            .with_actions(stamped(&commit.actions))
            .build(
                Some(&newest as &dyn TableReference),
                table.log_store().clone(),
                commit.operation.clone(),
            )
            .into_prepared_commit_future()
            .await?;
        match prepared.await {
            Ok(committed) => {
                let version = committed.version;
                // Checkpoints and log cleaning come after the fact: their failure loses nothing.
                if let Err(error) = committed.await {
                    tracing::warn!(table = table.name(), version, %error, "checkpoint failed; the next one will do");
                }
                return Ok(Outcome::Committed(version));
            }
            Err(error) => match classify(error) {
                Failure::Raced => measures::commit_race(),
                Failure::Unknown(error) => {
                    store_errors += 1;
                    tracing::debug!(table = table.name(), %error, "commit outcome unknown, looking");
                    if store_errors >= STORE_ERRORS {
                        return Err(error.context(format!("committing to {}", table.name())));
                    }
                }
                Failure::Final(error) => return Err(error.context(table.name())),
            },
        }
    }
    Err(Error::Conflict(format!(
        "{} is written so often that {ATTEMPTS} attempts to commit were overtaken; try again later",
        table.name()
    )))
}

/// The actions; a `commitInfo` among them tells the time of this attempt.
fn stamped(actions: &[Action]) -> Vec<Action> {
    let mut actions = actions.to_vec();
    for action in &mut actions {
        if let Action::CommitInfo(info) = action {
            info.timestamp = Some(chrono::Utc::now().timestamp_millis());
        }
    }
    actions
}

/// Old log entries are looked for where a checkpoint is due and not at each commit; `None` leaves it
/// to the table's properties.
fn cleanup(newest: &EagerSnapshot) -> Option<bool> {
    let interval = newest.table_properties().checkpoint_interval().get();
    let due = (newest.version() + 2).is_multiple_of(interval);
    if due { None } else { Some(false) }
}

/// Looks at a version that others (or we ourselves, unknowingly) committed since the base.
async fn examine(
    table: &Table,
    commit: &Commit,
    id: &str,
    version: u64,
    guards: Guards,
) -> Result<Option<Outcome>> {
    let entry = table.log_store().read_commit_entry(version).await?;
    let Some(bytes) = entry else {
        return Err(Error::Conflict(format!(
            "version {version} of {} is gone from its log; run the statement again",
            table.name()
        )));
    };
    let actions = get_actions(version, &bytes)?;
    let ours = actions.iter().any(|action| {
        matches!(action, Action::CommitInfo(info)
            if info.info.get(COMMIT_ID).and_then(|value| value.as_str()) == Some(id))
    });
    if ours && guards.own_commit {
        return Ok(Some(Outcome::Committed(version)));
    }
    if !guards.conflicts {
        return Ok(None);
    }
    let mut done = Vec::new();
    for action in &actions {
        match action {
            Action::Txn(theirs) if carries(commit, &theirs.app_id) => {
                done.push(theirs.app_id.clone());
            }
            Action::Metadata(_) | Action::Protocol(_) => {
                return Err(Error::Conflict(format!(
                    "the schema or properties of {} changed meanwhile (version {version}); run the statement again",
                    table.name()
                )));
            }
            _ => {}
        }
    }
    if !done.is_empty() {
        return Ok(Some(Outcome::AlreadyDone(done)));
    }
    if commit.reads == Reads::Rows && changes_rows(&actions) {
        return Err(Error::Conflict(format!(
            "another writer changed rows of {} meanwhile (version {version}); run the statement again",
            table.name()
        )));
    }
    if let Some(path) = removed_by_both(&commit.actions, &actions) {
        return Err(Error::Conflict(format!(
            "another writer replaced {path} of {} meanwhile (version {version}); run the statement again",
            table.name()
        )));
    }
    Ok(None)
}

/// Whether the commit carries this transaction id.
fn carries(commit: &Commit, app_id: &str) -> bool {
    commit.transactions.iter().any(|txn| txn.app_id == app_id)
}

/// Whether a commit changes rows otherwise than by appending blindly. One whose author does not say
/// that it was blind counts as having read.
fn changes_rows(actions: &[Action]) -> bool {
    let blind = actions.iter().any(
        |action| matches!(action, Action::CommitInfo(info) if info.is_blind_append == Some(true)),
    );
    actions.iter().any(|action| match action {
        Action::Add(add) => add.data_change && !blind,
        Action::Remove(remove) => remove.data_change,
        _ => false,
    })
}

/// A file that both sides remove, whatever `dataChange` says: both rewrites would keep its rows.
fn removed_by_both(ours: &[Action], theirs: &[Action]) -> Option<String> {
    let removes = |actions: &[Action]| -> HashSet<String> {
        actions
            .iter()
            .filter_map(|action| match action {
                Action::Remove(remove) => Some(remove.path.clone()),
                _ => None,
            })
            .collect()
    };
    let ours = removes(ours);
    if ours.is_empty() {
        return None;
    }
    removes(theirs).into_iter().find(|path| ours.contains(path))
}

enum Failure {
    /// Somebody else took the version.
    Raced,
    /// The store failed: the commit may or may not be there.
    Unknown(Error),
    /// Trying again cannot help.
    Final(Error),
}

fn classify(error: deltalake::DeltaTableError) -> Failure {
    use deltalake::DeltaTableError as Delta;
    use deltalake::kernel::transaction::TransactionError;
    match error {
        Delta::VersionAlreadyExists(_) => Failure::Raced,
        Delta::Transaction {
            source:
                TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
        } => Failure::Raced,
        other => match Error::from(other) {
            // Answers 409 and 412 mean that somebody (perhaps we) got there first.
            Error::Conflict(_) => Failure::Raced,
            unknown @ Error::Unavailable(_) => Failure::Unknown(unknown),
            error => Failure::Final(error),
        },
    }
}

/// Jittered exponential backoff.
fn wait(attempt: u32) -> Duration {
    let ceiling = FIRST_WAIT
        .saturating_mul(1 << attempt.min(16))
        .min(LONGEST_WAIT);
    rand::rng().random_range(FIRST_WAIT / 2..=ceiling)
}
