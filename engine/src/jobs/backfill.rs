//! A range of the source again: rows computed from a version on go, and the cursor goes back to where they began, in one
//! commit. The next run computes them anew.

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::sql::parser::Statement as Plain;
use deltalake::kernel::{EagerSnapshot, Transaction};

use super::cursor::{Cursor, First, Ids, Place};
use super::definition::{Job, short};
use super::source::Source;
use super::target::{JOB, SOURCE_CURSOR, Target};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session::Session;
use crate::sql::{self, Statement, quoted};
use crate::tables::Table;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use std::sync::Arc;

/// What a backfill took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    /// Rows that went.
    pub rows_removed: u64,
    /// The version of the source from which the next run reads; `None`: all of it.
    pub from_version: Option<u64>,
}

/// Lets `job` read its source again from a version on.
///
/// Results of a job with a key stay: what is there already is not computed again. Of other jobs the rows go that were
/// computed from this version or later, as their column [`SOURCE_CURSOR`] says.
///
/// # Errors
/// `Invalid` for jobs that are not incremental, for versions that the first run read as a whole, and where rows do not say
/// where they come from; `Conflict` where a run moves the cursor meanwhile.
pub async fn backfill(
    lake: &Arc<Lake>,
    session: &Session,
    job: &Job,
    from_version: u64,
) -> Result<Backfill> {
    let Some(target) = Target::find(lake, job).await? else {
        return Err(Error::NotFound(format!(
            "job {} has written nothing yet: there is no table {}; run it",
            job.name,
            job.target.as_ref().map(short).unwrap_or_default()
        )));
    };
    if job.source().is_none() {
        return Err(Error::Invalid(format!(
            "job {} is not incremental: each run computes everything, so run it again",
            job.name
        )));
    }
    let source = Source::open(lake, job).await?;
    let ids = Ids::new(&job.name, source.id());
    let base = target.table.snapshot().await?;
    if from_version == 0 {
        let mut transactions = ids.transactions(Cursor {
            place: None,
            first: First::None,
        })?;
        transactions.extend(ids.of_other_sources(&target.table, &base).await?);
        let rows_removed = match job.key.is_empty() {
            true => remove(session, job, &target.table, &base, None, transactions).await?,
            false => move_cursor(&target.table, base, transactions).await?,
        };
        return Ok(Backfill {
            rows_removed,
            from_version: None,
        });
    }
    let cursor = ids.read(&target.table, &base).await?;
    let (Some(place), First::Done(first)) = (cursor.place, cursor.first) else {
        return Err(Error::Invalid(format!(
            "job {} has not read its source as a whole yet: run it to its end, or give --from-version 0 to begin anew",
            job.name
        )));
    };
    if from_version <= first {
        return Err(Error::Invalid(format!(
            "job {} read version {first} of {} as a whole: give --from-version 0 to compute everything anew, or {} and later",
            job.name,
            source.name(),
            first + 1
        )));
    }
    if from_version >= place.version {
        return Err(Error::Invalid(format!(
            "job {} has read {} up to version {}: from version {from_version} on there is nothing to compute again",
            job.name,
            source.name(),
            place.version.saturating_sub(1)
        )));
    }
    let wanted = Place::start_of(from_version).packed()?;
    if !job.key.is_empty() {
        let transactions = ids.transactions(Cursor {
            place: Some(Place::start_of(from_version)),
            first: cursor.first,
        })?;
        move_cursor(&target.table, base, transactions).await?;
        return Ok(Backfill {
            rows_removed: 0,
            from_version: Some(from_version),
        });
    }
    // The chunk in which the version lies may have begun before it.
    let start = start_before(session, job, &target.table, &base, wanted).await?;
    let place = start
        .and_then(Place::unpacked)
        .filter(|place| place.version > first);
    let Some(place) = place else {
        return Err(Error::Invalid(format!(
            "job {}: no chunk is known to have begun between versions {} and {from_version} of {}: give --from-version 0 to compute everything anew",
            job.name,
            first + 1,
            source.name()
        )));
    };
    let transactions = ids.transactions(Cursor {
        place: Some(place),
        first: cursor.first,
    })?;
    let start = place.packed()?;
    let rows_removed = remove(
        session,
        job,
        &target.table,
        &base,
        Some(start),
        transactions,
    )
    .await?;
    Ok(Backfill {
        rows_removed,
        from_version: Some(place.version),
    })
}

/// The last place at or before `wanted` at which a chunk began that gave rows.
async fn start_before(
    session: &Session,
    job: &Job,
    table: &Table,
    base: &EagerSnapshot,
    wanted: i64,
) -> Result<Option<i64>> {
    check_columns(job, table, base)?;
    let sql = format!(
        "SELECT max({SOURCE_CURSOR}) FROM {} VERSION AS OF {} WHERE {JOB} = '{}' AND {SOURCE_CURSOR} <= {wanted}",
        full_name(table),
        base.version(),
        job.name
    );
    let batches = session.rows_of(&sql).await?;
    Ok(batches.iter().find_map(|batch| {
        let values = batch.column(0).as_primitive_opt::<Int64Type>()?;
        (values.len() == 1 && values.is_valid(0)).then(|| values.value(0))
    }))
}

fn full_name(table: &Table) -> String {
    match table.name().split_once('.') {
        Some((schema, name)) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(table.name()),
    }
}

fn check_columns(job: &Job, table: &Table, base: &EagerSnapshot) -> Result<()> {
    let schema = Table::schema(base);
    match [JOB, SOURCE_CURSOR]
        .iter()
        .find(|column| schema.index_of(column).is_err())
    {
        None => Ok(()),
        Some(missing) => Err(Error::Invalid(format!(
            "job {}: {} has no column {missing}, so nobody knows which rows were computed from what; drop the table and run the job",
            job.name,
            table.name()
        ))),
    }
}

/// Takes the job's rows out that began at `start` or later (all without), and moves the cursor.
async fn remove(
    session: &Session,
    job: &Job,
    table: &Table,
    base: &EagerSnapshot,
    start: Option<i64>,
    transactions: Vec<Transaction>,
) -> Result<u64> {
    check_columns(job, table, base)?;
    let since = match start {
        Some(start) => format!(" AND {SOURCE_CURSOR} >= {start}"),
        None => String::new(),
    };
    let text = format!(
        "DELETE FROM {} WHERE {JOB} = '{}'{since}",
        full_name(table),
        job.name
    );
    let Some(Statement::Plain(plain)) = sql::parse(&text)?.pop() else {
        return Err(Error::Internal("no statement to remove rows".into()));
    };
    let Plain::Statement(inner) = *plain else {
        return Err(Error::Internal("no statement to remove rows".into()));
    };
    let changes = sql::row_changes(session, &inner).await?;
    let mut changes = changes.ok_or_else(|| Error::Internal("DELETE changes no rows".into()))?;
    if changes.target.base()?.version() != base.version() {
        return Err(Error::Conflict(format!(
            "{} changed meanwhile; run the backfill again",
            table.name()
        )));
    }
    changes.transactions = transactions;
    sql::rewrite(session, changes).await
}

/// Moves the cursor and touches no row.
async fn move_cursor(
    table: &Table,
    base: EagerSnapshot,
    transactions: Vec<Transaction>,
) -> Result<u64> {
    let changes = Commit {
        base,
        operation: append(),
        actions: Vec::new(),
        transactions,
        reads: Reads::Nothing,
    };
    match commit(table, changes).await? {
        Outcome::Committed(_) => Ok(0),
        Outcome::AlreadyDone(_) => Err(Error::Conflict(format!(
            "a run has moved the cursor in {} meanwhile; run the backfill again",
            table.name()
        ))),
    }
}
