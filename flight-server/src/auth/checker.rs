//! Passwords against their hashes: a few at a time, on threads that may block, and remembered for a while.
//!
//! A check is slow by design. Clients that send their password with every call would spend their time on it, so what
//! fitted is remembered: not the password, but a keyed digest of it, the name and the hash that it fitted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{Error, Result};
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tonic::Status;

use super::password::PasswordHash;
use super::refusal;

/// Checks at the same time: each takes a core and some memory.
const AT_ONCE: usize = 4;
/// Longest wait for a turn.
const WAIT: Duration = Duration::from_secs(10);
/// What fitted is remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(300);
/// So many are remembered.
const CAPACITY: usize = 4_096;

type Digest = [u8; 32];

/// Checks passwords.
pub struct Checker {
    key: hmac::Key,
    fitted: Mutex<HashMap<Digest, Instant>>,
    turns: Arc<Semaphore>,
}

impl Checker {
    /// A checker with a key of its own.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn new() -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|error| Error::Internal(format!("random key: {error}")))?;
        Ok(Self {
            key,
            fitted: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Whether the password fits. Dropping the future gives the turn back only when the check is done, so that there are
    /// never more of them.
    ///
    /// # Errors
    /// `Unavailable` where the wait for a turn gets too long.
    pub async fn fits(
        &self,
        user: &str,
        password: Vec<u8>,
        hash: &Arc<PasswordHash>,
    ) -> Result<bool, Status> {
        let digest = self.digest(user, &password, hash);
        if self.remembers(&digest) {
            return Ok(true);
        }
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(refusal::busy());
        };
        // A client that connects many times at once needs one check.
        if self.remembers(&digest) {
            return Ok(true);
        }
        let hash = Arc::clone(hash);
        let check = move || {
            let fits = hash.verify(&password);
            drop(turn);
            fits
        };
        let fits = tokio::task::spawn_blocking(check)
            .await
            .map_err(|_| refusal::busy())?;
        if fits {
            self.remember(digest);
        }
        Ok(fits)
    }

    /// The lengths stand before the parts, so that no two triples read the same.
    fn digest(&self, user: &str, password: &[u8], hash: &PasswordHash) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user.as_bytes(), password, hash.as_bytes()] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    fn remembers(&self, digest: &Digest) -> bool {
        let fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        fitted
            .get(digest)
            .is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, digest: Digest) {
        let mut fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        if fitted.len() >= CAPACITY {
            fitted.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        // Only those who know many passwords fill it within minutes: whose entry goes does not matter.
        if fitted.len() >= CAPACITY {
            fitted.clear();
        }
        fitted.insert(digest, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::super::password::{hash_within, quick_hash};
    use super::*;

    fn hash(text: &str) -> Arc<PasswordHash> {
        Arc::new(PasswordHash::parse(text).unwrap())
    }

    #[tokio::test]
    async fn what_fitted_is_remembered_and_what_did_not_is_not() {
        let checker = Checker::new().unwrap();
        let right = hash(&quick_hash(b"p"));
        assert!(!checker.fits("ada", b"q".to_vec(), &right).await.unwrap());
        assert!(checker.fitted.lock().unwrap().is_empty());
        assert!(checker.fits("ada", b"p".to_vec(), &right).await.unwrap());
        assert!(checker.remembers(&checker.digest("ada", b"p", &right)));
        assert!(!checker.remembers(&checker.digest("adap", b"", &right)));
        let changed = hash(&quick_hash(b"r"));
        assert!(!checker.remembers(&checker.digest("ada", b"p", &changed)));
        assert!(!checker.fits("ada", b"p".to_vec(), &changed).await.unwrap());
    }

    #[tokio::test]
    async fn many_connections_of_one_user_need_a_few_checks() {
        let checker = Arc::new(Checker::new().unwrap());
        let slow = hash(&hash_within(b"p", 2_048));
        let started = Instant::now();
        slow.verify(b"p");
        let one = started.elapsed();
        let started = Instant::now();
        let calls = (0..100).map(|_| checker.fits("ada", b"p".to_vec(), &slow));
        assert!(
            futures::future::join_all(calls)
                .await
                .iter()
                .all(|fits| *fits.as_ref().unwrap())
        );
        let all = started.elapsed();
        assert!(all < one * 40, "one check {one:?}, a hundred calls {all:?}");
    }

    #[test]
    fn the_memory_has_a_limit() {
        let checker = Checker::new().unwrap();
        let hash = hash(&quick_hash(b"p"));
        for n in 0..2 * CAPACITY {
            checker.remember(checker.digest(&n.to_string(), b"p", &hash));
        }
        assert!(checker.fitted.lock().unwrap().len() <= CAPACITY);
    }
}
