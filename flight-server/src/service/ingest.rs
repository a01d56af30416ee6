//! `CommandStatementIngest`: rows that a client sends become rows of a table, all or none.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use engine::Error;
use engine::queries::Request;
use engine::session::{IngestMode, Rows};
use futures::{StreamExt as _, TryStreamExt as _};
use tonic::Status;

use super::rpc::{Call, Server};
use super::status::{malformed, status};

/// Writes the rows of `stream` as one commit; tells how many.
///
/// # Errors
/// A table that should or should not be there; rows that do not fit it.
pub async fn ingest(
    server: &Arc<Server>,
    call: &Call,
    command: &CommandStatementIngest,
    mut stream: FlightRecordBatchStream,
) -> Result<i64, Status> {
    let mode = mode(command)?;
    let session = call.session(server)?;
    // The schema comes before the first batch.
    let first = stream.try_next().await.map_err(Status::from)?;
    let schema: SchemaRef = match (&first, stream.schema()) {
        (Some(batch), _) => batch.schema(),
        (None, Some(schema)) => Arc::clone(schema),
        (None, None) => return Err(Status::invalid_argument("no rows and no columns were sent")),
    };
    let failed = |error| Error::Invalid(format!("the rows broke off: {error}"));
    let batches = futures::stream::iter(first.map(Ok)).chain(stream.map_err(failed));
    let rows = Rows::new(schema, batches);
    let shown = format!("INGEST INTO {}", command.table);
    let work = async {
        let request = Request {
            user: call.caller.user.clone(),
            statement: shown,
            ..Request::default()
        };
        let running = server.queries.begin(request).await?;
        let schema_name = command.schema.as_deref().unwrap_or_default();
        running
            .ingest(&session, schema_name, &command.table, mode, rows)
            .await
    };
    let rows = work.await.map_err(status)?;
    Ok(rows.try_into().unwrap_or(i64::MAX))
}

/// What is done with the table.
fn mode(command: &CommandStatementIngest) -> Result<IngestMode, Status> {
    if command.temporary {
        return Err(Status::unimplemented(
            "temporary tables: ingest into a table of the lake and drop it afterwards",
        ));
    }
    if command.transaction_id.is_some() {
        return Err(no_transactions());
    }
    if command
        .catalog
        .as_deref()
        .is_some_and(|catalog| !matches!(catalog, "" | engine::catalog::CATALOG))
    {
        return Err(Status::not_found(format!(
            "there is no catalog {}; the lake is {}",
            command.catalog(),
            engine::catalog::CATALOG
        )));
    }
    let TableDefinitionOptions {
        if_not_exist,
        if_exists,
    } = command.table_definition_options.unwrap_or_default();
    let missing = TableNotExistOption::try_from(if_not_exist)
        .map_err(|error| malformed("if_not_exist", error))?;
    let there =
        TableExistsOption::try_from(if_exists).map_err(|error| malformed("if_exists", error))?;
    Ok(match (missing, there) {
        (TableNotExistOption::Create, TableExistsOption::Append) => IngestMode::CreateOrAppend,
        (TableNotExistOption::Create, TableExistsOption::Replace) => IngestMode::CreateOrReplace,
        (TableNotExistOption::Create, _) => IngestMode::Create,
        (_, TableExistsOption::Append) => IngestMode::Append,
        (_, TableExistsOption::Replace) => IngestMode::Replace,
        _ => {
            return Err(Status::invalid_argument(
                "neither a missing nor an existing table may be written: say create, append or replace",
            ));
        }
    })
}

/// The answer to everything about transactions.
pub fn no_transactions() -> Status {
    Status::unimplemented(
        "transactions over several statements: each statement is a transaction of its own (autocommit)",
    )
}
