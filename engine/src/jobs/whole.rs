//! Runs that compute the whole query: its rows are added, take the place of others, or are merged by key.
//!
//! `replace` and `merge` give the same table however often they run. `append` does not, so a moment of the schedule is
//! appended once: its time is a transaction id of the target, in the commit of the rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::catalog::TableProvider;
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use deltalake::kernel::{Action, EagerSnapshot, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::TryStreamExt as _;

use super::definition::{Job, Mode};
use super::evaluation::{Evaluation, cost};
use super::incremental::bytes;
use super::run::Work;
use super::target::{self, Fitting, Target};
use crate::error::{Error, Result};
use crate::session;
use crate::sql::{self, Parts, Statement, quoted};
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::log::Log;
use crate::tables::maintenance::active_files;
use crate::tables::write::{self, Written};
use crate::tables::{LakeTableProvider, transactions};

/// How often others may change the target under one run.
const ATTEMPTS: usize = 10;
/// End of the id under which a moment of the schedule is appended.
const MOMENT: &str = ":at";

/// Computes the query once.
///
/// # Errors
/// The query's; rows that do not fit the target; a target that others change all the time.
pub async fn run(work: &Work<'_>) -> Result<()> {
    if matches!(work.job.mode, Mode::Merge(_)) {
        return merge(work).await;
    }
    let mut attempt = 0;
    loop {
        work.check_stopped()?;
        attempt += 1;
        match once(work).await {
            Err(Error::Conflict(reason)) if attempt < ATTEMPTS => {
                tracing::debug!(job = work.job.name, reason, "overtaken, computing again");
            }
            outcome => return outcome,
        }
    }
}

async fn once(work: &Work<'_>) -> Result<()> {
    let job = work.job;
    let query = Evaluation::whole(work.session, job).await?;
    let target = Target::open(work.lake, job, query.schema()).await?;
    let base = target.table.snapshot().await?;
    let moment = moment(work, &target, &base).await?;
    if matches!(moment, Moment::Done) {
        tracing::info!(
            job = job.name,
            "this moment of the schedule was appended before"
        );
        return Ok(());
    }
    let held: Option<Arc<dyn TableProvider>> = match job.key.is_empty() {
        true => None,
        false => Some(Arc::new(
            LakeTableProvider::try_new(&target.table, base.clone()).await?,
        )),
    };
    let query = query.without_held(job, held)?;
    let provenance = work.provenance(query.computed_by()?, None);
    let fitting = Fitting::new(job, query.schema(), &base, &provenance)?;
    if matches!(job.mode, Mode::ReplacePartition) && base.metadata().partition_columns().is_empty()
    {
        return Err(Error::Invalid(format!(
            "job {}: its target {} has no partitions to replace; write -- partition: COLUMN for a target that the job makes, or -- mode: replace",
            job.name,
            target.table.name()
        )));
    }
    let computed = query.run().await?;
    let plan = computed.plan();
    let written = write::write_sorted(
        &target.table,
        &base,
        fitting.rows(computed.stream),
        session::write_context(work.lake)?.task_ctx(),
        work.lake.config().ingest.target_file_bytes,
    )
    .await
    .map_err(|error| error.context(format!("job {}", job.name)))?;
    work.progress.note(|counts| {
        counts.cost.add(cost(&plan));
        counts.plan_hash.get_or_insert_with(|| query.hash());
    });
    target.check_there(work.lake).await?;
    let (removes, operation) = removed(job, &base, &written)?;
    let mut actions: Vec<Action> = removes;
    actions.extend(written.adds.iter().cloned().map(Action::Add));
    if actions.is_empty() && matches!(moment, Moment::None) {
        return Ok(());
    }
    let changes = Commit {
        base,
        operation,
        actions,
        transactions: moment.into_transactions(),
        // What is replaced depends on what is there, and what is left out by its key too.
        reads: match matches!(job.mode, Mode::Append) && job.key.is_empty() {
            true => Reads::Nothing,
            false => Reads::Rows,
        },
    };
    match commit(&target.table, changes).await {
        Ok(Outcome::Committed(version)) => {
            work.progress.note(|counts| {
                counts.chunks += 1;
                counts.rows_written += written.rows;
                counts.bytes_written += bytes(&written);
                counts.target_version = Some(version);
            });
            Ok(())
        }
        Ok(Outcome::AlreadyDone(_)) => {
            write::discard(&target.table, &written).await;
            Ok(())
        }
        Err(error) => {
            if !matches!(error, Error::Unavailable(_)) {
                write::discard(&target.table, &written).await;
            }
            Err(error)
        }
    }
}

/// Files that go when new ones come, and what the log calls it.
fn removed(
    job: &Job,
    base: &EagerSnapshot,
    written: &Written,
) -> Result<(Vec<Action>, DeltaOperation)> {
    let overwrite = |predicate| DeltaOperation::Write {
        mode: SaveMode::Overwrite,
        partition_by: None,
        predicate,
    };
    let files = active_files(base)?;
    match job.mode {
        Mode::Replace => {
            let all = files.iter().map(|file| Action::Remove(file.remove(true)));
            Ok((all.collect(), overwrite(None)))
        }
        Mode::ReplacePartition => {
            let columns = base.metadata().partition_columns();
            let of = |values: &HashMap<String, Option<String>>| {
                crate::tables::maintenance::partition_of(columns, values)
            };
            let new: HashSet<Vec<Option<String>>> = written
                .adds
                .iter()
                .map(|add| of(&add.partition_values))
                .collect();
            let replaced = files.iter().filter(|file| new.contains(&file.partition));
            let removes = replaced.map(|file| Action::Remove(file.remove(true)));
            Ok((
                removes.collect(),
                overwrite(Some(format!("partitions of job {}", job.name))),
            ))
        }
        _ => Ok((Vec::new(), append())),
    }
}

/// A moment of the schedule in a mode that must not meet it twice.
enum Moment {
    None,
    Done,
    New(Transaction),
}

impl Moment {
    fn into_transactions(self) -> Vec<Transaction> {
        match self {
            Self::New(transaction) => vec![transaction],
            _ => Vec::new(),
        }
    }
}

async fn moment(work: &Work<'_>, target: &Target, base: &EagerSnapshot) -> Result<Moment> {
    let (Mode::Append, Some(at)) = (&work.job.mode, work.scheduled_at) else {
        return Ok(Moment::None);
    };
    let id = format!("{}{}{MOMENT}", super::cursor::PREFIX, work.job.name);
    let log = Log::list(&target.table).await?;
    let known = transactions::as_of(&log, base.version()).await?;
    let done = known
        .get(&id)
        .is_some_and(|recorded| recorded.version >= at.timestamp());
    Ok(match done {
        true => Moment::Done,
        // Without a time: it must not be forgotten.
        false => Moment::New(Transaction::new(id, at.timestamp())),
    })
}

/// `mode: merge on …`: the statement that a person would write.
async fn merge(work: &Work<'_>) -> Result<()> {
    let job = work.job;
    let Mode::Merge(key) = &job.mode else {
        return Err(Error::Internal(format!("job {} merges nothing", job.name)));
    };
    let query = Evaluation::whole(work.session, job).await?;
    let target = Target::open(work.lake, job, query.schema()).await?;
    let base = target.table.snapshot().await?;
    let provenance = work.provenance(query.computed_by()?, None);
    Fitting::new(job, query.schema(), &base, &provenance)?;
    let result: Vec<&str> = query
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    if let Some(missing) = key.iter().find(|column| !result.contains(&column.as_str())) {
        return Err(Error::Invalid(format!(
            "job {}: merge on {missing}: the query gives no such column; it gives {}",
            job.name,
            result.join(", ")
        )));
    }
    let stored = crate::tables::Table::schema(&base);
    let text = |value: &str| format!("'{}'", value.replace('\'', "''"));
    let of_provenance = [
        (target::JOB, text(&provenance.job)),
        (target::RUN_ID, text(&provenance.run_id)),
        (
            target::COMPUTED_AT,
            format!(
                "CAST({} AS TIMESTAMP WITH TIME ZONE)",
                text(&provenance.at.to_rfc3339())
            ),
        ),
        (target::COMPUTED_BY, text(&provenance.by)),
    ];
    let mut columns: Vec<(String, String)> = result
        .iter()
        .map(|column| (quoted(column), format!("s.{}", quoted(column))))
        .collect();
    for (column, value) in of_provenance {
        if stored.index_of(column).is_ok() && !result.contains(&column) {
            columns.push((quoted(column), value));
        }
    }
    let on: Vec<String> = key
        .iter()
        .map(|column| format!("t.{0} = s.{0}", quoted(column)))
        .collect();
    let known: Vec<String> = key
        .iter()
        .map(|column| format!("q.{} IS NOT NULL", quoted(column)))
        .collect();
    let sets: Vec<String> = columns
        .iter()
        .filter(|(column, _)| !key.iter().any(|key| quoted(key) == *column))
        .map(|(column, value)| format!("{column} = {value}"))
        .collect();
    let names: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    let matched = match sets.is_empty() {
        true => String::new(),
        false => format!("WHEN MATCHED THEN UPDATE SET {} ", sets.join(", ")),
    };
    let mut parts = Parts::default();
    let rows = parts.query(query_of(job)?);
    let name = job
        .target
        .clone()
        .unwrap_or_else(|| crate::catalog::Name::main(""));
    let statement = parts.fill(&format!(
        "MERGE INTO {}.{} AS t USING (SELECT * FROM {rows} AS q WHERE {}) AS s ON {} {matched}WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
        quoted(&name.schema_name),
        quoted(&name.name),
        known.join(" AND "),
        on.join(" AND "),
        names.join(", "),
        values.join(", ")
    ))?;
    let hash = query.hash();
    let statement = Statement::Plain(Box::new(Plain::Statement(Box::new(statement))));
    let changed = count(work.session.execute(statement).await?).await?;
    let version = target.table.snapshot().await?.version();
    work.progress.note(|counts| {
        counts.chunks += 1;
        counts.rows_written += changed;
        counts.target_version = Some(version);
        counts.plan_hash.get_or_insert(hash);
    });
    Ok(())
}

fn query_of(job: &Job) -> Result<datafusion::sql::sqlparser::ast::Query> {
    let statement = sql::parse(&job.sql)?.pop();
    if let Some(Statement::Plain(plain)) = statement
        && let Plain::Statement(inner) = *plain
        && let Ast::Query(query) = *inner
    {
        return Ok(*query);
    }
    Err(Error::Invalid(format!("job {} is not a query", job.name)))
}

/// Jobs without a target: their statements, one after the other.
///
/// # Errors
/// The statement's; those before it stay carried out.
pub async fn statements(work: &Work<'_>) -> Result<()> {
    let statements = sql::parse(&work.job.sql)?;
    let several = statements.len() > 1;
    for (index, statement) in (1_usize..).zip(statements) {
        work.check_stopped()?;
        let ran = async {
            let answer = work.session.execute(statement).await?;
            count(answer).await
        };
        let rows = ran.await.map_err(|error| match several {
            true => error.context(format!("job {}, statement {index}", work.job.name)),
            false => error.context(format!("job {}", work.job.name)),
        })?;
        work.progress.note(|counts| {
            counts.chunks += 1;
            counts.rows_written += rows;
        });
    }
    Ok(())
}

/// Rows that a statement says it changed.
async fn count(answer: session::Answer) -> Result<u64> {
    let is_count = answer.schema.fields().len() == 1 && answer.schema.field(0).name() == "count";
    let batches: Vec<RecordBatch> = answer.stream.try_collect().await?;
    if !is_count {
        return Ok(0);
    }
    Ok(batches
        .iter()
        .filter_map(|batch| batch.column(0).as_primitive_opt::<UInt64Type>())
        .filter_map(datafusion::arrow::compute::sum)
        .sum())
}
