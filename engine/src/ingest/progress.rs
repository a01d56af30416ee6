//! How far an ingest has come, for whoever wants to show it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::discover::Input;

/// Counters that the ingest raises and a display reads.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files found.
    pub files_total: AtomicU64,
    /// Files finished, whichever way.
    pub files_done: AtomicU64,
    /// Bytes to read, as stored.
    pub bytes_total: AtomicU64,
    /// Bytes read, as stored.
    pub bytes_done: AtomicU64,
    /// Records annotated.
    pub records: AtomicU64,
    /// Records rejected.
    pub rejects: AtomicU64,
}

impl Progress {
    pub(super) fn expect(&self, inputs: &[Input]) {
        let bytes = inputs.iter().map(Input::bytes).sum();
        self.files_total
            .store(inputs.len() as u64, Ordering::Relaxed);
        self.bytes_total.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn file_done(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.file_done();
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn annotated(&self, records: u64, rejects: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.rejects.fetch_add(rejects, Ordering::Relaxed);
    }
}
