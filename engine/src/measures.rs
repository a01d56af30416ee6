//! What the engine counts while it works: every name with its kind, labels and meaning, in one list.
//!
//! The engine counts and tells nobody. Whoever runs it installs a recorder of the `metrics` crate; without one, counting
//! costs next to nothing. Names carry their unit, as Prometheus has them.

use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};

use crate::error::{Error, Result};
use crate::jobs::Record;
use crate::tables::commit::Outcome;

/// How a measure changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations, counted by their size.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One measure.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// How it changes.
    pub kind: Kind,
    /// Its labels, and the values of each where they are known beforehand.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What it tells.
    pub help: &'static str,
}

/// Requests to object stores.
pub const STORE_REQUESTS: &str = "paratope_object_store_requests_total";
/// Their time.
pub const STORE_SECONDS: &str = "paratope_object_store_request_duration_seconds";
/// Commits to tables.
pub const COMMITS: &str = "paratope_commits_total";
/// Versions that another writer took first.
pub const COMMIT_RACES: &str = "paratope_commit_races_total";
/// Look-ups in caches.
pub const CACHE_REQUESTS: &str = "paratope_cache_requests_total";
/// Entries that the log of queries lacks.
pub const LOG_DROPPED: &str = "paratope_query_log_dropped_total";

/// Results of models that their table lacks.
pub const RESULTS_DROPPED: &str = "paratope_inference_results_dropped_total";
/// Sequences that models computed.
pub const INFERENCE_SEQUENCES: &str = "paratope_inference_sequences_total";
/// Tokens that went through models.
pub const INFERENCE_TOKENS: &str = "paratope_inference_tokens_total";
/// Micro-batches of them.
pub const INFERENCE_BATCHES: &str = "paratope_inference_batches_total";
/// Time to load a model.
pub const MODEL_SECONDS: &str = "paratope_model_load_duration_seconds";
/// Runs of jobs that ended.
pub const JOB_RUNS: &str = "paratope_job_runs_total";
/// How long the latest run of a job took.
pub const JOB_SECONDS: &str = "paratope_job_last_run_duration_seconds";
/// How long ago a job last succeeded.
pub const JOB_AGE: &str = "paratope_job_last_success_age_seconds";
/// Versions of its source that a job has not read.
pub const JOB_LAG_VERSIONS: &str = "paratope_job_lag_versions";
/// Rows likewise.
pub const JOB_LAG_ROWS: &str = "paratope_job_lag_rows";

/// What the engine counts.
pub const ALL: &[Measure] = &[
    Measure {
        name: STORE_REQUESTS,
        kind: Kind::Counter,
        labels: &[("operation", &[]), ("outcome", &[])],
        help: "Requests to object stores and file systems, retries within a request not counted; outcome is ok, not_found, exists, refused or error",
    },
    Measure {
        name: STORE_SECONDS,
        kind: Kind::Histogram,
        labels: &[("operation", &[])],
        help: "Time of requests to object stores until their answer begins; of listings and deletions until the last entry was taken",
    },
    Measure {
        name: COMMITS,
        kind: Kind::Counter,
        labels: &[(
            "outcome",
            &["committed", "already_done", "conflict", "failed"],
        )],
        help: "Commits to tables by outcome; conflict: another writer changed what the commit was computed from",
    },
    Measure {
        name: COMMIT_RACES,
        kind: Kind::Counter,
        labels: &[],
        help: "Attempts to commit that found their version taken by another writer, and were made again",
    },
    Measure {
        name: CACHE_REQUESTS,
        kind: Kind::Counter,
        labels: &[
            (
                "cache",
                &["snapshot", "parquet_footer", "object_range", "inference"],
            ),
            ("outcome", &["hit", "miss"]),
        ],
        help: "Look-ups in caches; snapshot: whether the log of a table had nothing new, parquet_footer: whether the footer of a file was in memory, object_range: whether a part of a data file was kept, inference: whether the result of a model for a sequence was known",
    },
    Measure {
        name: INFERENCE_SEQUENCES,
        kind: Kind::Counter,
        labels: &[],
        help: "Sequences that protein language models computed, equal ones of a batch once, known results not counted",
    },
    Measure {
        name: INFERENCE_TOKENS,
        kind: Kind::Counter,
        labels: &[],
        help: "Tokens that went through protein language models, special tokens and masked copies included",
    },
    Measure {
        name: INFERENCE_BATCHES,
        kind: Kind::Counter,
        labels: &[],
        help: "Micro-batches of these tokens; nothing in them is padded",
    },
    Measure {
        name: MODEL_SECONDS,
        kind: Kind::Histogram,
        labels: &[],
        help: "Time to load a protein language model: fetched where it was not here, verified, and packed",
    },
    Measure {
        name: LOG_DROPPED,
        kind: Kind::Counter,
        labels: &[],
        help: "Entries that system.query_log lacks because it could not be written as fast as statements ended",
    },
    Measure {
        name: RESULTS_DROPPED,
        kind: Kind::Counter,
        labels: &[],
        help: "Results of models that system.inference_results lacks because it could not be written",
    },
    Measure {
        name: JOB_RUNS,
        kind: Kind::Counter,
        labels: &[
            ("job", &[]),
            (
                "status",
                &[
                    "succeeded",
                    "failed",
                    "cancelled",
                    "timed_out",
                    "interrupted",
                ],
            ),
        ],
        help: "Runs of jobs that ended on this server, by status as in system.job_runs",
    },
    Measure {
        name: JOB_SECONDS,
        kind: Kind::Gauge,
        labels: &[("job", &[])],
        help: "Time that the latest run of a job on this server took",
    },
    Measure {
        name: JOB_AGE,
        kind: Kind::Gauge,
        labels: &[("job", &[])],
        help: "Time since a job last succeeded, on whichever server",
    },
    Measure {
        name: JOB_LAG_VERSIONS,
        kind: Kind::Gauge,
        labels: &[("job", &[])],
        help: "Versions of its source that an incremental job has not read",
    },
    Measure {
        name: JOB_LAG_ROWS,
        kind: Kind::Gauge,
        labels: &[("job", &[])],
        help: "New rows of its source that an incremental job has not read, as far as the log tells",
    },
];

/// Notes a request to a store that began at `start`.
pub(crate) fn store_request<T>(
    operation: &'static str,
    start: Instant,
    outcome: &std::result::Result<T, object_store::Error>,
) {
    use object_store::Error as Store;
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(Store::NotFound { .. }) => "not_found",
        // Whoever comes second to put a file that must not be there.
        Err(Store::AlreadyExists { .. } | Store::Precondition { .. }) => "exists",
        Err(Store::PermissionDenied { .. } | Store::Unauthenticated { .. }) => "refused",
        Err(_) => "error",
    };
    counter!(STORE_REQUESTS, "operation" => operation, "outcome" => outcome).increment(1);
    histogram!(STORE_SECONDS, "operation" => operation).record(start.elapsed());
}

/// Notes how a commit ended.
pub(crate) fn commit(outcome: &Result<Outcome>) {
    let outcome = match outcome {
        Ok(Outcome::Committed(_)) => "committed",
        Ok(Outcome::AlreadyDone(_)) => "already_done",
        Err(Error::Conflict(_)) => "conflict",
        Err(_) => "failed",
    };
    counter!(COMMITS, "outcome" => outcome).increment(1);
}

/// Notes how a run of a job ended.
pub(crate) fn job_run(record: &Record) {
    let job = record.job.clone();
    counter!(JOB_RUNS, "job" => job.clone(), "status" => record.status.name()).increment(1);
    gauge!(JOB_SECONDS, "job" => job).set(record.duration().as_secs_f64());
}

/// Notes how old the latest success of a job is.
pub(crate) fn job_age(job: &str, seconds: f64) {
    gauge!(JOB_AGE, "job" => job.to_string()).set(seconds);
}

/// Notes how far a job is behind its source.
#[allow(clippy::cast_precision_loss)] // exact up to 2^53, and read by people
pub(crate) fn job_lag(job: &str, versions: u64, rows: u64) {
    gauge!(JOB_LAG_VERSIONS, "job" => job.to_string()).set(versions as f64);
    gauge!(JOB_LAG_ROWS, "job" => job.to_string()).set(rows as f64);
}

/// Notes that another writer was first.
pub(crate) fn commit_race() {
    counter!(COMMIT_RACES).increment(1);
}

/// Notes a look-up in a cache.
pub(crate) fn cache(name: &'static str, is_hit: bool) {
    let outcome = if is_hit { "hit" } else { "miss" };
    counter!(CACHE_REQUESTS, "cache" => name, "outcome" => outcome).increment(1);
}

/// Notes so many look-ups in a cache.
pub(crate) fn cache_many(name: &'static str, is_hit: bool, count: usize) {
    let outcome = if is_hit { "hit" } else { "miss" };
    counter!(CACHE_REQUESTS, "cache" => name, "outcome" => outcome).increment(count as u64);
}

/// Notes what models computed.
pub(crate) fn inference(counts: udfs::plm::Counts) {
    counter!(INFERENCE_SEQUENCES).increment(counts.sequences);
    counter!(INFERENCE_TOKENS).increment(counts.tokens);
    counter!(INFERENCE_BATCHES).increment(counts.batches);
}

/// Notes that a model was loaded.
pub(crate) fn model_loaded(elapsed: Duration) {
    histogram!(MODEL_SECONDS).record(elapsed);
}

/// Notes an entry that the log of queries lacks.
pub(crate) fn log_dropped(entries: usize) {
    counter!(LOG_DROPPED).increment(entries as u64);
}

pub(crate) fn results_dropped(results: usize) {
    counter!(RESULTS_DROPPED).increment(results as u64);
}
