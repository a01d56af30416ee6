//! How a run is stopped before its end: at the next commit, or at once.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::record::Status;
use crate::error::{Error, Result};

/// The end of a run, as others wish it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// No further chunk is begun.
    soon: CancellationToken,
    /// What is being computed is given up.
    now: CancellationToken,
    why: Arc<OnceLock<Status>>,
}

impl Stop {
    /// Ends the run with its next commit.
    pub fn soon(&self, why: Status) {
        let _ = self.why.set(why);
        self.soon.cancel();
    }

    /// Ends the run at once.
    pub fn now(&self, why: Status) {
        let _ = self.why.set(why);
        self.soon.cancel();
        self.now.cancel();
    }

    /// Why it was stopped, where it was.
    pub fn why(&self) -> Option<&Status> {
        self.why.get()
    }

    /// Waits until the run is to end at once.
    pub async fn stopped(&self) {
        self.now.cancelled().await;
    }

    /// Fails where no further work is to be begun.
    ///
    /// # Errors
    /// `Unavailable`, with why.
    pub fn check(&self) -> Result<()> {
        match self.soon.is_cancelled() {
            false => Ok(()),
            true => Err(self.error()),
        }
    }

    /// That it was stopped, as an error.
    pub fn error(&self) -> Error {
        let why = self.why().and_then(Status::reason).unwrap_or("stopped");
        Error::Unavailable(why.to_string())
    }
}
