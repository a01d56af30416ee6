//! What keeps a lake fast, small and tidy, as the properties of its tables say.
//!
//! | module | |
//! |---|---|
//! | `retention` | how long rows are kept: `paratope.retain` |
//! | `health` | what is wrong with a table's files, and what maintenance would gain |
//! | `upkeep` | all of it for all tables: compaction, checkpoints, expired rows, files nobody needs |
//! | `retired` | folders that dropped tables left behind |

mod health;
mod retention;
mod retired;
mod upkeep;

pub use health::{Health, health};
pub use retention::{RETAIN, Retention};
pub use upkeep::{Maintain, Maintained, maintain};
