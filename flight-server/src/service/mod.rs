//! Flight SQL: what each call of the protocol does.
//!
//! arrow-rs's `FlightSqlService` leaves PollFlightInfo, GetSchema, ListFlights and the actions of sessions and of
//! cancellation out, so the protocol's own trait is implemented here.
//!
//! | module | |
//! |---|---|
//! | `rpc` | the calls, dispatched |
//! | `command` | what a descriptor asks for |
//! | `described` | FlightInfo: what is asked for, and where it is fetched |
//! | `ticket` | signed tickets: what is fetched with them |
//! | `statement` | queries: described, and their rows |
//! | `polled` | statements that are computed before they are fetched |
//! | `change` | statements that change something, carried out once |
//! | `prepared` | prepared statements and their parameters |
//! | `ingest` | rows that clients send |
//! | `sent` | messages with rows, looked over before they are decoded |
//! | `session` | sessions of callers, and their options |
//! | `action` | the actions |
//! | `metadata` | catalogs, tables, types, what the server can do |
//! | `transport`, `encode` | batches as they travel; the messages that carry them |
//! | `body`, `wire` | rows within a message; messages as gRPC sends them |
//! | `protocol` | messages that arrow-flight does not have |
//! | `status` | errors as gRPC has them |

mod action;
mod body;
mod change;
mod command;
mod described;
mod encode;
mod ingest;
mod metadata;
mod polled;
mod prepared;
mod protocol;
mod rpc;
mod sent;
mod session;
mod statement;
mod status;
mod ticket;
pub mod transport;
mod wire;

pub use command::probe;
pub use encode::encode;
pub use rpc::{Server, ServerParts, Service};
pub use session::SessionStore;
pub use status::status;
pub use ticket::{Tickets, What};
pub use wire::{Carrying, carried};
