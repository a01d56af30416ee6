//! `system.query_log`: what was asked and how it ended, written in batches beside the statements.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use tokio::sync::mpsc;

use super::query::{Outcome, Query};
use crate::error::Result;
use crate::lake::Lake;
use crate::measures;
use crate::policy::QUERY_LOG;
use crate::tables::{Table, append_rows};

/// Entries that wait to be written; beyond it new ones are dropped.
const WAITING: usize = 16_384;
/// Entries of one commit.
const BATCH: usize = 4_096;
/// How long entries gather before they are written.
const INTERVAL: Duration = Duration::from_secs(10);

/// One line of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    query_id: String,
    user: String,
    statement: String,
    plan_hash: Option<String>,
    status: &'static str,
    error: Option<String>,
    enqueued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: DateTime<Utc>,
    rows: u64,
    bytes: u64,
    peak_memory_bytes: u64,
    spilled_bytes: u64,
    sent_again: Option<String>,
}

impl LogEntry {
    /// What is written about a statement that ended like this.
    pub fn of(query: &Query, outcome: &Outcome) -> Self {
        Self {
            query_id: query.id.to_string(),
            user: query.user.clone(),
            statement: query.statement.clone(),
            plan_hash: query.plan_hash().map(str::to_string),
            status: outcome.name(),
            error: outcome.reason(),
            enqueued_at: query.enqueued_at,
            started_at: query.started_at(),
            ended_at: Utc::now(),
            rows: query.rows(),
            bytes: query.bytes(),
            peak_memory_bytes: query.peak_memory_bytes() as u64,
            spilled_bytes: query.spilled_bytes(),
            sent_again: query.sent_again(),
        }
    }
}

/// Writes entries to the lake as they gather, until the last sender is gone.
#[derive(Debug)]
pub struct QueryLog {
    lake: Arc<Lake>,
    entries: mpsc::Receiver<LogEntry>,
}

impl QueryLog {
    /// A log of `lake`, and where entries are handed in.
    pub fn new(lake: Arc<Lake>) -> (Self, mpsc::Sender<LogEntry>) {
        let (send, entries) = mpsc::channel(WAITING);
        (Self { lake, entries }, send)
    }

    /// Writes until all senders are gone. What cannot be written is tried again with the next entries.
    pub async fn run(mut self) {
        let mut gathered = Vec::new();
        let mut is_open = true;
        while is_open || !gathered.is_empty() {
            if is_open {
                is_open = self.gather(&mut gathered).await;
            }
            if gathered.is_empty() {
                continue;
            }
            match append_entries(&self.lake, &gathered).await {
                Ok(()) => gathered.clear(),
                Err(error) => {
                    tracing::warn!(entries = gathered.len(), %error, "the log of queries cannot be written");
                    if !is_open || gathered.len() >= WAITING {
                        measures::log_dropped(gathered.len());
                        gathered.clear();
                    }
                }
            }
        }
    }

    /// Takes what comes within the interval; `false` once nothing will come any more.
    async fn gather(&mut self, gathered: &mut Vec<LogEntry>) -> bool {
        let end = tokio::time::Instant::now() + INTERVAL;
        let most = gathered.len() + BATCH;
        while gathered.len() < most {
            match tokio::time::timeout_at(end, self.entries.recv()).await {
                Ok(Some(entry)) => gathered.push(entry),
                Ok(None) => return false,
                Err(_) => break,
            }
        }
        true
    }
}

async fn append_entries(lake: &Lake, entries: &[LogEntry]) -> Result<()> {
    let table = lake.table(&format!("system.{QUERY_LOG}"))?;
    let base = table.snapshot().await?;
    let rows = batch(&Table::schema(&base), entries)?;
    let target = lake.config().ingest.target_file_bytes;
    append_rows(&table, base, rows, Vec::new(), target).await?;
    Ok(())
}

fn batch(
    schema: &datafusion::arrow::datatypes::SchemaRef,
    entries: &[LogEntry],
) -> Result<RecordBatch> {
    let text = |of: fn(&LogEntry) -> Option<&str>| -> ArrayRef {
        Arc::new(entries.iter().map(of).collect::<StringArray>())
    };
    let number = |of: fn(&LogEntry) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            entries
                .iter()
                .map(|entry| of(entry).try_into().unwrap_or(i64::MAX)),
        ))
    };
    let time = |of: fn(&LogEntry) -> Option<DateTime<Utc>>| -> ArrayRef {
        let times: TimestampMicrosecondArray = entries
            .iter()
            .map(|entry| of(entry).map(|at| at.timestamp_micros()))
            .collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "query_id" => text(|entry| Some(&entry.query_id)),
            "user" => text(|entry| Some(&entry.user)),
            "statement" => text(|entry| Some(&entry.statement)),
            "plan_hash" => text(|entry| entry.plan_hash.as_deref()),
            "status" => text(|entry| Some(entry.status)),
            "error" => text(|entry| entry.error.as_deref()),
            "enqueued_at" => time(|entry| Some(entry.enqueued_at)),
            "started_at" => time(|entry| entry.started_at),
            "ended_at" => time(|entry| Some(entry.ended_at)),
            "rows" => number(|entry| entry.rows),
            "bytes" => number(|entry| entry.bytes),
            "peak_memory_bytes" => number(|entry| entry.peak_memory_bytes),
            "spilled_bytes" => number(|entry| entry.spilled_bytes),
            "sent_again" => text(|entry| entry.sent_again.as_deref()),
            // Added to the table by others.
            _ => new_null_array(field.data_type(), entries.len()),
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
