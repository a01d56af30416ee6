//! A Delta table of the lake: its folder, its log, and the newest snapshot this process has seen.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::SaveMode;
use tokio::sync::Mutex;

use super::TableDefinition;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// A table by its folder. Cheap to share; snapshots taken from it are immutable.
pub struct Table {
    name: String,
    location: String,
    storage: Storage,
    log_store: LogStoreRef,
    newest: Mutex<DeltaTable>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The table in the folder `location` of `storage`. Nothing is read yet.
    pub fn new(storage: &Storage, name: &str, location: &str) -> Result<Arc<Self>> {
        let log_store = storage.log_store(location)?;
        Ok(Arc::new(Self {
            name: name.into(),
            location: location.into(),
            storage: storage.clone(),
            newest: Mutex::new(DeltaTable::new(Arc::clone(&log_store))),
            log_store,
        }))
    }

    /// Creates the table as defined unless it is there already; any number of processes may try.
    pub async fn create(&self, definition: &TableDefinition) -> Result<()> {
        let configuration = definition
            .properties
            .iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())));
        let created = DeltaTable::new(Arc::clone(&self.log_store))
            .create()
            .with_save_mode(SaveMode::Ignore)
            .with_table_name(&definition.name)
            .with_columns(definition.schema.fields().cloned())
            .with_partition_columns(definition.partition_columns.clone())
            .with_configuration(configuration)
            .with_raise_if_key_not_exists(false)
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        match created {
            Ok(_) => Ok(()),
            // Somebody else was first, or our own creation was applied and its answer lost.
            Err(error) => match self.snapshot().await {
                Ok(_) => Ok(()),
                Err(Error::NotFound(_)) => Err(Error::from(error).context(&self.name)),
                Err(other) => Err(other),
            },
        }
    }

    /// `schema.name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's folder, relative to the lake.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The lake's storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The table's log.
    pub fn log_store(&self) -> &LogStoreRef {
        &self.log_store
    }

    /// The newest snapshot: the log is listed, and only what is new is read.
    ///
    /// # Errors
    /// `NotFound` where there is no table; whatever the store says.
    pub async fn snapshot(&self) -> Result<EagerSnapshot> {
        let mut table = self.newest.lock().await;
        table
            .update_state()
            .await
            .map_err(|error| Error::from(error).context(&self.name))?;
        Ok(table.snapshot().map_err(Error::from)?.snapshot().clone())
    }

    /// Logical schema of a snapshot.
    pub fn schema(snapshot: &EagerSnapshot) -> SchemaRef {
        snapshot.arrow_schema()
    }

    /// A table property, where set.
    pub fn property(snapshot: &EagerSnapshot, key: &str) -> Option<String> {
        snapshot.metadata().configuration().get(key).cloned()
    }

    /// A table property that lists columns, separated by commas.
    pub fn column_list(snapshot: &EagerSnapshot, key: &str) -> Option<Vec<String>> {
        Self::property(snapshot, key).map(|list| {
            list.split(',')
                .map(|column| column.trim().to_string())
                .filter(|column| !column.is_empty())
                .collect()
        })
    }
}
