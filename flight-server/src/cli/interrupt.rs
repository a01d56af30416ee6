//! Ctrl-C: it ends a command, but of a shell only the running query.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::ctrl_c;
use tokio::sync::watch;

/// Whether a shell has taken Ctrl-C for its queries.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Waits for a Ctrl-C that is meant for the command as a whole.
pub async fn of_command() {
    while ctrl_c().await.is_ok() {
        if !IS_TAKEN.load(Ordering::Relaxed) {
            return;
        }
    }
    // Ctrl-C cannot be heard: then the system's own handling ends the process.
    pending::<()>().await;
}

/// Every Ctrl-C from now on, as a shell hears it.
#[derive(Debug, Clone)]
pub struct Interrupts(watch::Receiver<()>);

impl Interrupts {
    /// Takes Ctrl-C away from the command, for good.
    pub fn take() -> Self {
        IS_TAKEN.store(true, Ordering::Relaxed);
        let (heard, interrupts) = watch::channel(());
        tokio::spawn(async move { while ctrl_c().await.is_ok() && heard.send(()).is_ok() {} });
        Self(interrupts)
    }

    /// Those before now do not count.
    pub fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}
