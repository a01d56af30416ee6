//! Jobs: results that are kept up to date.
//!
//! | module | |
//! |---|---|
//! | `definition`, `header`, `schedule`, `quantity` | what a job is, read from one SQL file |
//! | `book` | where jobs are kept: shipped, files, the lake |
//! | `graph`, `lint` | which runs after which; what is wrong with one before it runs |
//! | `cursor`, `source`, `gathered`, `chunk` | how far a job has read its source, and what comes next |
//! | `rowwise`, `evaluation`, `target` | the query over a chunk, and the table its rows fit |
//! | `incremental`, `whole`, `backfill` | what becomes of the rows |
//! | `lease`, `stop`, `mark` | one run at a time, and how others end it |
//! | `run`, `progress`, `record`, `facts` | one run, and what is written down about it |
//! | `live` | `system.jobs` |
//! | `clock`, `planner`, `scheduler` | what is due, and a server that runs it |

mod backfill;
mod book;
mod chunk;
mod clock;
mod cursor;
mod definition;
mod evaluation;
mod facts;
mod gathered;
mod graph;
mod header;
mod incremental;
mod lease;
pub mod lint;
mod live;
mod mark;
mod planner;
mod progress;
mod quantity;
mod record;
mod rowwise;
mod run;
mod schedule;
mod scheduler;
mod source;
mod stop;
mod target;
#[cfg(test)]
mod tests;
mod whole;

pub use backfill::{Backfill, backfill};
pub use book::{Book, Kept, Origin};
pub use clock::{Clock, SystemClock};
pub use cursor::PREFIX;
pub use definition::{Fault, Job, Missed, Mode, short, together};
pub use facts::{Fact, Facts};
pub use graph::Graph;
pub use header::check_name;
pub use lease::{Holder, Lease};
pub use live::{LiveJobs, TABLE};
pub use mark::{Mark, Marks, cancel, set, unset};
pub use progress::{Counts, Progress};
pub use record::{Record, Status, TABLE as RUNS};
pub use run::{Cause, Request, Runner};
pub use schedule::Schedule;
pub use scheduler::{Listener, Scheduler};
pub use stop::Stop;
