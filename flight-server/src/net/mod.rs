//! Connections of Flight SQL: plain or encrypted, and what calls can know about theirs.
//!
//! | module | |
//! |---|---|
//! | `listener` | accepts connections and hands them to tonic |
//! | `tls` | certificates, and handshakes with them |
//! | `connection` | one connection, and the peer behind it |

mod connection;
mod listener;
mod tls;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;

pub use connection::{Connection, Peer};
pub use listener::Incoming;
pub use tls::{ClientCertificates, Tls};
