//! Tables of the schema `system` whose rows are what is so now: made anew for each query, kept nowhere.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Result;

/// What tells of a state.
#[async_trait]
pub trait Live: Debug + Send + Sync + 'static {
    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// Its rows now.
    ///
    /// # Errors
    /// Whatever keeps the state from being looked at.
    async fn rows(&self) -> Result<RecordBatch>;
}

/// A state as a table.
#[derive(Debug)]
pub struct LiveTable<L>(pub L);

#[async_trait]
impl<L: Live> TableProvider for LiveTable<L> {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let rows = self.0.rows().await?;
        let rows = MemTable::try_new(self.schema(), vec![vec![rows]])?;
        rows.scan(state, projection, filters, limit).await
    }
}
