//! `system.job_runs`: how each run went, written when it ends.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};

use super::definition::{Job, short};
use super::lease::Holder;
use super::progress::Counts;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::tables::{Table, append_rows};

/// The table.
pub const TABLE: &str = "system.job_runs";
/// How often others may change the table's properties meanwhile.
const ATTEMPTS: usize = 5;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// All was done.
    Succeeded,
    /// It cannot be done as it is.
    Failed(String),
    /// Somebody stopped it.
    Cancelled(String),
    /// It took longer than the job allows.
    TimedOut(String),
    /// Its process ended, or was told to, before it was done: it is made up for.
    Interrupted(String),
}

impl Status {
    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Cancelled(_) => "cancelled",
            Self::TimedOut(_) => "timed_out",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// Why it did not succeed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Succeeded => None,
            Self::Failed(why)
            | Self::Cancelled(why)
            | Self::TimedOut(why)
            | Self::Interrupted(why) => Some(why),
        }
    }
}

/// A run that ended.
#[derive(Debug, Clone)]
pub struct Record {
    /// The run.
    pub run_id: String,
    /// The job.
    pub job: String,
    /// What started it.
    pub cause: String,
    /// How it ended.
    pub status: Status,
    /// The moment of the schedule that it was for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End.
    pub ended_at: DateTime<Utc>,
    /// Times that it was tried.
    pub attempts: u32,
    /// What it did.
    pub counts: Counts,
    /// The target, as people write it.
    pub target: Option<String>,
    /// The source likewise.
    pub source: Option<String>,
    /// Hash of the job as it was written.
    pub definition_hash: Option<String>,
    /// Machine and process.
    pub host: String,
}

impl Record {
    /// Of a run whose process never said how it ended.
    pub fn of_left(job: &Job, left: Holder) -> Self {
        Self {
            run_id: left.run_id,
            job: job.name.clone(),
            cause: left.cause,
            status: Status::Interrupted(format!("{} ended without a word", left.host)),
            scheduled_at: left.scheduled_at,
            started_at: left.started_at,
            ended_at: Utc::now(),
            attempts: 1,
            counts: Counts::default(),
            target: job.target.as_ref().map(short),
            source: job.source().map(short),
            definition_hash: None,
            host: left.host,
        }
    }

    /// From start to end.
    pub fn duration(&self) -> std::time::Duration {
        (self.ended_at - self.started_at)
            .to_std()
            .unwrap_or_default()
    }
}

/// Machine and process.
pub fn host() -> String {
    let name = sysinfo::System::host_name().unwrap_or_else(|| "unknown".into());
    format!("{name}:{}", std::process::id())
}

/// Writes a run down.
///
/// # Errors
/// Whatever keeps the table from being written.
pub async fn enter(lake: &Lake, record: &Record) -> Result<()> {
    let table = lake.table(TABLE)?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let base = table.snapshot().await?;
        let rows = batch(&Table::schema(&base), record)?;
        let target = lake.config().ingest.target_file_bytes;
        match append_rows(&table, base, rows, Vec::new(), target).await {
            Ok(_) => return Ok(()),
            Err(Error::Conflict(_)) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

fn batch(schema: &datafusion::arrow::datatypes::SchemaRef, record: &Record) -> Result<RecordBatch> {
    let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let number = |value: Option<u64>| -> ArrayRef {
        let value = value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from(vec![value]))
    };
    let time = |value: Option<DateTime<Utc>>| -> ArrayRef {
        let micros = value.map(|at| at.timestamp_micros());
        Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
    };
    let counts = &record.counts;
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "run_id" => text(Some(&record.run_id)),
            "job" => text(Some(&record.job)),
            "cause" => text(Some(&record.cause)),
            "status" => text(Some(record.status.name())),
            "error" => text(record.status.reason()),
            "scheduled_at" => time(record.scheduled_at),
            "started_at" => time(Some(record.started_at)),
            "ended_at" => time(Some(record.ended_at)),
            "attempts" => number(Some(record.attempts.into())),
            "target" => text(record.target.as_deref()),
            "source" => text(record.source.as_deref()),
            "source_from" => number(counts.versions.map(|(from, _)| from)),
            "source_to" => number(counts.versions.map(|(_, to)| to)),
            "target_version" => number(counts.target_version),
            "chunks" => number(Some(counts.chunks)),
            "rows_read" => number(Some(counts.rows_read)),
            "bytes_read" => number(Some(counts.bytes_read)),
            "rows_written" => number(Some(counts.rows_written)),
            "bytes_written" => number(Some(counts.bytes_written)),
            "calls_computed" => number(counts.cost.computed),
            "calls_remembered" => number(counts.cost.remembered),
            "tokens" => number(counts.cost.tokens),
            "cost_s" => Arc::new(Float64Array::from(vec![counts.cost.seconds])),
            "plan_hash" => text(counts.plan_hash.as_deref()),
            "definition_hash" => text(record.definition_hash.as_deref()),
            "engine_version" => text(Some(env!("CARGO_PKG_VERSION"))),
            "host" => text(Some(&record.host)),
            // Added to the table by others.
            _ => new_null_array(field.data_type(), 1),
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
