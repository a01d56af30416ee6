//! Paratope's outside: the command line, and the server that speaks Arrow Flight SQL. Everything that reads or writes data
//! is the engine's; here stands how people and programs reach it.
//!
//! | module | |
//! |---|---|
//! | `cli` | the `paratope` binary: one file per verb |
//! | `server` | `paratope serve`: listeners, threads, the end |
//! | `jobs` | jobs of a server: when they are due, and who is told when one fails |
//! | `worker` | `paratope worker`: a node of a cluster |
//! | `service` | Flight SQL: what each call does |
//! | `auth`, `net` | who is let in; TLS and connections |
//! | `memory` | how long freed memory stays |
//! | `watched` | files that are read again when they change |
//! | `watch` | metrics, and a line in the log for each statement |
//! | `diagnosis`, `script` | errors that point at the token; scripts cut into statements |

// Whether the futures of a statement may cross threads is worked out through all that DataFusion nests in them.
#![recursion_limit = "256"]

pub mod auth;
pub mod cli;
mod computing;
mod diagnosis;
mod jobs;
mod memory;
pub mod net;
mod script;
pub mod server;
pub mod service;
pub mod watch;
mod watched;
pub mod worker;
