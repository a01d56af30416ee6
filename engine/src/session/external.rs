//! `CREATE EXTERNAL TABLE … STORED AS DELTA LOCATION '…'`: any Delta table, for one session.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::plan_err;
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::CreateExternalTable;

use crate::config::{Config, StorageConfig};
use crate::error::Result;
use crate::storage::{Access, Storage};
use crate::tables::{LakeTableProvider, Table};

/// Opens Delta tables by location.
#[derive(Debug)]
pub struct DeltaFactory {
    storage: StorageConfig,
    access: Access,
}

impl DeltaFactory {
    /// Stores are opened with the configuration's settings, within `access`.
    pub fn new(config: &Config, access: &Access) -> Self {
        Self {
            storage: config.storage.clone(),
            access: access.clone(),
        }
    }

    async fn open(&self, name: &str, location: &str) -> Result<LakeTableProvider> {
        let storage = Storage::open_external(location, &self.storage, &self.access)?;
        let table = Table::new(&storage, name, "")?;
        let snapshot = table
            .snapshot()
            .await
            .map_err(|error| error.context(location))?;
        LakeTableProvider::try_new(&table, snapshot).await
    }
}

#[async_trait]
impl TableProviderFactory for DeltaFactory {
    async fn create(
        &self,
        _state: &dyn Session,
        command: &CreateExternalTable,
    ) -> DFResult<Arc<dyn TableProvider>> {
        let name = command.name.to_string();
        if !command.schema.fields().is_empty() || !command.table_partition_cols.is_empty() {
            return plan_err!(
                "{name}: a Delta table knows its columns and partitions; leave the column list and PARTITIONED BY out"
            );
        }
        if let Some(option) = command.options.keys().min() {
            return plan_err!(
                "{name}: option {option} is not known; a Delta table takes none (stores are configured in paratope.toml)"
            );
        }
        match command.locations.as_slice() {
            [location] => Ok(Arc::new(self.open(&name, location).await?)),
            other => plan_err!(
                "{name}: a Delta table has one location, but {} are given",
                other.len()
            ),
        }
    }
}
