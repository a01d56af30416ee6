//! Tickets: what is fetched, for whom, until when, and from which versions of the tables; signed, so that a client can
//! neither read meaning into them nor make its own.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use tonic::Status;

/// Length of the signature, bytes.
const SIGNATURE: usize = 32;
/// First byte of a ticket.
const FORMAT: u8 = 1;

/// What a ticket says.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ticket {
    /// Which ticket it is.
    #[prost(bytes = "bytes", tag = "1")]
    pub nonce: Bytes,
    /// Who may fetch it.
    #[prost(string, tag = "2")]
    pub user: String,
    /// Until when, seconds since 1970.
    #[prost(uint64, tag = "3")]
    pub expires: u64,
    /// What is fetched.
    #[prost(oneof = "What", tags = "4, 5, 6")]
    pub what: Option<What>,
}

/// What is fetched.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum What {
    /// The rows of a statement.
    #[prost(message, tag = "4")]
    Statement(StatementTicket),
    /// The answer of a metadata command, which is packed here.
    #[prost(bytes = "bytes", tag = "5")]
    Metadata(Bytes),
    /// A part of a plan, for a node.
    #[prost(bytes = "bytes", tag = "6")]
    Part(Bytes),
}

/// The rows of a statement.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatementTicket {
    /// Its text.
    #[prost(string, tag = "1")]
    pub statement: String,
    /// Its parameters, as an IPC stream.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub parameters: Option<Bytes>,
    /// Versions of the tables it reads.
    #[prost(map = "string, uint64", tag = "3")]
    pub pins: HashMap<String, u64>,
    /// Whether it changes something, and so is carried out once only.
    #[prost(bool, tag = "4")]
    pub is_change: bool,
}

/// Signs tickets and reads them back.
pub struct Tickets {
    key: hmac::Key,
    random: SystemRandom,
    lifetime: Duration,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Tickets {
    /// Tickets that can be fetched for `lifetime`, with a key of this process.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn new(lifetime: Duration) -> engine::Result<Self> {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(no_randomness)?;
        Ok(Self {
            key,
            random,
            lifetime,
        })
    }

    /// Tickets that every process of a cluster signs and reads alike. Without a token they prove nothing, as no call between
    /// nodes does then.
    pub fn of_cluster(token: Option<&str>, lifetime: Duration) -> Self {
        let token = hmac::Key::new(hmac::HMAC_SHA256, token.unwrap_or_default().as_bytes());
        let derived = hmac::sign(&token, b"tickets for parts of results");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            random: SystemRandom::new(),
            lifetime,
        }
    }

    /// A ticket with its end, as it travels.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn issue(&self, user: &str, what: What) -> engine::Result<(Bytes, SystemTime)> {
        let mut nonce = [0; 16];
        self.random.fill(&mut nonce).map_err(no_randomness)?;
        Ok(self.sign(Ticket {
            nonce: Bytes::copy_from_slice(&nonce),
            user: user.to_string(),
            expires: 0,
            what: Some(what),
        }))
    }

    /// The same ticket with another lifetime from now on.
    pub fn renew(&self, ticket: Ticket) -> (Bytes, SystemTime) {
        self.sign(ticket)
    }

    fn sign(&self, mut ticket: Ticket) -> (Bytes, SystemTime) {
        let end = SystemTime::now() + self.lifetime;
        ticket.expires = seconds(end);
        let mut bytes = BytesMut::with_capacity(1 + ticket.encoded_len() + SIGNATURE);
        bytes.put_u8(FORMAT);
        bytes.extend_from_slice(&ticket.encode_to_vec());
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(signature.as_ref());
        (bytes.freeze(), end)
    }

    /// Whether bytes look like a ticket; no message of protobuf begins like one.
    pub fn is_one(bytes: &Bytes) -> bool {
        bytes.first() == Some(&FORMAT)
    }

    /// What a ticket of `user` says.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for one that is not this server's, `PERMISSION_DENIED` for another's, `NOT_FOUND` for one that
    /// has expired.
    pub fn read(&self, bytes: &Bytes, user: &str) -> Result<Ticket, Status> {
        let ticket = self.verified(bytes)?;
        match ticket.user == user {
            true => unexpired(ticket),
            false => Err(Status::permission_denied(
                "this ticket was issued to somebody else",
            )),
        }
    }

    /// What a ticket says, whoever brings it: nodes know no users, and who was given a ticket may fetch with it.
    ///
    /// # Errors
    /// As [`Tickets::read`].
    pub fn read_from_anybody(&self, bytes: &Bytes) -> Result<Ticket, Status> {
        unexpired(self.verified(bytes)?)
    }

    fn verified(&self, bytes: &Bytes) -> Result<Ticket, Status> {
        let foreign = || {
            Status::invalid_argument(
                "this ticket is not from this server, or was damaged on its way; ask for a new one with GetFlightInfo",
            )
        };
        let body_end = bytes.len().checked_sub(SIGNATURE).ok_or_else(foreign)?;
        let (body, signature) = bytes.split_at(body_end);
        if body.first() != Some(&FORMAT) {
            return Err(foreign());
        }
        hmac::verify(&self.key, body, signature).map_err(|_| foreign())?;
        Ticket::decode(&body[1..]).map_err(|_| foreign())
    }
}

fn unexpired(ticket: Ticket) -> Result<Ticket, Status> {
    match ticket.expires <= seconds(SystemTime::now()) {
        false => Ok(ticket),
        true => Err(Status::not_found(
            "this ticket has expired; ask for a new one with GetFlightInfo (server.limits.ticket_lifetime_s says how long tickets live)",
        )),
    }
}

fn no_randomness(_: ring::error::Unspecified) -> engine::Error {
    engine::Error::Unavailable("the system gives no random numbers".into())
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use tonic::Code;

    use super::*;

    fn what() -> What {
        What::Statement(StatementTicket {
            statement: "SELECT 1".into(),
            ..Default::default()
        })
    }

    fn code(result: Result<Ticket, Status>) -> Code {
        result.unwrap_err().code()
    }

    #[test]
    fn a_ticket_is_read_by_whom_it_was_issued_to_and_nobody_else() {
        let tickets = Tickets::new(Duration::from_secs(60)).unwrap();
        let (bytes, _) = tickets.issue("ana", what()).unwrap();
        assert_eq!(tickets.read(&bytes, "ana").unwrap().what, Some(what()));
        assert_eq!(code(tickets.read(&bytes, "ben")), Code::PermissionDenied);
        let other = Tickets::new(Duration::from_secs(60)).unwrap();
        assert_eq!(code(other.read(&bytes, "ana")), Code::InvalidArgument);
    }

    #[test]
    fn an_expired_ticket_says_so_and_a_renewed_one_lives() {
        let tickets = Tickets::new(Duration::ZERO).unwrap();
        let (bytes, _) = tickets.issue("ana", what()).unwrap();
        assert_eq!(code(tickets.read(&bytes, "ana")), Code::NotFound);
    }

    #[test]
    fn every_damaged_byte_and_every_length_is_refused() {
        let tickets = Tickets::new(Duration::from_secs(60)).unwrap();
        let (bytes, _) = tickets.issue("ana", what()).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert_eq!(
                code(tickets.read(&damaged.into(), "ana")),
                Code::InvalidArgument
            );
            let cut = bytes.slice(..at);
            assert_eq!(code(tickets.read(&cut, "ana")), Code::InvalidArgument);
        }
    }
}
