//! What a server tells about itself: metrics for Prometheus, and a line in the log for each statement.
//!
//! | module | |
//! |---|---|
//! | `measures` | every metric: name, kind, labels, meaning |
//! | `exposition` | the metrics as Prometheus reads them |
//! | `ended` | what is counted and logged when a statement ends |

mod ended;
mod exposition;
mod measures;

pub use ended::{ended, line_left_out};
pub use exposition::{Exposition, upkeep};
pub use measures::all;

#[cfg(test)]
mod tests;
