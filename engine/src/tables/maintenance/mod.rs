//! Maintenance of tables: what keeps them fast, small and repairable.
//!
//! Each statement has its file. All of them commit through [`super::commit`]; those that change no
//! rows (OPTIMIZE, VACUUM) give way to those that do.

mod arrangement;
mod bins;
mod changes;
mod checkpoint;
mod detail;
mod features;
mod files;
mod held;
mod history;
mod optimize;
mod provenance;
mod restore;
mod rewrite;
mod runs;
mod vacuum;
mod versions;
mod zorder;

pub(crate) use bins::pack;
pub use changes::{CHANGE_TYPE, COMMIT_TIMESTAMP, COMMIT_VERSION, table_changes};
pub(crate) use changes::{ChangeFile, Changes};
pub use checkpoint::checkpoint;
pub use detail::detail;
pub(crate) use features::{check_reading, check_rewriting};
pub(crate) use files::{DataFile, active as active_files, in_partitions, partition_of};
pub use history::history;
pub(crate) use optimize::target_file_bytes;
pub use optimize::{Optimize, OptimizeSummary, optimize, optimize_guarded};
pub(crate) use provenance::commit_info;
pub use restore::{RestoreSummary, restore};
pub(crate) use rewrite::ZORDER_TAG;
pub use vacuum::{Vacuum, VacuumSummary, vacuum};
pub use versions::{resolve, snapshot_at};

#[cfg(test)]
mod tests;
