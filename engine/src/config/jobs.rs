//! Jobs: where their files are, and how a server runs them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Jobs: where their files are, and how a server runs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobsConfig {
    /// A folder of `.sql` files, each a job, beside those that are kept in the lake.
    pub folder: Option<PathBuf>,
    /// Whether `paratope serve` runs jobs when they are due.
    pub scheduler: bool,
    /// Jobs that one server runs at once.
    pub at_once: usize,
    /// Share of the memory for queries that the jobs of a server may hold, beside it.
    pub memory_fraction: f64,
    /// How long a run that gives no sign of life keeps others from running the same job, seconds.
    pub lease_s: u64,
    /// How often a server looks for new jobs, and for runs that became due, seconds.
    pub poll_s: u64,
    /// Told of each run that failed, as JSON by POST.
    pub webhook: Option<String>,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            folder: None,
            scheduler: true,
            at_once: 2,
            memory_fraction: 0.5,
            lease_s: 60,
            poll_s: 10,
            webhook: None,
        }
    }
}

impl JobsConfig {
    /// The same without what may be secret: URLs of webhooks carry tokens.
    pub fn masked(&self) -> Self {
        Self {
            webhook: self.webhook.as_ref().map(|_| "***".to_string()),
            ..self.clone()
        }
    }
}
