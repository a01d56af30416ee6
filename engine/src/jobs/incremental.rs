//! Incremental runs: chunk by chunk, each chunk's rows and the advanced cursor in one commit.
//!
//! Whoever is killed between two commits has lost at most the chunk being computed. Whoever computes a chunk that another
//! has committed meanwhile finds the other's transaction id and throws its own files away. So it does not matter how many
//! run the same job at once: leases only save the work.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use deltalake::kernel::{Action, EagerSnapshot};

use super::cursor::{Cursor, First, Ids};
use super::evaluation::{Evaluation, cost};
use super::gathered::Gained;
use super::run::Work;
use super::source::Source;
use super::target::{Fitting, Target};
use crate::error::{Error, Result};
use crate::session;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::write::{self, Written};
use crate::tables::{LakeTableProvider, Table};

/// How often others may change the target under one chunk.
const ATTEMPTS: usize = 30;

/// Which guards are on. All, outside tests that show what each is for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Guards {
    /// A commit is not made where another has moved the cursor since its base.
    pub cursor: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { cursor: true }
    }
}

/// Reads what the source has gained, up to its version as the run begins.
///
/// # Errors
/// Whatever keeps the source from being followed, the query from being computed or rows from being committed. What was
/// committed before stays, and the next run goes on behind it.
pub async fn run(work: &Work<'_>) -> Result<()> {
    let job = work.job;
    let source = Source::open(work.lake, job).await?;
    let ids = Ids::new(&job.name, source.id());
    let target = open_target(work, &source).await?;
    let mut checked = None;
    let mut conflicts = 0;
    loop {
        work.check_stopped()?;
        target.check_there(work.lake).await?;
        let base = target.table.snapshot().await?;
        let cursor = ids.read(&target.table, &base).await?;
        if cursor.place.is_some() {
            ids.check_not_restored(&target.table, &base, checked)
                .await?;
        }
        checked = Some(base.version());
        let Some(gained) = source.next(cursor, job.chunk_bytes).await? else {
            return Ok(());
        };
        if work.progress.counts().rows_left.is_none() {
            let (_, left) = source.behind(cursor).await?;
            work.progress.note(|counts| counts.rows_left = Some(left));
        }
        match chunk(work, &source, &target, base, (&ids, cursor), &gained).await {
            Ok(()) => conflicts = 0,
            // Another changed rows of the target by a condition, or its schema: computed anew on what it is now.
            Err(Error::Conflict(reason)) if conflicts < ATTEMPTS => {
                tracing::debug!(
                    job = job.name,
                    reason,
                    "overtaken, computing the chunk again"
                );
                conflicts += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The target, made from the query's columns where it is not there.
async fn open_target(work: &Work<'_>, source: &Source) -> Result<Target> {
    let rows = source.empty().await?;
    let query = Evaluation::over(work.session, work.job, source.name(), rows).await?;
    Target::open(work.lake, work.job, query.schema()).await
}

/// Computes and commits one chunk, or finds that another has.
async fn chunk(
    work: &Work<'_>,
    source: &Source,
    target: &Target,
    base: EagerSnapshot,
    (ids, cursor): (&Ids, Cursor),
    gained: &Gained,
) -> Result<()> {
    let written = match gained.is_empty() {
        true => Written::default(),
        false => written(work, source, &target.table, &base, cursor, gained).await?,
    };
    let reads = match work.job.key.is_empty() {
        true => Reads::Nothing,
        false => Reads::Rows,
    };
    let mut actions: Vec<Action> = written.adds.iter().cloned().map(Action::Add).collect();
    let mut transactions = ids.transactions(gained.after)?;
    if !work.guards.cursor {
        // The ids are written and nobody looks for them.
        actions.extend(transactions.drain(..).map(Action::Txn));
    }
    let changes = Commit {
        base,
        operation: append(),
        actions,
        transactions,
        reads,
    };
    match commit(&target.table, changes).await {
        Ok(Outcome::Committed(version)) => {
            note(work, gained, &written, version);
            Ok(())
        }
        Ok(Outcome::AlreadyDone(_)) => {
            write::discard(&target.table, &written).await;
            tracing::debug!(job = work.job.name, "another run has done this chunk");
            Ok(())
        }
        Err(error) => {
            // After an unknown outcome the files may be in use: then VACUUM decides.
            if !matches!(error, Error::Unavailable(_)) {
                write::discard(&target.table, &written).await;
            }
            Err(error)
        }
    }
}

fn note(work: &Work<'_>, gained: &Gained, written: &Written, version: u64) {
    work.progress.note(|counts| {
        counts.chunks += 1;
        counts.rows_read += gained.rows;
        counts.bytes_read += gained.bytes;
        counts.rows_left = counts
            .rows_left
            .map(|left| left.saturating_sub(gained.rows));
        counts.rows_written += written.rows;
        counts.bytes_written += bytes(written);
        counts.target_version = Some(version);
        if let Some((from, to)) = gained.versions {
            let (first, last) = counts.versions.unwrap_or((from, to));
            counts.versions = Some((first.min(from), last.max(to)));
        }
    });
}

/// Bytes of files that were written.
pub fn bytes(written: &Written) -> u64 {
    let sizes = written.adds.iter().map(|add| add.size);
    sizes.sum::<i64>().try_into().unwrap_or(0)
}

/// Computes the rows of a chunk and writes them.
async fn written(
    work: &Work<'_>,
    source: &Source,
    target: &Table,
    base: &EagerSnapshot,
    cursor: Cursor,
    gained: &Gained,
) -> Result<Written> {
    let job = work.job;
    let rows = source.rows(gained).await?;
    let held: Option<Arc<dyn TableProvider>> = match job.key.is_empty() {
        true => None,
        false => Some(Arc::new(
            LakeTableProvider::try_new(target, base.clone()).await?,
        )),
    };
    let query = Evaluation::over(work.session, job, source.name(), rows)
        .await?
        .without_held(job, held)?;
    let began = match (cursor.place, gained.after.first) {
        (Some(place), _) => Some(place.packed()?),
        (None, First::Reading(first) | First::Done(first)) => {
            Some(super::cursor::Place::start_of(first).packed()?)
        }
        (None, First::None) => None,
    };
    let provenance = work.provenance(query.computed_by()?, began);
    let fitting = Fitting::new(job, query.schema(), base, &provenance)?;
    let computed = query.run().await?;
    let plan = computed.plan();
    let rows = fitting.rows(computed.stream);
    let context = session::write_context(work.lake)?.task_ctx();
    let bytes = work.lake.config().ingest.target_file_bytes;
    let written = write::write_sorted(target, base, rows, context, bytes)
        .await
        .map_err(|error| error.context(format!("job {}", job.name)))?;
    work.progress.note(|counts| {
        counts.cost.add(cost(&plan));
        counts.plan_hash.get_or_insert_with(|| query.hash());
    });
    Ok(written)
}
