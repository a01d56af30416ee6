//! Prepared statements: kept by the server under a handle, with the parameters that were bound last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

/// A prepared statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Who prepared it.
    pub user: String,
    /// Its text.
    pub statement: String,
    /// The parameters bound last, as an IPC stream.
    pub parameters: Option<Bytes>,
    used: Instant,
}

/// The prepared statements of all callers.
#[derive(Debug)]
pub struct PreparedStatements {
    idle: Duration,
    most: usize,
    kept: Mutex<HashMap<Uuid, Prepared>>,
}

impl PreparedStatements {
    /// They are forgotten after `idle`; at most `most` are kept.
    pub fn new(idle: Duration, most: usize) -> Self {
        Self {
            idle,
            most,
            kept: Mutex::default(),
        }
    }

    /// Keeps a statement; gives its handle.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` where too many are kept.
    pub fn keep(&self, user: &str, statement: &str) -> Result<Bytes, Status> {
        let mut kept = self.kept();
        if kept.len() >= self.most {
            return Err(Status::resource_exhausted(format!(
                "{} prepared statements are kept, which is the most; close those that are not needed",
                kept.len()
            )));
        }
        let handle = Uuid::new_v4();
        kept.insert(
            handle,
            Prepared {
                user: user.to_string(),
                statement: statement.to_string(),
                parameters: None,
                used: Instant::now(),
            },
        );
        Ok(Bytes::copy_from_slice(handle.as_bytes()))
    }

    /// A statement of `user`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is none, or it is another's: which of the two is not told.
    pub fn get(&self, handle: &[u8], user: &str) -> Result<Prepared, Status> {
        self.with(handle, user, |prepared| prepared.clone())
    }

    /// Binds parameters.
    ///
    /// # Errors
    /// As for `get`.
    pub fn bind(&self, handle: &[u8], user: &str, parameters: Option<Bytes>) -> Result<(), Status> {
        self.with(handle, user, |prepared| prepared.parameters = parameters)
    }

    /// Forgets a statement.
    ///
    /// # Errors
    /// As for `get`.
    pub fn close(&self, handle: &[u8], user: &str) -> Result<(), Status> {
        self.with(handle, user, |_| ())?;
        if let Ok(id) = Uuid::from_slice(handle) {
            self.kept().remove(&id);
        }
        Ok(())
    }

    /// Forgets those that nobody has used for long.
    pub fn reap(&self) {
        let now = Instant::now();
        self.kept()
            .retain(|_, prepared| now.duration_since(prepared.used) < self.idle);
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with<T>(
        &self,
        handle: &[u8],
        user: &str,
        use_it: impl FnOnce(&mut Prepared) -> T,
    ) -> Result<T, Status> {
        let mut kept = self.kept();
        let found = Uuid::from_slice(handle)
            .ok()
            .and_then(|id| kept.get_mut(&id))
            .filter(|prepared| prepared.user == user);
        match found {
            Some(prepared) => {
                prepared.used = Instant::now();
                Ok(use_it(prepared))
            }
            None => Err(Status::not_found(
                "there is no prepared statement with this handle; it may have been closed, or forgotten after a long idle time: prepare it again",
            )),
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Uuid, Prepared>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_handle_is_its_owners_and_ends_with_closing() {
        let statements = PreparedStatements::new(Duration::from_secs(60), 1);
        let handle = statements.keep("ana", "SELECT 1").unwrap();
        assert_eq!(
            statements.get(&handle, "ana").unwrap().statement,
            "SELECT 1"
        );
        let absent = statements.get(&[0; 16], "ana").unwrap_err();
        for denied in [
            statements.get(&handle, "ben").unwrap_err(),
            statements.close(&handle, "ben").unwrap_err(),
            statements.get(b"short", "ana").unwrap_err(),
        ] {
            assert_eq!(
                (denied.code(), denied.message()),
                (absent.code(), absent.message())
            );
        }
        let full = statements.keep("ben", "SELECT 2").unwrap_err();
        assert_eq!(full.code(), tonic::Code::ResourceExhausted);
        statements.close(&handle, "ana").unwrap();
        assert!(statements.get(&handle, "ana").is_err());
    }
}
