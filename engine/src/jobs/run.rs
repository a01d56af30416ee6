//! One run of a job: its lease, its attempts, its end, and what is written down about it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng as _;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::definition::{Job, Mode, short};
use super::incremental::{self, Guards};
use super::lease::{Holder, Lease, Taken};
use super::progress::Progress;
use super::record::{self, Record, Status, host};
use super::stop::Stop;
use super::target::Provenance;
use super::{mark, whole};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::measures;
use crate::session::{Caller, Session, Sessions};

/// How often a run looks whether somebody asked it to end.
const LOOK: Duration = Duration::from_secs(1);
/// First wait before another attempt.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest one.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its schedule.
    Schedule,
    /// The success of the jobs that it runs after.
    After,
    /// A person, or an outside scheduler.
    Hand,
    /// A person who asked for a range again.
    Backfill,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Schedule => "schedule",
            Self::After => "after",
            Self::Hand => "hand",
            Self::Backfill => "backfill",
        })
    }
}

/// A run that is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The job.
    pub job: Job,
    /// What started it.
    pub cause: Cause,
    /// The moment of the schedule that it is for.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// What the parts of a run share.
pub struct Work<'a> {
    /// The lake.
    pub lake: &'a Arc<Lake>,
    /// The session in which its statements run.
    pub session: &'a Session,
    /// The job.
    pub job: &'a Job,
    /// The run.
    pub run_id: &'a str,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The moment of the schedule that it is for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What it has done.
    pub progress: &'a Progress,
    /// How it is stopped.
    pub stop: &'a Stop,
    /// Guards of its commits.
    pub guards: Guards,
}

impl Work<'_> {
    /// Fails where no further work is to be begun.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn check_stopped(&self) -> Result<()> {
        self.stop.check()
    }

    /// Where the rows come from that it computes.
    pub fn provenance(&self, by: String, cursor: Option<i64>) -> Provenance {
        Provenance {
            job: self.job.name.clone(),
            run_id: self.run_id.to_string(),
            at: self.started_at,
            by,
            cursor,
        }
    }

    /// Carries the job out once.
    ///
    /// # Errors
    /// Whatever keeps it from its end.
    pub async fn carry_out(&self) -> Result<()> {
        match self.job.mode {
            Mode::Statement => whole::statements(self).await,
            Mode::Incremental(_) => incremental::run(self).await,
            _ => whole::run(self).await,
        }
    }
}

/// Runs jobs of one lake.
#[derive(Debug, Clone)]
pub struct Runner {
    lake: Arc<Lake>,
    sessions: Arc<Sessions>,
    /// Threads that do not compute, where leases are kept.
    io: Handle,
}

impl Runner {
    /// Over the sessions of a process; leases are kept on `io`, where nothing computes.
    ///
    /// # Errors
    /// `NotFound` without a lake.
    pub fn new(sessions: Arc<Sessions>, io: Handle) -> Result<Self> {
        Ok(Self {
            lake: Arc::clone(sessions.lake()?),
            sessions,
            io,
        })
    }

    /// The lake.
    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
    }

    /// A session in which jobs run.
    ///
    /// # Errors
    /// A catalog that cannot be registered.
    pub fn session(&self) -> Result<Session> {
        self.sessions.open(Caller::local(), None)
    }

    /// Runs a job and writes down how it went. `is_due` is asked once the lease is held: another server may have done the
    /// work meanwhile.
    ///
    /// # Errors
    /// `Conflict` where another run of the job is at work; what keeps the lease from being taken. That the job itself failed
    /// is no error here: the record says it. `None`: it was not due any more.
    pub async fn run(
        &self,
        request: Request,
        stop: &Stop,
        progress: &Arc<Progress>,
        is_due: impl AsyncFnOnce() -> Result<bool>,
    ) -> Result<Option<Record>> {
        let storage = self.lake.storage();
        let job = &request.job;
        let started_at = Utc::now();
        let run_id = Uuid::now_v7().to_string();
        let holder = Holder {
            run_id: run_id.clone(),
            host: host(),
            cause: request.cause.to_string(),
            started_at,
            scheduled_at: request.scheduled_at,
            lasts_s: self.lake.config().jobs.lease_s,
            is_over: false,
        };
        let (lease, left) = match Lease::take(storage, &job.name, holder).await? {
            Taken::Ours(lease, left) => (lease, left),
            Taken::Others(other) => {
                return Err(Error::Conflict(format!(
                    "job {} is at work on {} since {} (run {}); wait for its end, or stop it with `paratope job cancel {}`. \
                     If its process is gone, the job can run again within {} s",
                    job.name,
                    other.host,
                    other.started_at.format("%Y-%m-%d %H:%M:%S UTC"),
                    other.run_id,
                    job.name,
                    other.lasts_s
                )));
            }
        };
        if let Some(left) = left {
            self.enter_left(job, left).await;
        }
        match is_due().await {
            Ok(true) => {}
            Ok(false) => {
                lease.end().await?;
                return Ok(None);
            }
            Err(error) => {
                let _ = lease.end().await;
                return Err(error);
            }
        }
        let keeper = self.keep(lease, &request, &run_id, stop);
        let (status, attempts) = self
            .attempts(&request, &run_id, started_at, stop, progress)
            .await;
        let record = Record {
            run_id: run_id.clone(),
            job: job.name.clone(),
            cause: request.cause.to_string(),
            status,
            scheduled_at: request.scheduled_at,
            started_at,
            ended_at: Utc::now(),
            attempts,
            counts: progress.counts(),
            target: job.target.as_ref().map(short),
            source: job.source().map(short),
            definition_hash: Some(job.hash()),
            host: host(),
        };
        // Before the lease is given back: whoever takes it next sees that this moment is done.
        if let Err(error) = record::enter(&self.lake, &record).await {
            tracing::warn!(job = job.name, run_id, %error, "the run is over and could not be written down");
        }
        keeper.end().await;
        let _ = mark::forget(storage, &job.name, &run_id).await;
        measures::job_run(&record);
        Ok(Some(record))
    }

    async fn attempts(
        &self,
        request: &Request,
        run_id: &str,
        started_at: DateTime<Utc>,
        stop: &Stop,
        progress: &Arc<Progress>,
    ) -> (Status, u32) {
        let job = &request.job;
        let end = tokio::time::Instant::now() + job.timeout;
        let mut attempt = 1;
        loop {
            let work = self.once(request, run_id, started_at, stop, progress);
            let outcome = tokio::select! {
                biased;
                () = stop.stopped() => Err(stop.error()),
                outcome = tokio::time::timeout_at(end, work) => match outcome {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        let why = format!(
                            "it took longer than {} s (-- timeout: in its header); what was committed stays, and the next run goes on behind it",
                            job.timeout.as_secs()
                        );
                        return (Status::TimedOut(why), attempt);
                    }
                },
            };
            let error = match outcome {
                Ok(()) => return (Status::Succeeded, attempt),
                Err(error) => error,
            };
            if let Some(why) = stop.why() {
                return (why.clone(), attempt);
            }
            if !is_transient(&error) || attempt > job.retries {
                return (Status::Failed(error.to_string()), attempt);
            }
            tracing::warn!(job = job.name, run_id, attempt, %error, "the run failed and is tried again");
            tokio::select! {
                () = stop.stopped() => {}
                () = tokio::time::sleep(wait(attempt)) => {}
            }
            attempt += 1;
        }
    }

    async fn once(
        &self,
        request: &Request,
        run_id: &str,
        started_at: DateTime<Utc>,
        stop: &Stop,
        progress: &Arc<Progress>,
    ) -> Result<()> {
        let session = self.session()?;
        Work {
            lake: &self.lake,
            session: &session,
            job: &request.job,
            run_id,
            started_at,
            scheduled_at: request.scheduled_at,
            progress,
            stop,
            guards: Guards::default(),
        }
        .carry_out()
        .await
    }

    /// Keeps the lease, and hears those who ask the run to end.
    fn keep(&self, lease: Box<Lease>, request: &Request, run_id: &str, stop: &Stop) -> Keeper {
        let storage = self.lake.storage().clone();
        let (job, run_id, stop) = (request.job.name.clone(), run_id.to_string(), stop.clone());
        let lasts = Duration::from_secs(self.lake.config().jobs.lease_s.max(1));
        let (over, mut is_over) = tokio::sync::oneshot::channel::<()>();
        let task = self.io.spawn(async move {
            let mut lease = lease;
            let mut kept = tokio::time::Instant::now();
            loop {
                tokio::select! {
                    _ = &mut is_over => break,
                    () = tokio::time::sleep(LOOK.min(lasts / 3)) => {}
                }
                if let Ok(Some(by)) = mark::cancelled(&storage, &job, &run_id).await {
                    stop.now(Status::Cancelled(format!("cancelled by {by}")));
                }
                if kept.elapsed() < lasts / 3 {
                    continue;
                }
                match lease.keep().await {
                    Ok(true) => kept = tokio::time::Instant::now(),
                    Ok(false) => {
                        let why = "another run took its lease, which it had not kept in time; \
                                   what was committed stays, and that run goes on behind it";
                        stop.now(Status::Interrupted(why.into()));
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(job, %error, "the lease could not be kept, trying again");
                    }
                }
            }
            if let Err(error) = lease.end().await {
                tracing::debug!(job, %error, "the lease could not be given back; it expires");
            }
        });
        Keeper { over, task }
    }

    /// A run that nobody wrote down is written down by the next.
    async fn enter_left(&self, job: &Job, left: Holder) {
        let run_id = left.run_id.clone();
        let known = async {
            let session = self.session()?;
            let facts = super::facts::Facts::read(&session).await?;
            Ok::<_, Error>(facts.has_run(&job.name, &run_id))
        };
        let entered = match known.await {
            Ok(true) => return,
            Ok(false) => record::enter(&self.lake, &Record::of_left(job, left)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = entered {
            tracing::warn!(job = job.name, run_id, %error, "a run that ended without a word could not be written down");
        }
    }
}

/// The task that keeps a lease.
struct Keeper {
    over: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    async fn end(self) {
        let _ = self.over.send(());
        let _ = self.task.await;
    }
}

/// Whether the same may succeed later: what is wrong with a job stays wrong.
pub fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::Conflict(_))
}

/// Jittered exponential backoff.
fn wait(attempt: u32) -> Duration {
    let ceiling = FIRST_WAIT
        .saturating_mul(1 << attempt.min(16))
        .min(LONGEST_WAIT);
    rand::rng().random_range(FIRST_WAIT / 2..=ceiling)
}
