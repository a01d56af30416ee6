//! What a client asks before it asks for rows: catalogs, schemas, tables, keys, types, and what the server can do.
//!
//! Names, types and nullability are the specification's; each command's schema is known before its rows are.

mod info;
mod keys;
mod tables;
mod types;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::{Command, CommandGetTableTypes, CommandGetXdbcTypeInfo};
use engine::session::Session;
use tonic::Status;

/// The columns of a metadata command's answer.
///
/// # Errors
/// `UNIMPLEMENTED` for other commands.
pub fn schema(command: &Command) -> Result<SchemaRef, Status> {
    Ok(match command {
        Command::CommandGetCatalogs(_) => tables::catalogs()?.schema(),
        Command::CommandGetDbSchemas(get) => get.clone().into_builder().schema(),
        Command::CommandGetTables(get) => get.clone().into_builder().schema(),
        Command::CommandGetTableTypes(_) => tables::table_types()?.schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign(),
        Command::CommandGetXdbcTypeInfo(_) => types::rows(None)?.schema(),
        Command::CommandGetSqlInfo(_) => info::schema(),
        other => {
            return Err(Status::unimplemented(format!(
                "GetFlightInfo of {}",
                other.type_url()
            )));
        }
    })
}

/// The rows of a metadata command's answer.
///
/// # Errors
/// As for the schema; tables that cannot be opened.
pub async fn rows(session: &Session, command: Command) -> Result<RecordBatch, Status> {
    match command {
        Command::CommandGetCatalogs(_) => tables::catalogs(),
        Command::CommandGetDbSchemas(get) => tables::schemas(session, get),
        Command::CommandGetTables(get) => tables::tables(session, get).await,
        Command::CommandGetTableTypes(CommandGetTableTypes {}) => tables::table_types(),
        Command::CommandGetXdbcTypeInfo(CommandGetXdbcTypeInfo { data_type }) => {
            types::rows(data_type)
        }
        Command::CommandGetSqlInfo(get) => info::rows(session, &get.info),
        other => Ok(RecordBatch::new_empty(schema(&other)?)),
    }
}

fn failed(error: arrow_flight::error::FlightError) -> Status {
    Status::from(error)
}

fn empty_of(schema: Schema) -> SchemaRef {
    Arc::new(schema)
}
