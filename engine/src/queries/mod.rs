//! Statements of a server while they run: who asked, whose turn it is, how much each holds, how it is stopped, and what is
//! written down about it afterwards.
//!
//! | module | |
//! |---|---|
//! | `query` | one statement: its state, its counts, its end |
//! | `registry` | all that wait or run |
//! | `turns` | who is next: users take turns |
//! | `memory` | a share of the memory for each |
//! | `running` | carries a statement out and watches it |
//! | `progress` | how far it is |
//! | `spool` | rows that wait for their reader |
//! | `live` | `system.queries` |
//! | `trace` | the id of a statement on the lines that its tasks log |
//! | `log` | `system.query_log` |

mod live;
mod log;
mod memory;
mod progress;
mod query;
mod registry;
mod running;
mod spool;
mod trace;
mod turns;

pub use live::LiveQueries;
pub use log::{LogEntry, QueryLog};
pub use query::{Outcome, Query, State};
pub use registry::{Limits, Queries, Request};
pub use running::Running;
pub use spool::Spool;
pub use trace::follow_tasks;

pub(crate) use memory::Within;
pub(crate) use memory::task_context;
pub(crate) use query::current;

/// Name of the live table in the schema `system`.
pub const TABLE: &str = "queries";
