//! One statement: its state, what it has given so far, how it is stopped and how it ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use uuid::Uuid;

use super::memory::StatementPool;
use super::progress::progress;
use super::registry::Request;
use crate::error::Error;
use crate::sql::Masked;

tokio::task_local! {
    /// The statement that this task carries out.
    pub(crate) static CURRENT: Arc<Query>;
}

/// The statement that this task carries out; `None` where nobody watches.
pub(crate) fn current() -> Option<Arc<Query>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// How far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is planned, computes, or waits for its reader.
    Running,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
        })
    }
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All its rows were given.
    Succeeded,
    /// It failed, with the message: without literals where the statement is masked.
    Failed(String),
    /// It was stopped, by whom.
    Cancelled(String),
    /// It took too long.
    TimedOut,
}

impl Outcome {
    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Cancelled(_) => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// Why it did not succeed; `None` where it did.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Succeeded => None,
            Self::Failed(message) => Some(message.clone()),
            Self::Cancelled(by) => Some(format!("cancelled by {by}")),
            Self::TimedOut => Some("statement timeout".to_string()),
        }
    }
}

/// One statement of a server, from its place in the line to its end.
#[derive(Debug)]
pub struct Query {
    /// Its id.
    pub id: Uuid,
    /// Who asked.
    pub user: String,
    /// The statement, its literals masked unless the server keeps them.
    pub statement: String,
    /// What takes the literals out of messages; `None` where they are kept.
    mask: Option<Masked>,
    /// What the statement's work logs carries its id.
    span: Span,
    /// When it came.
    pub enqueued_at: DateTime<Utc>,
    enqueued: Instant,
    started: OnceLock<(DateTime<Utc>, Instant)>,
    timeout: Duration,
    rows: AtomicU64,
    bytes: AtomicU64,
    has_rows: AtomicBool,
    pool: Arc<StatementPool>,
    plan: OnceLock<Arc<dyn ExecutionPlan>>,
    plan_hash: OnceLock<String>,
    /// Versions of tables that it must read, by `schema.table`.
    pins: BTreeMap<String, u64>,
    stop: CancellationToken,
    outcome: OnceLock<Outcome>,
    /// Why it was sent to other nodes again.
    sent_again: Mutex<Vec<String>>,
}

impl Query {
    pub(super) fn new(
        request: Request,
        keeps_literals: bool,
        timeout: Duration,
        pool: StatementPool,
    ) -> Self {
        let Request {
            user,
            statement,
            pins,
            ..
        } = request;
        let id = Uuid::now_v7();
        let mask = (!keeps_literals).then(|| Masked::new(&statement));
        Self {
            id,
            span: tracing::error_span!("statement", query_id = %id, user = user.as_str()),
            user,
            statement: match &mask {
                Some(mask) => mask.shown().to_string(),
                None => statement,
            },
            mask,
            enqueued_at: Utc::now(),
            enqueued: Instant::now(),
            started: OnceLock::new(),
            timeout,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            has_rows: AtomicBool::new(false),
            pool: Arc::new(pool),
            plan: OnceLock::new(),
            plan_hash: OnceLock::new(),
            pins,
            stop: CancellationToken::new(),
            outcome: OnceLock::new(),
            sent_again: Mutex::default(),
        }
    }

    /// Whether it waits or runs.
    pub fn state(&self) -> State {
        match self.started.get() {
            None => State::Queued,
            Some(_) => State::Running,
        }
    }

    /// When its turn came.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        self.started.get().map(|(at, _)| *at)
    }

    /// Since it came.
    pub fn elapsed(&self) -> Duration {
        self.enqueued.elapsed()
    }

    /// How long it waited for its turn, so far.
    pub fn waited(&self) -> Duration {
        match self.started.get() {
            Some((_, started)) => started.duration_since(self.enqueued),
            None => self.elapsed(),
        }
    }

    /// Rows given so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes of the rows given so far, in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Memory that it holds, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.pool.held()
    }

    /// The most memory that it held, bytes.
    pub fn peak_memory_bytes(&self) -> usize {
        self.pool.peak()
    }

    /// What its operators wrote to disk for want of memory, bytes.
    pub fn spilled_bytes(&self) -> u64 {
        self.plan.get().map_or(0, |plan| spilled(plan.as_ref()))
    }

    /// The part of its input that it has read, from 0 to 1, as far as that is known.
    pub fn progress(&self) -> Option<f64> {
        let plan = self.plan.get()?;
        progress(plan.as_ref())
    }

    /// Hash of its optimised plan: equal for equal plans.
    pub fn plan_hash(&self) -> Option<&str> {
        self.plan_hash.get().map(String::as_str)
    }

    /// How it ended, where it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// The version at which it must read a table.
    pub(crate) fn pinned(&self, full_name: &str) -> Option<u64> {
        self.pins.get(full_name).copied()
    }

    pub(crate) fn pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.pool) as _
    }

    /// Notes what is carried out; the first plan of a statement is its own.
    pub(crate) fn note_plan(&self, plan: &Arc<dyn ExecutionPlan>, hash: impl FnOnce() -> String) {
        if self.plan.set(Arc::clone(plan)).is_ok() {
            let _ = self.plan_hash.set(hash());
        }
    }

    /// Notes why it is sent to other nodes again.
    pub(crate) fn note_sent_again(&self, reason: &str) {
        let mut reasons = self
            .sent_again
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        reasons.push(reason.to_string());
    }

    /// Why it was sent to other nodes again, a line each time; `None` where it was not.
    pub fn sent_again(&self) -> Option<String> {
        let reasons = self
            .sent_again
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (!reasons.is_empty()).then(|| reasons.join("\n"))
    }

    pub(super) fn start(&self) {
        let _ = self.started.set((Utc::now(), Instant::now()));
    }

    pub(super) fn count(&self, rows: usize, bytes: usize) {
        self.has_rows.store(true, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// In which its work is done.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes the end; the first one counts.
    pub(super) fn end(&self, outcome: Outcome) {
        let outcome = match (outcome, &self.mask) {
            (Outcome::Failed(message), Some(mask)) => Outcome::Failed(mask.message(&message)),
            (outcome, _) => outcome,
        };
        let _ = self.outcome.set(outcome);
    }

    /// Stops it; `by` says who.
    pub fn cancel(&self, by: &str) {
        self.end(Outcome::Cancelled(by.to_string()));
        self.stop.cancel();
    }

    /// Stops what is left of it, because nobody reads it any longer.
    pub fn leave(&self) {
        self.cancel("its client, who went away");
    }

    /// Cancelled once it is stopped or over.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Stops it when its time is over. Kept by threads that do not compute: where all others do, timers are late.
    pub(super) async fn keep_time(self: Arc<Self>) {
        tokio::time::sleep_until(self.enqueued + self.timeout).await;
        self.end(Outcome::TimedOut);
        self.stop.cancel();
    }

    /// The error that its work ended with: where it was stopped, that, whatever its work says about it.
    pub(super) fn stopped_or(&self, error: Error) -> Error {
        self.why_stopped().unwrap_or(error)
    }

    /// Waits until it is stopped or has taken too long, and says so. One that came to its end was not stopped: what is on
    /// its way to a slow reader then stays so.
    pub async fn stopped(&self) -> Error {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep_until(self.enqueued + self.timeout) => {
                self.end(Outcome::TimedOut);
            }
        }
        match self.why_stopped() {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    fn why_stopped(&self) -> Option<Error> {
        match self.outcome()? {
            Outcome::Cancelled(by) => Some(Error::Unavailable(format!("cancelled by {by}"))),
            Outcome::TimedOut => Some(Error::Exhausted(format!(
                "the statement took longer than {} s (server.limits.statement_timeout_s) and was stopped",
                self.timeout.as_secs()
            ))),
            Outcome::Succeeded | Outcome::Failed(_) => None,
        }
    }
}

fn spilled(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes());
    let below: u64 = plan
        .children()
        .into_iter()
        .map(|child| spilled(child.as_ref()))
        .sum();
    own.unwrap_or(0) as u64 + below
}
