//! Catalogs, schemas and tables: those that the caller may read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};
use engine::catalog::CATALOG;
use engine::session::Session;
use engine::session::names::RelationKind;
use tonic::Status;

use super::failed;
use crate::service::transport;

/// The schema in which the tables that describe the others are.
const INFORMATION_SCHEMA: &str = "information_schema";

/// The one catalog.
pub fn catalogs() -> Result<RecordBatch, Status> {
    let mut builder = CommandGetCatalogs {}.into_builder();
    builder.append(CATALOG);
    builder.build().map_err(failed)
}

/// The schemas.
pub fn schemas(session: &Session, get: CommandGetDbSchemas) -> Result<RecordBatch, Status> {
    let is_ours = get.catalog.as_deref().is_none_or(|name| name == CATALOG);
    let mut builder = get.into_builder();
    let mut names: BTreeSet<String> = session
        .relations()
        .into_iter()
        .map(|relation| relation.schema_name)
        .collect();
    names.insert(INFORMATION_SCHEMA.into());
    for name in names.iter().filter(|_| is_ours) {
        builder.append(CATALOG, name);
    }
    builder.build().map_err(failed)
}

/// The types of tables.
pub fn table_types() -> Result<RecordBatch, Status> {
    let mut builder = CommandGetTableTypes {}.into_builder();
    for kind in RelationKind::ALL {
        builder.append(kind.name());
    }
    builder.build().map_err(failed)
}

/// The tables and views, with their columns on request.
pub async fn tables(session: &Session, get: CommandGetTables) -> Result<RecordBatch, Status> {
    let with_columns = get.include_schema;
    let is_ours = get.catalog.as_deref().is_none_or(|name| name == CATALOG);
    let mut builder = get.into_builder();
    let nothing = Schema::empty();
    for relation in session.relations().into_iter().filter(|_| is_ours) {
        let columns = match with_columns {
            // A view that stands on nothing any more is listed without columns.
            true => session.columns(&relation.shown()).await.ok(),
            false => None,
        };
        let columns = columns.map(|columns| transport::schema(&columns));
        builder
            .append(
                CATALOG,
                &relation.schema_name,
                &relation.name,
                relation.kind.name(),
                columns.as_ref().map_or(&nothing, Arc::as_ref),
            )
            .map_err(failed)?;
    }
    builder.build().map_err(failed)
}
