//! The stored bytes of an input: counted for the display and hashed once more while they are read,
//! so that a file that changes under the reader is not entered under the identity it had before.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use udfs::antibody::hash::hex;

use super::Progress;
use crate::error::{Error, Result};

/// Bytes read at a time where the reader stopped early.
const CHUNK: usize = 256 << 10;

/// A reader whose clones share one position.
#[derive(Clone)]
pub struct Source {
    state: Arc<Mutex<State>>,
}

struct State {
    inner: Box<dyn Read + Send>,
    hash: Sha256,
    progress: Arc<Progress>,
}

impl Source {
    /// Wraps the stored bytes.
    pub fn new(inner: Box<dyn Read + Send>, progress: Arc<Progress>) -> Self {
        let state = State {
            inner,
            hash: Sha256::new(),
            progress,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Reads what the format left (after the damage of a compressed stream, say) and compares.
    ///
    /// # Errors
    /// `Conflict` where the bytes are not those that were hashed before (`content`).
    pub fn check_unchanged(mut self, content: &str) -> Result<()> {
        let mut rest = vec![0; CHUNK];
        while self.read(&mut rest)? > 0 {}
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if hex(&state.hash.clone().finalize()) == content {
            return Ok(());
        }
        Err(Error::Conflict(
            "the file changed while it was read; ingest it again when it is complete".into(),
        ))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.inner.read(buffer)?;
        state.hash.update(&buffer[..count]);
        state.progress.read(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn source(bytes: &'static [u8]) -> Source {
        Source::new(Box::new(bytes), Arc::default())
    }

    #[test]
    fn a_reader_that_stops_early_is_not_taken_for_a_change() {
        let content = hex(&Sha256::digest(b"abcdef"));
        let mut reader = source(b"abcdef");
        reader.clone().read_exact(&mut [0; 2]).unwrap();
        reader.read_exact(&mut [0; 1]).unwrap();
        reader.check_unchanged(&content).unwrap();
    }

    #[test]
    fn a_file_that_changed_is_a_conflict() {
        let content = hex(&Sha256::digest(b"abcdef"));
        let error = source(b"abcdeX").check_unchanged(&content).unwrap_err();
        assert!(matches!(error, Error::Conflict(_)), "{error}");
    }
}
