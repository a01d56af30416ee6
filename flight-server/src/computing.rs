//! Threads on which plans run, apart from those that talk to clients.

use anyhow::Context as _;
use engine::config::{Config, threads};
use engine::session::STACK_BYTES;
use tokio::runtime::{Handle, Runtime};

/// The threads. Dropped, they end by themselves: who drops them, on an error or in the end, may be a task and cannot wait.
pub struct Computing {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Computing {
    /// As many as the configuration says.
    ///
    /// # Errors
    /// A system that gives no more threads.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads(config.query.threads))
            .thread_name("paratope-cpu")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// What gives them work.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
