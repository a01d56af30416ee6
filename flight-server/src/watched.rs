//! What stands in files that an operator changes while the server runs: users, keys, certificates.
//!
//! A change is noticed when the value is asked for, at most so often. A file that became unreadable or wrong leaves the
//! value as it was: a slip of the editor must not lock everybody out.

use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use engine::Result;

type Read<T> = dyn Fn() -> Result<T> + Send + Sync;

/// A value that is read again when one of its files changes.
pub struct Watched<T> {
    files: Vec<PathBuf>,
    every: Duration,
    read: Arc<Read<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the value for the first time. Later, `files` are looked at once in `every`.
    ///
    /// # Errors
    /// Whatever `read` says: what is wrong from the start is no slip to live with.
    pub fn open(
        files: Vec<PathBuf>,
        every: Duration,
        read: impl Fn() -> Result<T> + Send + Sync + 'static,
    ) -> Result<Self> {
        // Stamps are taken first: what changes while it is read is read again.
        let stamps = stamps(&files);
        let value = Arc::new(read()?);
        Ok(Self {
            files,
            every,
            read: Arc::new(read),
            state: Mutex::new(State {
                value,
                stamps,
                looked: Instant::now(),
            }),
        })
    }

    /// The value as last read.
    pub fn last(&self) -> Arc<T> {
        Arc::clone(&self.state().value)
    }

    /// The value, read again where it is time to look and a file has changed.
    ///
    /// One caller looks, on a thread that may block; those who ask meanwhile get the value as it was.
    pub async fn current(&self) -> Arc<T> {
        if let Some(known) = self.due() {
            let (files, read) = (self.files.clone(), Arc::clone(&self.read));
            let look = move || {
                let now = stamps(&files);
                (now != known).then(|| (now, read()))
            };
            if let Ok(Some((stamps, value))) = tokio::task::spawn_blocking(look).await {
                self.take(stamps, value);
            }
        }
        self.last()
    }

    /// The stamps to compare with, where it is time to look. The next look is due after `every` from now.
    fn due(&self) -> Option<Vec<Option<Stamp>>> {
        let mut state = self.state();
        if state.looked.elapsed() < self.every {
            return None;
        }
        state.looked = Instant::now();
        Some(state.stamps.clone())
    }

    fn take(&self, stamps: Vec<Option<Stamp>>, value: Result<T>) {
        let mut state = self.state();
        // Also after a failure, so that it is said once and not at each look.
        state.stamps = stamps;
        match value {
            Ok(value) => {
                state.value = Arc::new(value);
                tracing::info!(files = ?self.files, "read again");
            }
            Err(error) => {
                tracing::warn!("{error}; what was read before stays in use");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells one state of a file from another. Symbolic links are followed: Kubernetes changes files by turning one round.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Which file it is, and when its mode last changed: a repaired permission is worth another look.
    inode: (u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: inode(metadata),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file| Some(Stamp::of(&std::fs::metadata(file).ok()?));
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use engine::Error;

    use super::*;

    fn number(file: &std::path::Path, every: Duration) -> Result<Watched<u32>> {
        let path = file.to_path_buf();
        Watched::open(vec![path.clone()], every, move || {
            let text = std::fs::read_to_string(&path)?;
            text.parse().map_err(|_| Error::Invalid("no number".into()))
        })
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_broken_one_leaves_the_value() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("n");
        std::fs::write(&file, "1").unwrap();
        let watched = number(&file, Duration::ZERO).unwrap();
        assert_eq!(*watched.current().await, 1);
        std::fs::write(&file, "22").unwrap();
        assert_eq!(*watched.current().await, 22);
        std::fs::write(&file, "many").unwrap();
        assert_eq!(*watched.current().await, 22);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(*watched.current().await, 22);
        std::fs::write(&file, "333").unwrap();
        assert_eq!(*watched.current().await, 333);
    }

    #[tokio::test]
    async fn a_file_is_looked_at_only_so_often() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("n");
        std::fs::write(&file, "1").unwrap();
        let watched = number(&file, Duration::from_secs(3_600)).unwrap();
        std::fs::write(&file, "22").unwrap();
        assert_eq!(*watched.current().await, 1);
    }

    #[test]
    fn what_is_wrong_from_the_start_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(number(&dir.path().join("none"), Duration::ZERO).is_err());
    }
}
