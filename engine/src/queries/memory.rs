//! Memory of one statement: counted, and limited to its share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};

use super::query::Query;

/// Counts what one statement takes of a shared pool, and refuses what goes beyond its share.
#[derive(Debug)]
pub struct StatementPool {
    shared: Arc<dyn MemoryPool>,
    share: usize,
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl StatementPool {
    /// At most `share` bytes of `shared`.
    pub fn new(shared: Arc<dyn MemoryPool>, share: usize) -> Self {
        Self {
            shared,
            share,
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// The most that was held at a time, bytes.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// What is held now, bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(held, Ordering::Relaxed);
    }

    /// Adds within the share, or not at all.
    fn try_add(&self, bytes: usize) -> bool {
        let added = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(bytes).filter(|held| *held <= self.share)
            });
        if let Ok(before) = added {
            self.peak.fetch_max(before + bytes, Ordering::Relaxed);
        }
        added.is_ok()
    }

    fn subtract(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for StatementPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}(held: {}, share: {})",
            self.name(),
            self.held(),
            self.share
        )
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.shared.grow(reservation, additional);
        self.add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.shared.shrink(reservation, shrink);
        self.subtract(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if !self.try_add(additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "this statement holds {} of memory and needs {} more for {}, which is beyond its share of {}: make it smaller (fewer columns, a WHERE, a LIMIT), or have query.memory_bytes or server.limits.query_memory_fraction raised",
                mib(self.held()),
                mib(additional),
                reservation.consumer().name(),
                mib(self.share)
            )));
        }
        self.shared
            .try_grow(reservation, additional)
            .inspect_err(|_| self.subtract(additional))
    }

    fn reserved(&self) -> usize {
        self.held()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.share)
    }
}

fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A pool of its own that takes what it gives out from another: the memory of a sort within a statement.
#[derive(Debug)]
pub struct Within {
    own: Arc<dyn MemoryPool>,
    outer: MemoryReservation,
}

impl Within {
    /// What `own` gives out is taken from `outer` too.
    pub fn new(own: Arc<dyn MemoryPool>, outer: &Arc<dyn MemoryPool>) -> Self {
        Self {
            own,
            outer: MemoryConsumer::new("writing rows").register(outer),
        }
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.own)
    }
}

impl MemoryPool for Within {
    fn name(&self) -> &str {
        "within"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.outer.grow(additional);
        self.own.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.outer.shrink(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.outer.try_grow(additional)?;
        self.own
            .try_grow(reservation, additional)
            .inspect_err(|_| self.outer.shrink(additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

/// What a plan of `state` runs in; the memory it takes is that of `query`.
pub fn task_context(state: &SessionState, query: Option<&Query>) -> Arc<TaskContext> {
    let Some(query) = query else {
        return state.task_ctx();
    };
    let shared = state.runtime_env();
    let own = RuntimeEnv {
        memory_pool: query.pool(),
        ..shared.as_ref().clone()
    };
    Arc::new(TaskContext::from(state).with_runtime(Arc::new(own)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn pools(total: usize, share: usize) -> (Arc<dyn MemoryPool>, Arc<StatementPool>) {
        let shared: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(total));
        let statement = Arc::new(StatementPool::new(Arc::clone(&shared), share));
        (shared, statement)
    }

    fn reserve(pool: &Arc<StatementPool>) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::clone(pool) as _;
        MemoryConsumer::new("sort").register(&pool)
    }

    #[test]
    fn a_statement_gets_its_share_and_no_more() {
        let (shared, statement) = pools(100, 40);
        let memory = reserve(&statement);
        memory.try_grow(40).unwrap();
        let error = memory.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("sort") && error.contains("share"), "{error}");
        assert_eq!((shared.reserved(), statement.held()), (40, 40));
        drop(memory);
        assert_eq!(
            (shared.reserved(), statement.held(), statement.peak()),
            (0, 0, 40)
        );
    }

    #[test]
    fn what_the_shared_pool_refuses_is_not_counted() {
        let (shared, statement) = pools(10, 40);
        let memory = reserve(&statement);
        memory.try_grow(20).unwrap_err();
        assert_eq!((shared.reserved(), statement.held()), (0, 0));
    }

    #[test]
    fn memory_of_a_sort_within_a_statement_counts_for_both() {
        let (shared, statement) = pools(100, 40);
        let outer: Arc<dyn MemoryPool> = Arc::clone(&statement) as _;
        let own: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(30));
        let within: Arc<dyn MemoryPool> = Arc::new(Within::new(own, &outer));
        let memory = MemoryConsumer::new("sort").register(&within);
        memory.try_grow(30).unwrap();
        memory.try_grow(1).unwrap_err();
        assert_eq!((shared.reserved(), statement.held()), (30, 30));
        drop(memory);
        assert_eq!((shared.reserved(), statement.held()), (0, 0));
    }
}
