//! What a call of a model computes within: a budget of tokens, a stop, and counts. Whoever runs a plan sets it for a thread;
//! functions find it there, since a call has no other way to them.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use datafusion_common::{Result, exec_err};
use models::Model;
use models::batches::TOKEN_BUDGET;

use super::catalogue::Pin;

/// What the calls of one operator share.
#[derive(Debug)]
pub struct Work {
    batch_tokens: usize,
    /// Those that it needs: they stay in memory for as long as it does.
    models: Vec<(Pin, Arc<Model>)>,
    is_stopped: AtomicBool,
    sequences: AtomicU64,
    tokens: AtomicU64,
    batches: AtomicU64,
}

/// What was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sequences: equal ones once.
    pub sequences: u64,
    /// Tokens that went through a model, special tokens and masked copies included.
    pub tokens: u64,
    /// Micro-batches.
    pub batches: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self::new(TOKEN_BUDGET)
    }
}

impl Work {
    /// Micro-batches of about so many tokens.
    pub fn new(batch_tokens: usize) -> Self {
        Self {
            batch_tokens: batch_tokens.max(1),
            models: Vec::new(),
            is_stopped: AtomicBool::new(false),
            sequences: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            batches: AtomicU64::new(0),
        }
    }

    /// The same with models that are in memory.
    #[must_use]
    pub fn with_models(self, models: Vec<(Pin, Arc<Model>)>) -> Self {
        Self { models, ..self }
    }

    pub(super) fn model(&self, pin: &Pin) -> Option<Arc<Model>> {
        let mut models = self.models.iter();
        let (_, model) = models.find(|(known, _)| known == pin)?;
        Some(Arc::clone(model))
    }

    /// Tokens of a micro-batch.
    pub fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// Ends it: nobody waits for the results. What computes does so until the end of its micro-batch.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Takes what was counted since it was last taken.
    pub fn take(&self) -> Counts {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Counts {
            sequences: take(&self.sequences),
            tokens: take(&self.tokens),
            batches: take(&self.batches),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.is_stopped.load(Ordering::Relaxed) {
            true => exec_err!("the query was stopped"),
            false => Ok(()),
        }
    }

    pub(super) fn count_sequences(&self, sequences: usize) {
        self.sequences
            .fetch_add(sequences as u64, Ordering::Relaxed);
    }

    pub(super) fn count_batch(&self, tokens: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.tokens.fetch_add(tokens as u64, Ordering::Relaxed);
    }
}

/// Of calls that nobody watches: in constant expressions, and in joins that compute them.
static UNWATCHED: LazyLock<Arc<Work>> = LazyLock::new(Arc::default);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Work>>> = const { RefCell::new(None) };
    static IS_PLANNING: Cell<bool> = const { Cell::new(false) };
}

/// Does something whose calls are part of `work`.
pub fn within<T>(work: &Arc<Work>, compute: impl FnOnce() -> T) -> T {
    let _before = Restored(CURRENT.replace(Some(Arc::clone(work))));
    compute()
}

struct Restored(Option<Arc<Work>>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The work of this thread.
pub(super) fn current() -> Arc<Work> {
    CURRENT.with_borrow(|work| Arc::clone(work.as_ref().unwrap_or(&UNWATCHED)))
}

/// Plans something: constant calls wait until the plan runs, where they can be stopped and are watched.
pub fn without_computing<T>(plan: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_PLANNING.set(self.0);
        }
    }
    let _before = Before(IS_PLANNING.replace(true));
    plan()
}

/// Whether this thread plans.
pub(super) fn is_planning() -> bool {
    IS_PLANNING.get()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn work_is_a_threads_for_as_long_as_it_computes() {
        let work = Arc::new(Work::new(7));
        within(&work, || assert_eq!(current().batch_tokens(), 7));
        assert_eq!(current().batch_tokens(), TOKEN_BUDGET);
    }

    #[test]
    fn what_is_stopped_refuses_the_next_batch() {
        let work = Work::default();
        work.check().unwrap();
        work.stop();
        work.check().unwrap_err();
    }

    #[test]
    fn counts_are_taken_once() {
        let work = Work::default();
        work.count_sequences(3);
        work.count_batch(10);
        work.count_batch(5);
        let counts = Counts {
            sequences: 3,
            tokens: 15,
            batches: 2,
        };
        assert_eq!(work.take(), counts);
        assert_eq!(work.take(), Counts::default());
    }

    #[test]
    fn planning_is_over_when_the_plan_is_there() {
        without_computing(|| assert!(is_planning()));
        assert!(!is_planning());
    }
}
