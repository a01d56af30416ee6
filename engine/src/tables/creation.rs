//! The first version of a table.

use deltalake::kernel::Action;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::protocol::{DeltaOperation, SaveMode};

use super::{Table, TableDefinition, metadata, properties};
use crate::error::{Error, Result};

/// Commits version 0: schema, properties and the protocol they need. (deltalake's own builder looks
/// neither into maps for types that need a feature, nor lists the features of older versions where
/// it raises them.)
pub(crate) async fn write_first_version(table: &Table, definition: &TableDefinition) -> Result<()> {
    for (key, value) in &definition.properties {
        properties::check_stored(key, value, table.storage())?;
    }
    let (metadata, protocol) = metadata::first(definition)?;
    let operation = DeltaOperation::Create {
        mode: SaveMode::ErrorIfExists,
        location: table.log_store().root_url().clone(),
        protocol: protocol.clone(),
        metadata: metadata.clone(),
    };
    let prepared = CommitBuilder::from(CommitProperties::default().with_max_retries(0))
        .with_actions(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
        .build(None, table.log_store().clone(), operation)
        .into_prepared_commit_future()
        .await?;
    let Err(error) = prepared.await else {
        return Ok(());
    };
    // What is there is ours, and only the answer was lost; or somebody made the same table at the same time.
    match table.snapshot().await {
        Ok(_) => Ok(()),
        Err(Error::NotFound(_)) => Err(Error::from(error).context(table.name())),
        Err(other) => Err(other),
    }
}
