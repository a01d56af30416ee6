//! Delta tables: their definitions, one writer, one committer, one reader.

pub mod commit;
pub mod definitions;
mod provider;
mod table;
pub mod transactions;
pub mod write;

pub use definitions::TableDefinition;
pub use provider::{FILE, LakeTableProvider, ROW};
pub use table::{Moment, Table};

#[cfg(test)]
mod tests;
