//! Errors as gRPC has them.

use engine::Error;
use tonic::{Code, Status};

/// Messages travel in HTTP headers, which clients limit to a few KiB.
const LONGEST: usize = 2_000;

/// The status of an error: its code says what the caller can do about it.
pub fn status(error: Error) -> Status {
    let code = match &error {
        Error::Invalid(_) => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::Denied(_) => Code::PermissionDenied,
        Error::Unavailable(message) if message.starts_with("cancelled") => Code::Cancelled,
        Error::Unavailable(_) => Code::Unavailable,
        // Clients tell a name that is taken from a race.
        Error::Conflict(message) if message.contains("is there already") => Code::AlreadyExists,
        Error::Conflict(_) => Code::Aborted,
        Error::Exhausted(message) if message.contains("statement_timeout_s") => {
            Code::DeadlineExceeded
        }
        Error::Exhausted(_) => Code::ResourceExhausted,
        Error::Unsupported(_) => Code::Unimplemented,
        Error::Corrupt(_) => Code::DataLoss,
        Error::Internal(_) => Code::Internal,
    };
    of(code, &error.to_string())
}

/// A status with its message cut to what travels.
pub fn of(code: Code, message: &str) -> Status {
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => Status::new(code, format!("{}…", &message[..end])),
        None => Status::new(code, message),
    }
}

/// A message or a ticket that makes no sense.
pub fn malformed(what: &str, error: impl std::fmt::Display) -> Status {
    of(
        Code::InvalidArgument,
        &format!("{what} cannot be read: {error}"),
    )
}
