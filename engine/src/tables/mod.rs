//! Delta tables: their definitions, one writer, one committer, one reader, and their maintenance.

mod appended;
pub mod columns;
pub mod commit;
pub mod definitions;
pub(crate) mod layout;
pub mod log;
pub mod maintenance;
pub mod metadata;
pub mod properties;
mod protocol;
mod provider;
pub(crate) mod sink;
mod table;
pub mod transactions;
pub mod write;

pub(crate) use appended::append_rows;
pub use definitions::TableDefinition;
pub(crate) use provider::with_counted_readers;
pub use provider::{FILE, LakeTableProvider, ParquetScan, ROW};
pub use table::{Moment, Table};

#[cfg(test)]
mod tests;
