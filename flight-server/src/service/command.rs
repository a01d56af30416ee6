//! What a descriptor asks for.

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{Any, Command};
use arrow_flight::{FlightData, FlightDescriptor};
use bytes::Bytes;
use futures::TryStreamExt as _;
use prost::Message as _;
use tonic::Status;

use super::sent::checked;
use super::status::malformed;
use super::ticket::{Ticket, Tickets};

/// The command of a descriptor.
///
/// # Errors
/// `INVALID_ARGUMENT` for paths and for commands that are none of Flight SQL's.
pub fn of_descriptor(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if !descriptor.path.is_empty() {
        return Err(Status::invalid_argument(
            "this server speaks Flight SQL: a descriptor holds a command and no path",
        ));
    }
    of_bytes(&descriptor.cmd)
}

/// The command in a packed message.
///
/// # Errors
/// As for descriptors.
pub fn of_bytes(bytes: &Bytes) -> Result<Command, Status> {
    let any = Any::decode(bytes.as_ref()).map_err(|error| malformed("the command", error))?;
    let type_url = any.type_url.clone();
    match Command::try_from(any) {
        Ok(Command::Unknown(_)) | Err(_) => Err(Status::invalid_argument(format!(
            "{} is not a command of Flight SQL that this server can read",
            type_url.chars().take(200).collect::<String>()
        ))),
        Ok(command) => Ok(command),
    }
}

/// Decodes bytes as whatever a client may send in their place, and throws it away: for fuzzing.
///
/// # Panics
/// Where a client could make the server do so.
pub fn probe(tickets: &Tickets, bytes: &Bytes) {
    let _ = of_bytes(bytes);
    let _ = tickets.read(bytes, "anybody");
    let _ = Ticket::decode(bytes.as_ref());
    let message = FlightData {
        data_header: bytes.clone(),
        data_body: bytes.clone(),
        ..FlightData::default()
    };
    if let Ok(message) = checked(message) {
        let messages = futures::stream::iter([Ok(message)]);
        let rows = FlightRecordBatchStream::new_from_flight_data(messages);
        let _ = futures::executor::block_on(rows.try_collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::time::Duration;

    use arrow_flight::sql::{
        CommandGetTables, CommandStatementIngest, CommandStatementQuery, ProstMessageExt as _,
    };
    use arrow_flight::{FlightInfo, RenewFlightEndpointRequest};
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};
    use tonic::Code;

    use super::*;
    use crate::service::Tickets;
    use crate::service::ticket::{StatementTicket, Ticket, What};

    /// Commands as clients send them.
    fn commands() -> Vec<Vec<u8>> {
        let query = CommandStatementQuery {
            query: "SELECT 'naïve'".into(),
            transaction_id: Some(Bytes::from_static(b"x")),
        };
        let tables = CommandGetTables {
            catalog: Some("lake".into()),
            table_types: vec!["TABLE".into(), "VIEW".into()],
            include_schema: true,
            ..Default::default()
        };
        let ingest = CommandStatementIngest {
            table: "t".into(),
            options: [("a".to_string(), "b".to_string())].into(),
            ..Default::default()
        };
        vec![
            query.as_any().encode_to_vec(),
            tables.as_any().encode_to_vec(),
            ingest.as_any().encode_to_vec(),
        ]
    }

    /// Bytes of no sense, and sensible ones that were damaged: cut, lengthened, changed here and there.
    fn arbitrary(random: &mut StdRng, sensible: &[Vec<u8>]) -> Bytes {
        let mut bytes = match random.random_bool(0.3) {
            true => {
                let mut bytes = vec![0; random.random_range(0..300)];
                random.fill(&mut bytes[..]);
                bytes
            }
            false => sensible[random.random_range(0..sensible.len())].clone(),
        };
        for _ in 0..random.random_range(0..8) {
            if !bytes.is_empty() {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
        }
        match random.random_range(0..4) {
            0 => bytes.truncate(random.random_range(0..=bytes.len())),
            1 => bytes.extend((0..random.random_range(0..40)).map(|_| random.random::<u8>())),
            _ => {}
        }
        bytes.into()
    }

    #[test]
    fn arbitrary_bytes_are_a_command_or_an_argument_that_is_refused() {
        let mut random = StdRng::seed_from_u64(40);
        let sensible = commands();
        for bytes in &sensible {
            of_bytes(&bytes.clone().into()).unwrap();
        }
        for _ in 0..50_000 {
            let bytes = arbitrary(&mut random, &sensible);
            if let Err(status) = of_bytes(&bytes) {
                assert_eq!(status.code(), Code::InvalidArgument);
                assert!(status.message().len() < 3_000);
            }
            // What actions hold.
            let _ = FlightInfo::decode(bytes.as_ref());
            let _ = RenewFlightEndpointRequest::decode(bytes.as_ref());
        }
    }

    #[test]
    fn arbitrary_bytes_are_never_a_ticket() {
        let mut random = StdRng::seed_from_u64(41);
        let tickets = Tickets::new(Duration::from_secs(60)).unwrap();
        let what = What::Statement(StatementTicket {
            statement: "SELECT 1".into(),
            pins: [("main.t".to_string(), 3)].into(),
            ..Default::default()
        });
        let (issued, _) = tickets.issue("ana", what).unwrap();
        let sensible = vec![issued.to_vec()];
        for _ in 0..50_000 {
            let bytes = arbitrary(&mut random, &sensible);
            match tickets.read(&bytes, "ana") {
                Ok(_) => assert_eq!(bytes, issued),
                Err(status) => assert_eq!(status.code(), Code::InvalidArgument),
            }
            // Below the signature, which keeps such bytes away.
            let _ = Ticket::decode(bytes.as_ref());
        }
    }
}
