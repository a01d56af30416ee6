//! What a descriptor asks for.

use arrow_flight::FlightDescriptor;
use arrow_flight::sql::{Any, Command};
use bytes::Bytes;
use prost::Message as _;
use tonic::Status;

use super::status::malformed;

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
