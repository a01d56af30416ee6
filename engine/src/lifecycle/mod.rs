//! What keeps a lake fast, small and tidy, as the properties of its tables say.
//!
//! | module | |
//! |---|---|
//! | `age` | how old rows become: `paratope.retain`, `paratope.archiveAfter` |
//! | `archive` | whole partitions that have become cold, in a table of their own |
//! | `health` | what is wrong with a table's files, and what maintenance would gain |
//! | `upkeep` | all of it for all tables: expired rows, cold partitions, compaction, checkpoints, files nobody needs |
//! | `retired` | folders that dropped tables left behind |

mod age;
pub mod archive;
mod health;
mod retired;
mod upkeep;

pub use age::{Age, RETAIN};
pub use health::{Health, health};
pub use upkeep::{Maintain, Maintained, maintain};
