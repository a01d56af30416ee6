//! A checkpoint: the state of a version in one file, so that readers need not replay the log.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::checkpoints::create_checkpoint;

use crate::error::{Error, Result};
use crate::tables::Table;
use crate::tables::log::Log;

/// Writes a checkpoint of the newest version, unless it has one, and tells the version.
///
/// # Errors
/// Whatever keeps the log from being read or written.
pub async fn checkpoint(table: &Table) -> Result<u64> {
    let version = table.snapshot().await?.version();
    let log = Log::list(table).await?;
    if log.checkpoint(version).is_some_and(|(at, _)| at == version) {
        return Ok(version);
    }
    let mut delta = DeltaTable::new(Arc::clone(table.log_store()));
    delta.load_version(version).await.map_err(Error::from)?;
    create_checkpoint(&delta, None)
        .await
        .map_err(|error| Error::from(error).context(format!("checkpoint of {}", table.name())))?;
    Ok(version)
}
