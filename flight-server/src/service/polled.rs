//! Statements that are polled for: they are computed without a reader, who asks now and then how far they are and fetches
//! the rows when all are there. So nothing is lost where a connection does not live as long as its statement.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use bytes::Bytes;
use engine::queries::{Query, Spool};
use prost_types::Timestamp;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::Status;

use super::encode::encode;
use super::rpc::{Call, Server};
use super::statement::Fetch;
use super::status::status;
use super::ticket::{StatementTicket, Ticket};
use super::wire::Messages;

/// How long an answer waits for something to tell: a client that asks in a loop does not ask more often.
const PATIENCE: Duration = Duration::from_secs(2);

/// Statements that are kept at the same time, whether they run or wait for their reader.
const MOST: usize = 1_024;

/// How a statement ended; `None` while it has not.
type Outcome = Option<Result<Arc<Spool>, Status>>;

/// A statement that is polled for.
struct Work {
    /// What is told when all rows are there.
    info: FlightInfo,
    ticket: Bytes,
    fetch: Arc<Fetch>,
    outcome: watch::Receiver<Outcome>,
    /// Seconds since 1970.
    expires: AtomicU64,
    task: AbortHandle,
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(query) = self.fetch.running() {
            query.leave();
        }
        self.task.abort();
    }
}

/// The statements that are polled for, by their tickets.
#[derive(Default)]
pub struct Polled {
    kept: Mutex<HashMap<Bytes, Arc<Work>>>,
}

impl Polled {
    /// Keeps a statement's rows as long as its ticket lives.
    pub fn renew(&self, ticket: &Ticket, expires: u64) {
        if let Some(work) = self.kept().get(&ticket.nonce) {
            work.expires.store(expires, Ordering::Relaxed);
        }
    }

    /// Forgets those whose tickets have expired at `now`, seconds since 1970.
    pub fn reap(&self, now: u64) {
        let mut expired = Vec::new();
        self.kept().retain(|_, work| {
            let lives = work.expires.load(Ordering::Relaxed) > now;
            if !lives {
                expired.push(Arc::clone(work));
            }
            lives
        });
        // Their files go when nothing is locked.
        drop(expired);
    }

    fn get(&self, ticket: &Ticket) -> Option<Arc<Work>> {
        self.kept().get(&ticket.nonce).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Bytes, Arc<Work>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a statement that `info` describes and tells how far it is.
///
/// # Errors
/// The statement's, where it ends at once.
pub async fn begin(
    server: &Arc<Server>,
    call: &Call,
    info: FlightInfo,
    (bytes, ticket): (Bytes, Ticket),
    statement: StatementTicket,
) -> Result<PollInfo, Status> {
    if server.polled.kept().len() >= MOST {
        return Err(Status::unavailable(
            "too many statements are polled for; try again, or fetch with GetFlightInfo",
        ));
    }
    let fetch = Arc::new(Fetch::new(server, call, ticket.clone(), statement));
    let (tell, outcome) = watch::channel(None);
    let filled = Arc::clone(&fetch);
    let task = server.cpu.spawn(async move {
        let spool = filled.spool().await;
        tell.send_replace(Some(spool.map(Arc::new)));
    });
    let work = Arc::new(Work {
        info,
        ticket: bytes,
        fetch,
        outcome,
        expires: AtomicU64::new(ticket.expires),
        task: task.abort_handle(),
    });
    let kept = Arc::clone(&work);
    server.polled.kept().insert(ticket.nonce.clone(), kept);
    told(&work).await
}

/// How far the statement of a ticket is.
///
/// # Errors
/// The statement's; `NOT_FOUND` for one that nobody began to poll for.
pub async fn go_on(server: &Server, ticket: &Ticket) -> Result<PollInfo, Status> {
    let work = server.polled.get(ticket).ok_or_else(|| {
        Status::not_found("nothing is computed for this descriptor; begin with the statement's own")
    })?;
    told(&work).await
}

/// The rows of a ticket that was polled for, as soon as all are there; `None` for other tickets.
///
/// # Errors
/// The statement's.
pub async fn rows(server: &Server, ticket: &Ticket) -> Result<Option<Messages>, Status> {
    let Some(work) = server.polled.get(ticket) else {
        return Ok(None);
    };
    let mut outcome = work.outcome.clone();
    let ended = outcome.wait_for(Option::is_some).await;
    let spool = match ended.as_deref() {
        Ok(Some(Ok(spool))) => Arc::clone(spool),
        Ok(Some(Err(refused))) => return Err(refused.clone()),
        Ok(None) | Err(_) => return Err(ended_early()),
    };
    drop(ended);
    let batches = spool.read().map_err(status)?;
    let schema = Arc::clone(spool.schema());
    Ok(Some(encode(schema, batches)))
}

async fn told(work: &Work) -> Result<PollInfo, Status> {
    let mut outcome = work.outcome.clone();
    let ended = tokio::time::timeout(PATIENCE, outcome.wait_for(Option::is_some)).await;
    let expiration_time = Some(Timestamp {
        seconds: work.expires.load(Ordering::Relaxed).cast_signed(),
        nanos: 0,
    });
    match ended.as_ref().map(Result::as_deref) {
        Ok(Ok(Some(Ok(spool)))) => Ok(PollInfo {
            info: Some(FlightInfo {
                total_records: spool.rows().try_into().unwrap_or(-1),
                total_bytes: spool.bytes().try_into().unwrap_or(-1),
                ..work.info.clone()
            }),
            flight_descriptor: None,
            progress: Some(1.0),
            expiration_time,
        }),
        Ok(Ok(Some(Err(refused)))) => Err(refused.clone()),
        Ok(Ok(None) | Err(_)) => Err(ended_early()),
        Err(_) => Ok(PollInfo {
            info: Some(FlightInfo {
                // Nothing can be fetched yet. The ticket is here for CancelFlightInfo.
                endpoint: Vec::new(),
                app_metadata: work.ticket.clone(),
                ..work.info.clone()
            }),
            flight_descriptor: Some(FlightDescriptor::new_cmd(work.ticket.clone())),
            progress: work.fetch.running().as_deref().and_then(Query::progress),
            expiration_time,
        }),
    }
}

fn ended_early() -> Status {
    Status::unavailable("the statement ended before its rows were there; send it again")
}
