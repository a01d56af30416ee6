//! What a run has done so far: shown while it works, written down when it ends.

use std::sync::{Mutex, PoisonError};

use super::evaluation::Cost;

/// Counts of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Commits made.
    pub chunks: u64,
    /// Rows of the source that were read.
    pub rows_read: u64,
    /// Bytes of its files.
    pub bytes_read: u64,
    /// Rows of the source that are left to be read, where that is known.
    pub rows_left: Option<u64>,
    /// Rows written.
    pub rows_written: u64,
    /// Bytes of the files written.
    pub bytes_written: u64,
    /// First and last version of the source that were read.
    pub versions: Option<(u64, u64)>,
    /// Last version of the target that was written.
    pub target_version: Option<u64>,
    /// What the plans cost.
    pub cost: Cost,
    /// Hash of the plan.
    pub plan_hash: Option<String>,
}

/// Counts that others may look at while a run works.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Counts>);

impl Progress {
    /// As they are now.
    pub fn counts(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes them.
    pub fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
