//! The catalog: what is in the lake, kept in the Delta table `system.catalog`.
//!
//! Rows are only ever appended; the latest row of a name counts. Whoever changes a name commits a
//! transaction id of that name, so of two who change it at once one sees that the other was first.

mod changes;
mod contents;
mod creation;
mod entry;
mod jobs;
mod live;
mod name;
mod provider;
mod rows;
mod supplied;
mod table;
#[cfg(test)]
mod tests;
pub mod views;

pub use changes::{CreateMode, create_view, drop, rename};
pub use contents::{Contents, Retired};
pub use creation::{NewTable, create_table, record_definitions};
pub use entry::{Entry, Kind};
pub use jobs::{create_job, drop_job};
pub use live::{Live, LiveTable};
pub use name::Name;
pub use provider::LakeCatalog;
pub use table::{CatalogTable, Change};

/// Name of the catalog's own table.
const NAME: &str = "system.catalog";
/// Catalog of the lake in SQL: `lake.main.chains`.
pub const CATALOG: &str = "lake";
/// Schemas of a lake: the users' and paratope's own.
pub const SCHEMAS: [&str; 2] = ["main", "system"];
/// Where names without a schema are looked up.
pub const DEFAULT_SCHEMA: &str = SCHEMAS[0];
