//! Signals that end a server: SIGTERM and Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Interrupts;

/// Each SIGTERM and Ctrl-C from now on.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupts: Interrupts,
}

impl Signals {
    /// Takes them, for good.
    ///
    /// # Errors
    /// A system that does not let signals be handled.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupts: Interrupts::take(),
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            () = self.interrupts.next() => {}
        }
    }
}
