//! What is wrong with a job before it runs: in its file, among the other jobs, and with the tables that it names.

use std::sync::Arc;

use chrono::Utc;
use datafusion::catalog::TableProvider;

use super::book::Book;
use super::definition::{Fault, Job, Mode, short};
use super::evaluation::Evaluation;
use super::graph::Graph;
use super::source::Source;
use super::target::{self, Fitting, Provenance, Target};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session::Session;
use crate::sql::Statement;
use crate::tables::LakeTableProvider;

/// What is wrong with a job among the others: waiting in a circle or for nobody, and another that undoes its work.
pub fn among(book: &Book, job: &Job) -> Vec<Fault> {
    let mut faults = Vec::new();
    let graph = Graph::of(book.sound());
    let line = line_of(job, "after");
    if let Some(way) = graph.cycle(&job.name) {
        faults.push(Fault::new(
            line,
            format!(
                "after: jobs wait for each other in a circle: {}; take one of these out",
                way.join(" after ")
            ),
        ));
    }
    for missing in graph.missing(&job.name) {
        faults.push(Fault::new(
            line,
            format!("after: there is no job {missing}; correct the name, or leave it out"),
        ));
    }
    let Some(name) = &job.target else {
        return faults;
    };
    for other in book.sound() {
        if other.name != job.name && other.target.as_ref() == Some(name) && conflict(job, other) {
            faults.push(Fault::new(
                line_of(job, "target"),
                format!(
                    "target: job {} writes {} too, in the mode {}, and this one in the mode {}: one would take away what the other wrote. Give one of them another target",
                    other.name,
                    short(name),
                    other.mode,
                    job.mode
                ),
            ));
        }
    }
    faults
}

/// The same as an error, for a run.
///
/// # Errors
/// `Invalid`.
pub fn check_among(book: &Book, job: &Job) -> Result<()> {
    let faults = among(book, job);
    match faults.is_empty() {
        true => Ok(()),
        false => Err(super::definition::together(
            &format!("job {}", job.name),
            &faults,
        )),
    }
}

/// Whether two jobs on one target undo each other's work.
fn conflict(one: &Job, other: &Job) -> bool {
    match (&one.mode, &other.mode) {
        (Mode::ReplacePartition, Mode::ReplacePartition) => false,
        (Mode::Replace | Mode::ReplacePartition, _)
        | (_, Mode::Replace | Mode::ReplacePartition) => true,
        _ => false,
    }
}

/// The line of a setting, 0 where the job lacks it.
fn line_of(job: &Job, setting: &str) -> usize {
    let is_it = |line: &str| {
        let comment = line.trim().strip_prefix("--").unwrap_or_default();
        comment
            .split_once(':')
            .is_some_and(|(word, _)| word.trim() == setting)
    };
    job.text
        .lines()
        .position(is_it)
        .map_or(0, |index| index + 1)
}

/// Plans a job against the tables as they are, and changes nothing.
///
/// # Errors
/// What a run would fail with: unknown names, a query that does not fit its mode, rows that do not fit the target.
pub async fn plan(lake: &Arc<Lake>, session: &Session, job: &Job) -> Result<()> {
    if job.target.is_none() {
        return statements(session, job).await;
    }
    let query = match &job.mode {
        Mode::Incremental(_) => {
            let source = Source::open(lake, job).await?;
            let rows = source.empty().await?;
            Evaluation::over(session, job, source.name(), rows).await?
        }
        _ => Evaluation::whole(session, job).await?,
    };
    // A target that is to be made can be.
    let definition = target::definition(job, query.schema())?;
    let Some(target) = Target::find(lake, job).await? else {
        if matches!(job.mode, Mode::ReplacePartition) && definition.partition_columns.is_empty() {
            return Err(Error::Invalid(format!(
                "job {}: replace partition needs partitions: write -- partition: COLUMN",
                job.name
            )));
        }
        query.without_held(job, None)?;
        return Ok(());
    };
    let base = target.table.snapshot().await?;
    if matches!(job.mode, Mode::ReplacePartition) && base.metadata().partition_columns().is_empty()
    {
        return Err(Error::Invalid(format!(
            "job {}: its target {} has no partitions to replace; write -- mode: replace",
            job.name,
            target.table.name()
        )));
    }
    let provenance = Provenance {
        job: job.name.clone(),
        run_id: String::new(),
        at: Utc::now(),
        by: query.computed_by()?,
        cursor: None,
    };
    Fitting::new(job, query.schema(), &base, &provenance)?;
    let held: Arc<dyn TableProvider> =
        Arc::new(LakeTableProvider::try_new(&target.table, base).await?);
    query.without_held(job, Some(held))?;
    Ok(())
}

/// Statements that change rows say in EXPLAIN how; of others the names are looked up when they run.
async fn statements(session: &Session, job: &Job) -> Result<()> {
    let statements = session.parse(&job.sql)?;
    let [Statement::Plain(_)] = statements.as_slice() else {
        return Ok(());
    };
    let explained = format!("EXPLAIN {}", job.sql);
    if let Some(statement) = session.parse(&explained)?.pop() {
        session
            .plan(statement)
            .await
            .map_err(|error| error.context(format!("job {}", job.name)))?;
    }
    Ok(())
}
