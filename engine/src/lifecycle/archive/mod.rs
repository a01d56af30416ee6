//! The archive: whole partitions that have become cold move out of a table, and come back when they are asked for.
//!
//! | module | |
//! |---|---|
//! | `moving` | the order of steps by which files move, whoever is killed in between |
//! | `away` | partitions whose rows are all old enough go |
//! | `back` | partitions are restored |
//! | `live` | `system.archive`: what lies there |
//!
//! What of an archive belongs to its table is said in [`crate::tables::archive`]. Files are copied first; then the archive's
//! log takes them in, or lets them go; then one commit of the table removes, or adds, its files and pins the archive's new
//! version. Until that commit nothing has changed for readers. What an earlier attempt left in the archive's log is undone by
//! the next.

mod away;
mod back;
mod live;
mod moving;

pub use away::archive_cold;
pub(crate) use away::{ArchivedAge, drop_expired};
pub use back::restore_archived;
pub use live::{LiveArchive, Put, TABLE, contents};
pub(crate) use moving::tidy;

/// What moved, or would move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Partitions.
    pub partitions: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, as far as the log tells.
    pub rows: u64,
}
