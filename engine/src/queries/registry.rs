//! All statements that wait or run in this process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::log::LogEntry;
use super::memory::StatementPool;
use super::query::{Outcome, Query};
use super::running::Running;
use super::turns::Turns;
use crate::config::LimitsConfig;
use crate::error::{Error, Result};
use crate::measures;
use crate::policy::Grants;

/// What statements may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How many run at once.
    pub at_once: usize,
    /// How many wait.
    pub waiting: usize,
    /// Memory of one, bytes.
    pub memory: usize,
    /// Longest time of one, its wait included.
    pub timeout: Duration,
}

impl Limits {
    /// Those of a server with so many computing threads and so much memory for queries.
    pub fn new(config: &LimitsConfig, threads: usize, memory: usize) -> Self {
        let share = memory as f64 * config.query_memory_fraction.clamp(0.01, 1.0);
        Self {
            at_once: match config.concurrent_queries {
                0 => 2 * threads,
                many => many,
            },
            waiting: config.queued_queries,
            memory: share as usize,
            timeout: Duration::from_secs(config.statement_timeout_s),
        }
    }
}

/// A statement to be carried out.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Who asks.
    pub user: String,
    /// The statement's text.
    pub statement: String,
    /// Versions of tables that it must read, by `schema.table`.
    pub pins: BTreeMap<String, u64>,
    /// It waits for nobody: what looks after the others must work while they fill the server.
    pub at_once: bool,
}

/// Called with each statement that has ended.
type Listener = Box<dyn Fn(&Query, &Outcome) + Send + Sync>;

/// All statements that wait or run.
pub struct Queries {
    limits: Limits,
    memory: Arc<dyn MemoryPool>,
    turns: Arc<Turns>,
    live: Mutex<BTreeMap<Uuid, Arc<Query>>>,
    log: Mutex<Option<mpsc::Sender<LogEntry>>>,
    keeps_literals: bool,
    listener: Option<Listener>,
    clock: Option<Handle>,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Queries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queries")
            .field("limits", &self.limits)
            .field("live", &self.list().len())
            .finish_non_exhaustive()
    }
}

impl Queries {
    /// Statements within `limits`, which share `memory`.
    pub fn new(limits: Limits, memory: Arc<dyn MemoryPool>) -> Self {
        Self {
            turns: Turns::new(limits.at_once, limits.waiting),
            limits,
            memory,
            live: Mutex::default(),
            log: Mutex::default(),
            is_closed: AtomicBool::new(false),
            keeps_literals: false,
            listener: None,
            clock: None,
        }
    }

    /// Tells each end to `log`. Where the log cannot follow, entries are dropped rather than statements delayed.
    #[must_use]
    pub fn with_log(mut self, log: mpsc::Sender<LogEntry>) -> Self {
        self.log = Mutex::new(Some(log));
        self
    }

    /// Keeps the time of statements on these threads, which must not compute.
    #[must_use]
    pub fn with_clock(mut self, threads: Handle) -> Self {
        self.clock = Some(threads);
        self
    }

    /// Keeps the literals of statements, which are masked otherwise.
    #[must_use]
    pub fn with_literals(mut self, keeps: bool) -> Self {
        self.keeps_literals = keeps;
        self
    }

    /// Calls `listener` with each statement that has ended.
    #[must_use]
    pub fn with_listener(
        mut self,
        listener: impl Fn(&Query, &Outcome) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `Unavailable` where too many wait already, or it was cancelled while it waited; `Exhausted` where that took too
    /// long.
    pub async fn begin(self: &Arc<Self>, request: Request) -> Result<Running> {
        let at_once = request.at_once;
        if self.is_closed.load(Ordering::Relaxed) && !at_once {
            return Err(Error::Unavailable(
                "the server is stopping; try again with another or in a moment".into(),
            ));
        }
        let query = Arc::new(self.query(request));
        self.live().insert(query.id, Arc::clone(&query));
        let clock = self.clock.as_ref();
        let clock = clock.map(|threads| threads.spawn(Arc::clone(&query).keep_time()));
        let mut running = Running::new(Arc::clone(self), Arc::clone(&query), clock);
        let turn = match at_once {
            true => Ok(None),
            false => tokio::select! {
                turn = self.turns.take(&query.user) => turn.map(Some),
                stopped = query.stopped() => Err(stopped),
            },
        };
        match turn {
            Ok(turn) => running.start(turn),
            Err(error) => {
                query.end(Outcome::Failed(error.to_string()));
                return Err(error);
            }
        }
        Ok(running)
    }

    /// Notes a statement that failed before it could wait for its turn: nobody could plan it.
    pub fn note_failure(&self, request: Request, error: &Error) {
        let query = self.query(request);
        query.end(Outcome::Failed(error.to_string()));
        self.finish(&query);
    }

    fn query(&self, request: Request) -> Query {
        let pool = StatementPool::new(Arc::clone(&self.memory), self.limits.memory);
        Query::new(request, self.keeps_literals, self.limits.timeout, pool)
    }

    /// All that wait or run, the oldest first.
    pub fn list(&self) -> Vec<Arc<Query>> {
        self.live().values().cloned().collect()
    }

    /// How many run and wait.
    pub fn counts(&self) -> (usize, usize) {
        self.turns.counts()
    }

    /// Memory that statements hold together, bytes.
    pub fn memory(&self) -> usize {
        self.memory.reserved()
    }

    /// Memory that they may hold together, bytes; `None` where nothing limits it.
    pub fn memory_limit(&self) -> Option<usize> {
        match self.memory.memory_limit() {
            MemoryLimit::Finite(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Stops a statement of `user`, or anybody's where `grants` are an admin's.
    ///
    /// # Errors
    /// `NotFound` for one that does not run, or is not the user's: which of the two is not told.
    pub fn kill(&self, id: &str, user: &str, grants: &Grants) -> Result<()> {
        let found = id
            .parse()
            .ok()
            .and_then(|id: Uuid| self.live().get(&id).cloned())
            .filter(|query| query.user == user || grants.is_admin());
        match found {
            Some(query) => {
                query.cancel(&format!("KILL QUERY of {user}"));
                Ok(())
            }
            None => Err(Error::NotFound(format!(
                "no statement {id} of yours waits or runs; SHOW QUERIES lists them"
            ))),
        }
    }

    /// Takes no new statements.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Tells the log no more ends: it writes what it has, and is done.
    pub fn close_log(&self) {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Stops all; `by` says who.
    pub fn cancel_all(&self, by: &str) {
        for query in self.list() {
            query.cancel(by);
        }
    }

    /// Takes a statement off the list and notes its end.
    pub(super) fn finish(&self, query: &Query) {
        query.leave();
        self.live().remove(&query.id);
        let Some(outcome) = query.outcome() else {
            return;
        };
        if let Some(listener) = &self.listener {
            listener(query, outcome);
        }
        let entry = LogEntry::of(query, outcome);
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = log.as_ref()
            && log.try_send(entry).is_err()
        {
            measures::log_dropped(1);
            tracing::warn!(query = %query.id, "the log of queries cannot follow: an entry is left out");
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, Arc<Query>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::execution::memory_pool::UnboundedMemoryPool;
    use futures::FutureExt as _;

    use super::*;
    use crate::policy::Role;

    fn queries(at_once: usize) -> Arc<Queries> {
        let limits = Limits {
            at_once,
            waiting: 0,
            memory: 1 << 20,
            timeout: Duration::from_secs(60),
        };
        Arc::new(Queries::new(
            limits,
            Arc::new(UnboundedMemoryPool::default()),
        ))
    }

    fn request(user: &str) -> Request {
        Request {
            user: user.into(),
            statement: "SELECT 1".into(),
            ..Request::default()
        }
    }

    #[tokio::test]
    async fn a_statement_is_stopped_by_its_user_and_by_admins_and_others_do_not_learn_of_it() {
        let queries = queries(2);
        let writer = Grants::of(Role::Writer);
        let mut ids = Vec::new();
        let running = [
            queries.begin(request("ana")).await.unwrap(),
            queries.begin(request("ana")).await.unwrap(),
        ];
        for one in &running {
            ids.push(one.query().id.to_string());
        }
        let refused = queries.kill(&ids[0], "ben", &writer).unwrap_err();
        let absent = Uuid::nil().to_string();
        let unknown = queries.kill(&absent, "ben", &writer).unwrap_err();
        assert_eq!(
            refused.to_string().replace(&ids[0], ""),
            unknown.to_string().replace(&absent, "")
        );
        assert!(running[0].query().outcome().is_none());
        queries.kill(&ids[0], "ana", &writer).unwrap();
        let admin = Grants::of(Role::Admin);
        queries.kill(&ids[1], "ben", &admin).unwrap();
        for (one, by) in running.iter().zip(["ana", "ben"]) {
            let by = format!("KILL QUERY of {by}");
            assert_eq!(one.query().outcome(), Some(&Outcome::Cancelled(by)));
        }
        drop(running);
        assert!(queries.kill(&ids[0], "ana", &writer).is_err());
    }

    #[tokio::test]
    async fn what_came_to_its_end_was_not_stopped_and_its_last_rows_wait_for_their_reader() {
        let queries = queries(2);
        for end in [Outcome::Succeeded, Outcome::Failed("Divide by zero".into())] {
            let running = queries.begin(request("ana")).await.unwrap();
            let query = Arc::clone(running.query());
            query.end(end.clone());
            drop(running);
            assert!(query.stopped().now_or_never().is_none(), "{end:?}");
        }
        let running = queries.begin(request("ana")).await.unwrap();
        let query = Arc::clone(running.query());
        assert!(query.stopped().now_or_never().is_none());
        drop(running);
        let stopped = query.stopped().now_or_never().unwrap();
        assert!(stopped.to_string().contains("cancelled by"), "{stopped}");
    }

    #[tokio::test]
    async fn what_looks_after_the_others_waits_for_nobody() {
        let queries = queries(1);
        let _first = queries.begin(request("ana")).await.unwrap();
        queries.begin(request("ben")).await.unwrap_err();
        let oversight = Request {
            at_once: true,
            ..request("ben")
        };
        queries.begin(oversight.clone()).await.unwrap();
        queries.close();
        queries.begin(oversight).await.unwrap();
        assert_eq!(queries.counts(), (1, 0));
    }
}
