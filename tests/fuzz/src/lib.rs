//! What the targets have in common: they check the bounds that the seeded tests check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed check is a finding

#[path = "../../src/bounds.rs"]
mod bounds;

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use flight_server::service::{Tickets, probe};

/// Sends `bytes` to a server as a ticket, a command and a message with rows.
pub fn send(bytes: &[u8]) {
    static TICKETS: LazyLock<Tickets> =
        LazyLock::new(|| Tickets::new(Duration::from_secs(60)).expect("random numbers"));
    probe(&TICKETS, &Bytes::copy_from_slice(bytes));
}

/// Reads `bytes` as a file of the format, and checks what comes.
pub fn read(format: &str, bytes: &[u8]) {
    let format = engine::formats::by_name(format).expect("a format");
    // A mapping that fits the columns of tables that arise by chance.
    for columns in [&[][..], &[("a", "name"), ("b", "chains")]] {
        bounds::read(format, bytes, bytes, columns);
    }
}
