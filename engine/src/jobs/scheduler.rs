//! Runs jobs when they are due, inside a server and off the way of its queries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::clock::Clock;
use super::definition::Job;
use super::facts::Facts;
use super::graph::Graph;
use super::lint;
use super::planner::{Due, Planner};
use super::progress::Progress;
use super::record::{Record, Status};
use super::run::{Request, Runner};
use super::source::Source;
use super::stop::Stop;
use super::{cursor, target};
use crate::error::{Error, Result};
use crate::measures;

/// How often the lag of incremental jobs is measured.
const MEASURE: Duration = Duration::from_secs(60);

/// Told of each run that ended.
pub type Listener = Arc<dyn Fn(&Record) + Send + Sync>;

/// A scheduler.
pub struct Scheduler {
    runner: Runner,
    clock: Arc<dyn Clock>,
    /// Where plans run.
    cpu: Handle,
    listener: Listener,
    /// Ends of the runs at work, by job.
    running: Arc<Mutex<BTreeMap<String, Stop>>>,
    /// What could not be begun here: another server is at it, and may die of it.
    returned: Arc<Mutex<Vec<Due>>>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Over a runner, by a clock; plans run on `cpu`.
    pub fn new(runner: Runner, clock: Arc<dyn Clock>, cpu: Handle, listener: Listener) -> Self {
        Self {
            runner,
            clock,
            cpu,
            listener,
            running: Arc::default(),
            returned: Arc::default(),
        }
    }

    fn at_work(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Stop>> {
        lock(&self.running)
    }

    /// Runs jobs until `end`; then no new ones, and those at work end with their next commit, or after `drain` at once.
    pub async fn run(self, end: CancellationToken, drain: Duration) {
        let config = self.runner.lake().config().jobs.clone();
        let mut planner = Planner::default();
        let mut runs = JoinSet::new();
        let mut measured: Option<tokio::time::Instant> = None;
        let poll = chrono::Duration::from_std(Duration::from_secs(config.poll_s.max(1)))
            .unwrap_or_else(|_| chrono::Duration::seconds(10));
        while !end.is_cancelled() {
            let now = self.clock.now();
            let mut wake = now + poll;
            match self.look(&mut planner, &mut runs, now).await {
                Ok(next) => {
                    wake = next.filter(|next| *next < wake).unwrap_or(wake);
                    if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
                        measured = Some(tokio::time::Instant::now());
                        self.measure().await;
                    }
                }
                Err(error) => tracing::warn!(%error, "jobs cannot be looked through; trying again"),
            }
            tokio::select! {
                () = end.cancelled() => {}
                () = self.clock.sleep_until(wake) => {}
                // What it has read is no lag any more.
                Some(_) = runs.join_next(), if !runs.is_empty() => measured = None,
            }
        }
        let why = || Status::Interrupted("the server stopped".into());
        for stop in self.at_work().values() {
            stop.soon(why());
        }
        let all = async { while runs.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, all).await.is_err() {
            for stop in self.at_work().values() {
                stop.now(why());
            }
            while runs.join_next().await.is_some() {}
        }
    }

    /// Starts what is due; gives the next moment at which something will be.
    async fn look(
        &self,
        planner: &mut Planner,
        runs: &mut JoinSet<()>,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>> {
        let config = &self.runner.lake().config().jobs;
        let book = Book::read(self.runner.lake(), config.folder.as_deref()).await?;
        let facts = Facts::read(&self.runner.session()?).await?;
        let jobs: Vec<Job> = book
            .all()
            .filter(|kept| kept.is_on)
            .filter_map(|kept| kept.job.as_ref().ok())
            .cloned()
            .collect();
        for job in &jobs {
            if let Some(at) = facts.of(&job.name).succeeded_at {
                let age = (now - at).num_milliseconds();
                #[allow(clippy::cast_precision_loss)] // milliseconds of an age
                measures::job_age(&job.name, age as f64 / 1_000.0);
            }
        }
        let returned = std::mem::take(&mut *lock(&self.returned));
        for due in &returned {
            planner.give_back(due);
        }
        let running: BTreeSet<String> = self.at_work().keys().cloned().collect();
        let graph = Graph::of(book.sound());
        for due in planner.due(&jobs, &graph, &facts, &running, now) {
            if self.at_work().len() >= config.at_once.max(1) {
                planner.give_back(&due);
                continue;
            }
            if let Ok(job) = book.job(&due.job) {
                if let Err(error) = lint::check_among(&book, job) {
                    tracing::warn!(job = job.name, %error, "the job is not run");
                    continue;
                }
                self.start(runs, job.clone(), due);
            }
        }
        Ok(planner.next(&jobs, now))
    }

    fn start(&self, runs: &mut JoinSet<()>, job: Job, due: Due) {
        let stop = Stop::default();
        let name = job.name.clone();
        self.at_work().insert(name.clone(), stop.clone());
        let (runner, running) = (self.runner.clone(), Arc::clone(&self.running));
        let returned = Arc::clone(&self.returned);
        let listener = Arc::clone(&self.listener);
        tracing::info!(job = name, cause = %due.cause, "job starts");
        let work = async move {
            let progress = Arc::new(Progress::default());
            let request = Request {
                job,
                cause: due.cause,
                scheduled_at: due.scheduled_at,
            };
            let is_due = async || is_still_due(&runner, &due).await;
            let outcome = runner.run(request, &stop, &progress, is_due).await;
            lock(&running).remove(&name);
            if outcome.is_err() {
                lock(&returned).push(due);
            }
            match outcome {
                Ok(Some(record)) => {
                    tell(&record);
                    listener(&record);
                }
                Ok(None) => tracing::debug!(job = name, "another server did it"),
                Err(Error::Conflict(_)) => tracing::debug!(job = name, "another server is at it"),
                Err(error) => tracing::warn!(job = name, %error, "the job could not be started"),
            }
        };
        runs.spawn_on(work, &self.cpu);
    }

    /// How far incremental jobs are behind.
    async fn measure(&self) {
        let lake = self.runner.lake();
        let Ok(book) = Book::read(lake, lake.config().jobs.folder.as_deref()).await else {
            return;
        };
        for kept in book.all().filter(|kept| kept.is_on) {
            let Ok(job) = &kept.job else { continue };
            if job.source().is_none() {
                continue;
            }
            match lag(lake, job).await {
                Ok((versions, rows)) => measures::job_lag(&job.name, versions, rows),
                Err(error) => tracing::debug!(job = job.name, %error, "its lag is not known"),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Versions and rows of its source that a job has not read.
async fn lag(lake: &Arc<crate::Lake>, job: &Job) -> Result<(u64, u64)> {
    let source = Source::open(lake, job).await?;
    let ids = cursor::Ids::new(&job.name, source.id());
    let cursor = match target::Target::find(lake, job).await? {
        Some(target) => {
            let base = target.table.snapshot().await?;
            ids.read(&target.table, &base).await?
        }
        None => cursor::Cursor {
            place: None,
            first: cursor::First::None,
        },
    };
    source.behind(cursor).await
}

/// Whether nobody has done a moment meanwhile.
async fn is_still_due(runner: &Runner, due: &Due) -> Result<bool> {
    let Some(moment) = due.scheduled_at else {
        return Ok(true);
    };
    let facts = Facts::read(&runner.session()?).await?;
    let done = facts.of(&due.job).scheduled_at;
    Ok(done.is_none_or(|done| done < moment))
}

fn tell(record: &Record) {
    let (job, run_id) = (record.job.as_str(), record.run_id.as_str());
    let seconds = record.duration().as_secs_f64();
    match &record.status {
        Status::Succeeded => {
            tracing::info!(
                job,
                run_id,
                seconds,
                rows = record.counts.rows_written,
                "job ended"
            );
        }
        status => {
            let why = status.reason().unwrap_or_default();
            tracing::error!(
                job,
                run_id,
                seconds,
                status = status.name(),
                why,
                "job ended"
            );
        }
    }
}
