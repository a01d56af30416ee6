//! The lake as a DataFusion catalog.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{exec_err, not_impl_err, plan_err};
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::SCHEMAS;
use crate::error::Error;
use crate::lake::Lake;
use crate::policy::{Deed, Grants};
use crate::sql::resolve;

/// The lake as a DataFusion catalog, with the external tables of one session laid over it.
#[derive(Debug)]
pub struct LakeCatalog {
    lake: Arc<Lake>,
    grants: Grants,
    schemas: Vec<Arc<LakeSchema>>,
}

impl LakeCatalog {
    /// The catalog of `lake` for a new session of somebody with these grants: what they may not read is not in it.
    pub fn new(lake: &Arc<Lake>, grants: Grants) -> Self {
        let schemas = SCHEMAS
            .iter()
            .map(|name| {
                Arc::new(LakeSchema {
                    lake: Arc::clone(lake),
                    grants: grants.clone(),
                    name,
                    session_tables: RwLock::default(),
                })
            })
            .collect();
        Self {
            lake: Arc::clone(lake),
            grants,
            schemas,
        }
    }

    /// Takes such a table off again.
    pub fn take_off(&self, schema: &str, name: &str) {
        for found in self.schemas.iter().filter(|found| found.name == schema) {
            found.session_tables().remove(name);
        }
    }

    /// What its session may do.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Lays a table of the session over a schema.
    pub fn lay_over(&self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        for found in self.schemas.iter().filter(|found| found.name == schema) {
            found
                .session_tables()
                .insert(name.to_string(), table.clone());
        }
    }

    /// Whether the name stands for an external table of the session.
    pub fn has_session_table(&self, schema: &str, name: &str) -> bool {
        let mut schemas = self.schemas.iter().filter(|found| found.name == schema);
        schemas.any(|found| found.session_table(name).is_some())
    }

    /// The lake.
    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        SCHEMAS.map(str::to_string).to_vec()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let found = self.schemas.iter().find(|schema| schema.name == name)?;
        Some(Arc::clone(found) as Arc<dyn SchemaProvider>)
    }
}

/// One schema of a lake. Each look-up takes the newest snapshot; a statement's scope keeps the first.
#[derive(Debug)]
struct LakeSchema {
    lake: Arc<Lake>,
    grants: Grants,
    name: &'static str,
    /// External tables: they end with the session.
    session_tables: RwLock<BTreeMap<String, Arc<dyn TableProvider>>>,
}

impl LakeSchema {
    fn session_tables(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<dyn TableProvider>>> {
        self.session_tables
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn may_read(&self, name: &str) -> bool {
        self.grants.check(Deed::Read, self.name, name).is_ok()
    }

    fn session_table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.session_tables
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let session = self
            .session_tables
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut names = self.lake.table_names(self.name);
        names.extend(self.lake.view_names(self.name));
        names.retain(|name| self.may_read(name));
        names.extend(session.keys().cloned());
        names
    }

    fn table_exist(&self, name: &str) -> bool {
        let full_name = format!("{}.{name}", self.name);
        self.session_table(name).is_some()
            || self.lake.table(&full_name).is_ok()
            || self.lake.view(&full_name).is_some()
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> DFResult<Option<Arc<dyn TableProvider>>> {
        if self.lake.table(&format!("{}.{name}", self.name)).is_ok() {
            return exec_err!(
                "{}.{name} is a table of the lake; choose another name",
                self.name
            );
        }
        Ok(self.session_tables().insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        if self.lake.table(&format!("{}.{name}", self.name)).is_ok() {
            return not_impl_err!("DROP TABLE of a table of the lake; nothing was changed");
        }
        Ok(self.session_tables().remove(name))
    }

    async fn table(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.session_table(name) {
            return Ok(Some(table));
        }
        let (name, moment) = resolve::split_moment(name)?;
        self.grants.check(Deed::Read, self.name, name)?;
        let full_name = format!("{}.{name}", self.name);
        if let Some(sql) = self.lake.view(&full_name) {
            return match moment {
                None => Ok(Some(Arc::new(StoredView { sql }))),
                Some(moment) => plan_err!(
                    "{full_name} is a view, which has no versions to read {moment}; write VERSION AS OF in its query"
                ),
            };
        }
        let table = match self.lake.table(&full_name) {
            Ok(table) => table,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let reader = match moment {
            Some(moment) => table.reader_at(moment).await?,
            None => table.reader().await?,
        };
        Ok(Some(reader))
    }
}

/// A view as the catalog keeps it; the scope of a statement plans its query.
#[derive(Debug)]
struct StoredView {
    sql: String,
}

#[async_trait]
impl TableProvider for StoredView {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        Some(&self.sql)
    }

    async fn scan(
        &self,
        _state: &dyn datafusion::catalog::Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        exec_err!(
            "a view is planned by the statement that uses it: {}",
            self.sql
        )
    }
}
