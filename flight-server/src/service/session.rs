//! Sessions of callers: settings and external tables that last from one statement to the next.
//!
//! A client that keeps cookies has the session that its cookie names; one that does not has a session for each connection.
//! Sessions that do nothing end after a while, and the idlest first where there are too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::queries::Queries;
use engine::session::{Caller, Session, Sessions};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::net::Peer;

/// Name of the cookie, as the specification suggests.
pub const COOKIE: &str = "arrow_flight_session_id";

/// Which session a call belongs to: a caller has one for each connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    user: String,
    connection: u64,
}

struct Entry {
    session: Arc<Session>,
    used: Instant,
    cookie: Option<Uuid>,
}

/// The open sessions.
pub struct SessionStore {
    sessions: Sessions,
    queries: Arc<Queries>,
    idle: Duration,
    most: usize,
    open: Mutex<HashMap<SessionKey, Entry>>,
    /// Sessions of connections that got a cookie later.
    named: Mutex<HashMap<Uuid, SessionKey>>,
}

impl std::fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionStore")
            .field("open", &self.len())
            .finish_non_exhaustive()
    }
}

impl SessionStore {
    /// Sessions that end after `idle`; at most `most` of them.
    pub fn new(sessions: Sessions, queries: Arc<Queries>, idle: Duration, most: usize) -> Self {
        Self {
            sessions,
            queries,
            idle,
            most: most.max(1),
            open: Mutex::default(),
            named: Mutex::default(),
        }
    }

    /// The session of a call, and whether a cookie names it: that cookie's where it is one of the caller's, else the
    /// connection's.
    pub fn key(
        &self,
        user: &str,
        peer: Option<&Peer>,
        metadata: &MetadataMap,
    ) -> (SessionKey, bool) {
        let named = cookie(metadata).and_then(|id| self.named().get(&id).cloned());
        match named.filter(|key| key.user == user) {
            Some(key) if self.open().contains_key(&key) => (key, true),
            _ => {
                let key = SessionKey {
                    user: user.to_string(),
                    connection: peer.map_or(0, |peer| peer.connection),
                };
                (key, false)
            }
        }
    }

    /// A cookie that names an open session: a client that keeps it finds the session again from other connections.
    pub fn name(&self, key: &SessionKey) -> Option<String> {
        let id = *self
            .open()
            .get_mut(key)?
            .cookie
            .get_or_insert_with(Uuid::new_v4);
        self.named().insert(id, key.clone());
        Some(format!("{COOKIE}={id}; HttpOnly; Path=/"))
    }

    /// The session, opened where there is none or the caller's roles have changed.
    ///
    /// # Errors
    /// A session that cannot be opened.
    pub fn get(&self, key: &SessionKey, caller: &Caller) -> engine::Result<Arc<Session>> {
        if let Some(session) = known(&mut self.open(), key, caller) {
            return Ok(session);
        }
        let queries = Some(Arc::clone(&self.queries));
        // Opened while others find theirs: health and metrics ask for the number of sessions.
        let session = Arc::new(self.sessions.open(caller.clone(), queries)?);
        let mut open = self.open();
        // Another call of the same session was faster.
        if let Some(session) = known(&mut open, key, caller) {
            return Ok(session);
        }
        let ended = match open.len() >= self.most {
            true => take_idlest(&mut open),
            false => None,
        };
        let entry = Entry {
            session: Arc::clone(&session),
            used: Instant::now(),
            cookie: None,
        };
        let replaced = open.insert(key.clone(), entry);
        drop(open);
        drop((ended, replaced));
        Ok(session)
    }

    /// Ends a session; `false` where there is none.
    pub fn close(&self, key: &SessionKey) -> bool {
        self.open().remove(key).is_some()
    }

    /// Ends the sessions that have done nothing for too long; those that statements still use stay.
    pub fn reap(&self) {
        self.reap_at(Instant::now());
    }

    fn reap_at(&self, now: Instant) {
        let is_idle = |_: &SessionKey, entry: &mut Entry| {
            Arc::strong_count(&entry.session) == 1 && now.duration_since(entry.used) >= self.idle
        };
        let mut open = self.open();
        let idle: Vec<_> = open.extract_if(is_idle).collect();
        self.named().retain(|_, key| open.contains_key(key));
        drop(open);
        // Taken apart while others find theirs.
        drop(idle);
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they share.
    pub fn shared(&self) -> &Sessions {
        &self.sessions
    }

    fn named(&self) -> MutexGuard<'_, HashMap<Uuid, SessionKey>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open session, noted as used, unless the caller's roles have changed.
fn known(
    open: &mut HashMap<SessionKey, Entry>,
    key: &SessionKey,
    caller: &Caller,
) -> Option<Arc<Session>> {
    let entry = open.get_mut(key)?;
    if entry.session.caller().grants != caller.grants {
        return None;
    }
    entry.used = Instant::now();
    Some(Arc::clone(&entry.session))
}

fn take_idlest(open: &mut HashMap<SessionKey, Entry>) -> Option<Entry> {
    let idlest = open
        .iter()
        .filter(|(_, entry)| Arc::strong_count(&entry.session) == 1)
        .min_by_key(|(_, entry)| entry.used)
        .map(|(key, _)| key.clone());
    open.remove(&idlest?)
}

/// The session that a call's cookies name.
fn cookie(metadata: &MetadataMap) -> Option<Uuid> {
    metadata
        .get_all("cookie")
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, id)| id.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use engine::config::{Config, LimitsConfig};
    use engine::queries::Limits;
    use engine::storage::Access;

    use super::*;

    fn store(idle: Duration, most: usize) -> SessionStore {
        let config = Config::default();
        let access = Access::nothing(&config).unwrap();
        let sessions = Sessions::new(None, &config, access).unwrap();
        let limits = Limits::new(&LimitsConfig::default(), 1, 1 << 30);
        let queries = Arc::new(Queries::new(limits, sessions.memory_pool()));
        SessionStore::new(sessions, queries, idle, most)
    }

    fn headers(cookie: &str) -> MetadataMap {
        let mut headers = MetadataMap::new();
        headers.insert("cookie", cookie.parse().unwrap());
        headers
    }

    fn peer(connection: u64) -> Peer {
        Peer {
            address: ([127, 0, 0, 1], 1).into(),
            connection,
            certificates: None,
        }
    }

    fn key(store: &SessionStore, connection: u64) -> SessionKey {
        store
            .key("ana", Some(&peer(connection)), &MetadataMap::new())
            .0
    }

    #[tokio::test]
    async fn a_cookie_names_its_owners_session_from_any_connection() {
        let store = store(Duration::from_secs(60), 10);
        let first = key(&store, 1);
        store.get(&first, &Caller::local()).unwrap();
        let cookie = store.name(&first).unwrap();
        assert_eq!(store.name(&first).unwrap(), cookie);
        let pair = format!("a=b; {}", cookie.split(';').next().unwrap());
        let found = |user, pair: &str| store.key(user, Some(&peer(2)), &headers(pair));
        assert_eq!(found("ana", &pair), (first.clone(), true));
        assert!(!found("ben", &pair).1);
        let forged = format!("{COOKIE}={}", Uuid::new_v4());
        assert_eq!(found("ana", &forged), (key(&store, 2), false));
        store.close(&first);
        assert!(!found("ana", &pair).1);
    }

    #[tokio::test]
    async fn ten_thousand_idle_sessions_are_reaped_and_the_busy_one_stays() {
        let store = store(Duration::from_secs(60), 20_000);
        let busy = store.get(&key(&store, 0), &Caller::local()).unwrap();
        for connection in 1..=10_000 {
            store
                .get(&key(&store, connection), &Caller::local())
                .unwrap();
        }
        store.reap();
        assert_eq!(store.len(), 10_001);
        let later = Instant::now() + Duration::from_secs(61);
        store.reap_at(later);
        assert_eq!(store.len(), 1);
        drop(busy);
        store.reap_at(later);
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn beyond_the_limit_the_idlest_ends() {
        let store = store(Duration::from_secs(60), 2);
        let keys: Vec<_> = (0..3).map(|connection| key(&store, connection)).collect();
        for key in &keys {
            store.get(key, &Caller::local()).unwrap();
        }
        assert_eq!(store.len(), 2);
        assert!(!store.close(&keys[0]));
        assert!(store.close(&keys[2]));
    }
}
