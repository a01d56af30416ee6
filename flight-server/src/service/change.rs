//! Statements that change something and are fetched with a ticket: carried out once, however often the ticket is fetched.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use bytes::Bytes;
use tonic::Status;

use super::ticket::Ticket;

/// What became of a ticket's statement.
#[derive(Debug, Clone)]
enum State {
    /// It was begun. Where its client went away, nobody knows whether its commit was made.
    Begun,
    /// It is done, and this is its answer.
    Done(Vec<RecordBatch>),
}

/// What became of the changes that tickets ask for.
#[derive(Debug, Default)]
pub struct Changes {
    states: Mutex<HashMap<Bytes, (u64, State)>>,
}

impl Changes {
    /// Begins a ticket's change; gives the answer where it was carried out before.
    ///
    /// # Errors
    /// `ABORTED` where it was begun and its end is not known.
    pub fn begin(&self, ticket: &Ticket) -> Result<Option<Vec<RecordBatch>>, Status> {
        let mut states = self.states();
        match states.get(&ticket.nonce) {
            None => {
                let begun = (ticket.expires, State::Begun);
                states.insert(ticket.nonce.clone(), begun);
                Ok(None)
            }
            Some((_, State::Done(answer))) => Ok(Some(answer.clone())),
            Some((_, State::Begun)) => Err(Status::aborted(
                "this statement was begun before, and it is still at work or its reader went away; see with DESCRIBE HISTORY whether it was carried out before you send it again",
            )),
        }
    }

    /// Notes the answer, or that the statement failed and may be sent again.
    pub fn end(&self, ticket: &Ticket, answer: Option<Vec<RecordBatch>>) {
        let mut states = self.states();
        match answer {
            Some(answer) => {
                let done = (ticket.expires, State::Done(answer));
                states.insert(ticket.nonce.clone(), done);
            }
            None => {
                states.remove(&ticket.nonce);
            }
        }
    }

    /// Forgets tickets that have expired at `now`, seconds since 1970.
    pub fn reap(&self, now: u64) {
        self.states().retain(|_, (expires, _)| *expires > now);
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Bytes, (u64, State)>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
