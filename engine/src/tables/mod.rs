//! Delta tables: their definitions, one writer, one committer, one reader, and their maintenance.

mod appended;
pub mod archive;
pub mod columns;
pub mod commit;
mod creation;
pub mod definitions;
pub(crate) mod layout;
pub mod log;
pub mod maintenance;
pub mod metadata;
pub mod properties;
mod protocol;
mod provider;
pub(crate) mod sink;
pub(crate) mod storage_class;
mod table;
pub mod transactions;
pub mod write;

pub(crate) use appended::append_rows;
pub(crate) use creation::write_first_version;
pub use definitions::TableDefinition;
pub use provider::{FILE, LakeTableProvider, ParquetScan, ROW, Rows};
pub(crate) use provider::{pieces, with_counted_readers};
pub use table::{Moment, Table};

#[cfg(test)]
mod tests;
