//! What a server tells about itself: metrics for Prometheus, and a line in the log for each statement.
//!
//! | module | |
//! |---|---|
//! | `measures` | every metric: name, kind, labels, meaning |
//! | `exposition` | the metrics as Prometheus reads them |
//! | `http` | health and metrics, for whoever asks |
//! | `gauges` | what is as it is at the moment |
//! | `ended` | what is counted and logged when a statement ends |

mod ended;
mod exposition;
mod gauges;
mod http;
mod measures;

pub use ended::{ended, line_left_out};
pub use exposition::{Exposition, upkeep};
pub use gauges::Node;
pub use http::{Health, bind, serve};
pub use measures::all;

#[cfg(test)]
mod tests;
