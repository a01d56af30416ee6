//! What is as it is at the moment, of a server and of a node.

use std::sync::Arc;

use engine::session::Sessions;
use metrics::gauge;

use super::http::Watched;
use super::measures::{MEMORY, MEMORY_LIMIT, PREPARED, QUEUED, RUNNING, SESSIONS, TASKS};
use crate::service::Server;
use crate::worker::Keeper;

impl Watched for Server {
    fn state(&self) -> String {
        let (running, waiting) = self.queries.counts();
        format!("{running} statements run, {waiting} wait")
    }

    fn measure(&self) {
        let (running, queued) = self.queries.counts();
        gauge!(RUNNING).set(running as f64);
        gauge!(QUEUED).set(queued as f64);
        gauge!(MEMORY).set(self.queries.memory() as f64);
        if let Some(limit) = self.queries.memory_limit() {
            gauge!(MEMORY_LIMIT).set(limit as f64);
        }
        gauge!(SESSIONS).set(self.sessions.len() as f64);
        gauge!(PREPARED).set(self.prepared.len() as f64);
        // It computes for itself.
        gauge!(TASKS).set(0.0);
    }
}

/// A node of a cluster.
pub struct Node {
    /// What it works at.
    pub keeper: Arc<Keeper>,
    /// What it works with.
    pub sessions: Arc<Sessions>,
}

impl Watched for Node {
    fn state(&self) -> String {
        format!("{} tasks run", self.keeper.tasks())
    }

    fn measure(&self) {
        gauge!(TASKS).set(self.keeper.tasks() as f64);
        gauge!(MEMORY).set(self.sessions.memory_pool().reserved() as f64);
    }
}
