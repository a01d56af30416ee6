//! Rows changed by address: the files that hold them are written anew without them.
//!
//! A statement gives one query over its target: for each row to change, where it lies
//! ([`FILE`](crate::tables::FILE), [`ROW`](crate::tables::ROW), NULL for a new row), what becomes of it ([`ACTION`]) and its new values. While the new
//! rows stream into the writer, the addresses are marked; then the rows of the same files that were
//! not marked are written ([`Kept`]). One commit removes the old files and adds the new ones, unless the table
//! changed meanwhile: then the whole statement starts again from the newer version.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{filter_record_batch, not};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, Transaction};
use deltalake::protocol::DeltaOperation;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use rand::Rng as _;

use super::Scope;
use super::change_data::{Change, Feed};
use super::kept::Kept;
use super::target::Target;
use crate::error::{Error, Result};
use crate::session::{self, Session};
use crate::tables::commit::{Commit, Outcome, Reads, commit};
use crate::tables::write::{self, as_stored};

/// Column that says what becomes of a row: one of [`Action`]'s numbers; NULL leaves it alone.
pub const ACTION: &str = "__paratope_action";
/// The row goes.
pub const DELETE: i64 = 0;
/// The row gets the values given.
pub const UPDATE: i64 = 1;
/// A new row.
pub const INSERT: i64 = 2;

/// How often a statement starts again after others changed the table under it.
const ATTEMPTS: u32 = 30;
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Runs a statement until the table holds still for it.
///
/// # Errors
/// The statement's own; `Conflict` where others were faster every time.
pub async fn until_settled<'a, T>(statement: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
    let mut attempt = 0;
    loop {
        match statement().await {
            Err(Error::Conflict(reason)) if attempt < ATTEMPTS => {
                tracing::debug!(attempt, reason, "overtaken, starting again");
                let ceiling = FIRST_WAIT
                    .saturating_mul(1 << attempt.min(16))
                    .min(LONGEST_WAIT);
                let wait = rand::rng().random_range(FIRST_WAIT / 2..=ceiling);
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Changes of rows of a table, planned.
pub struct RowChanges {
    /// What the statement sees.
    pub scope: Scope,
    /// The table.
    pub target: Target,
    /// The query that lists the changes.
    pub plan: LogicalPlan,
    /// What the log calls it.
    pub operation: DeltaOperation,
    /// Transaction ids that appear with the changes, even where no row changes.
    pub transactions: Vec<Transaction>,
}

/// Carries out changes and commits them; tells how many rows were changed, added and removed.
pub async fn rewrite(session: &Session, changes: RowChanges) -> Result<u64> {
    let RowChanges {
        scope,
        target,
        plan,
        operation,
        transactions,
    } = &changes;
    let base = target.base()?.clone();
    let schema = target.stored_schema()?;
    let marks = Arc::new(Mutex::new(Marks::default()));
    let (feed, feed_files) = Feed::start(session, target)?.unzip();
    let changed = scope.run(plan).await?.stream;
    let new_rows = {
        let (marks, schema, feed) = (Arc::clone(&marks), Arc::clone(&schema), feed.clone());
        changed.then(move |batch| {
            let (marks, schema, feed) = (Arc::clone(&marks), Arc::clone(&schema), feed.clone());
            async move {
                let new = lock(&marks).take(&batch?, &schema)?;
                if let Some(feed) = &feed {
                    feed.send(&new.inserted()?, Change::Insert).await?;
                    feed.send(&new.updated()?, Change::After).await?;
                }
                Ok(new.rows)
            }
        })
    };
    let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), new_rows);
    let mut written = write::write_sorted(
        &target.table,
        &base,
        Box::pin(rows),
        session::write_context(session.require_lake()?)?.task_ctx(),
        session.config().ingest.target_file_bytes,
    )
    .await?;
    // The last new row has been read: all addresses are marked.
    let marks = Arc::new(std::mem::take(&mut *lock(&marks)));
    let kept = Kept {
        state: scope.state().clone(),
        context: scope.task_context(),
        marks: Arc::clone(&marks),
        target,
        schema,
        feed,
        file_bytes: session.config().ingest.target_file_bytes,
        memory: session::query_memory(session.config()),
    };
    match kept.write().await {
        Ok(kept) => written.adds.extend(kept.adds),
        Err(error) => {
            write::discard(&target.table, &written).await;
            return Err(error);
        }
    }
    if marks.changes == 0 && transactions.is_empty() {
        return Ok(0);
    }
    let mut actions: Vec<Action> = base
        .try_log_data()?
        .iter()
        .enumerate()
        .filter(|(index, _)| marks.files.contains_key(index))
        .map(|(_, file)| Action::Remove(file.remove_action(true)))
        .collect();
    actions.extend(written.adds.iter().cloned().map(Action::Add));
    if let Some(files) = feed_files {
        actions.extend(files.finish().await?);
    }
    let changes_made = Commit {
        base,
        operation: operation.clone(),
        actions,
        transactions: transactions.clone(),
        reads: Reads::Rows,
    };
    match commit(&target.table, changes_made).await {
        Ok(Outcome::Committed(_)) => Ok(marks.changes),
        Ok(Outcome::AlreadyDone(_)) => {
            write::discard(&target.table, &written).await;
            Err(Error::Conflict(format!(
                "another writer has committed the same work to {} meanwhile; look at what is there now",
                target.table.name()
            )))
        }
        Err(error) => {
            if matches!(error, Error::Conflict(_)) {
                write::discard(&target.table, &written).await;
            }
            Err(error)
        }
    }
}

fn lock(marks: &Mutex<Marks>) -> std::sync::MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Addresses of changed rows.
#[derive(Debug, Default)]
pub struct Marks {
    /// By index of the file in the snapshot.
    pub files: BTreeMap<usize, FileMarks>,
    /// Rows changed, added and removed.
    changes: u64,
}

/// Changed rows of one file.
#[derive(Debug, Default)]
pub struct FileMarks {
    /// All of them.
    pub changed: Bits,
    /// Those of them that get new values.
    pub updated: Bits,
}

/// A set of row numbers, a bit each.
#[derive(Debug, Default)]
pub struct Bits {
    words: Vec<u64>,
    /// How many are set.
    pub ones: usize,
}

impl Bits {
    /// Tells whether the bit was not set before.
    fn set(&mut self, bit: usize) -> bool {
        let (word, mask) = (bit / 64, 1_u64 << (bit % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & mask == 0;
        self.words[word] |= mask;
        self.ones += usize::from(fresh);
        fresh
    }

    /// Whether the bit is set.
    pub fn get(&self, bit: usize) -> bool {
        self.words
            .get(bit / 64)
            .is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }
}

/// New rows, as stored, and which of them were there before with other values.
struct NewRows {
    rows: RecordBatch,
    were_there: BooleanArray,
}

impl NewRows {
    fn inserted(&self) -> DFResult<RecordBatch> {
        Ok(filter_record_batch(&self.rows, &not(&self.were_there)?)?)
    }

    fn updated(&self) -> DFResult<RecordBatch> {
        Ok(filter_record_batch(&self.rows, &self.were_there)?)
    }
}

impl Marks {
    /// Marks the addresses of a batch of changes and gives its new rows.
    fn take(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> DFResult<NewRows> {
        let files = batch.column(0).as_primitive::<Int64Type>();
        let rows = batch.column(1).as_primitive::<Int64Type>();
        let actions = batch.column(2).as_primitive::<Int64Type>();
        let mut written = Vec::with_capacity(batch.num_rows());
        let mut were_there = Vec::new();
        for index in 0..batch.num_rows() {
            if actions.is_null(index) {
                written.push(false);
                continue;
            }
            self.changes += 1;
            let stays = actions.value(index) != DELETE;
            written.push(stays);
            if stays {
                were_there.push(files.is_valid(index));
            }
            if files.is_null(index) {
                continue;
            }
            let (file, row) = (position(files.value(index))?, position(rows.value(index))?);
            let marks = self.files.entry(file).or_default();
            if !marks.changed.set(row) {
                return plan_err!(
                    "a row of the table is matched by several rows of the source, so its change is not determined; make the keys of the source unique (for example with SELECT DISTINCT or GROUP BY)"
                );
            }
            if stays {
                marks.updated.set(row);
            }
        }
        if batch.num_columns() == 3 {
            return Ok(NewRows {
                rows: RecordBatch::new_empty(Arc::clone(schema)),
                were_there: BooleanArray::from(Vec::<bool>::new()),
            });
        }
        let values: Vec<usize> = (3..batch.num_columns()).collect();
        let values = batch.project(&values)?;
        let values = filter_record_batch(&values, &BooleanArray::from(written))?;
        Ok(NewRows {
            rows: as_stored(&values, schema)?,
            were_there: BooleanArray::from(were_there),
        })
    }
}

/// A number of a file or row as it stands in a batch.
pub fn position(value: i64) -> DFResult<usize> {
    match usize::try_from(value) {
        Ok(position) => Ok(position),
        Err(_) => exec_err!("{value} is not the address of a row"),
    }
}
