//! Some files of the source as the table that a job's query reads.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::tables::maintenance::{CHANGE_TYPE, Changes};

/// Columns that changes have beside the table's.
const OF_CHANGES: usize = 3;

/// Rows of some files, with the columns of the table and no others.
#[derive(Debug)]
pub struct Chunk {
    changes: Changes,
    schema: SchemaRef,
}

impl Chunk {
    /// The new rows of `changes`: those that were inserted, and updated ones as they are now.
    pub fn new(changes: Changes) -> Self {
        let all = changes.schema();
        let columns = all.fields().len().saturating_sub(OF_CHANGES);
        Self {
            schema: Arc::new(Schema::new(
                all.fields()
                    .iter()
                    .take(columns)
                    .cloned()
                    .collect::<Vec<_>>(),
            )),
            changes,
        }
    }
}

#[async_trait]
impl TableProvider for Chunk {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DFResult<Vec<TableProviderFilterPushDown>> {
        self.changes.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.cloned().unwrap_or(all);
        if !self.changes.has_change_files() {
            return self
                .changes
                .scan(state, Some(&columns), filters, limit)
                .await;
        }
        // Change files tell the old rows too. Which they are is asked of each row, not of the file alone.
        let is_new = Expr::Column(Column::from_name(CHANGE_TYPE))
            .in_list(vec![lit("insert"), lit("update_postimage")], false);
        let mut with_kind = columns.clone();
        with_kind.push(self.schema.fields().len());
        let scan = self
            .changes
            .scan(state, Some(&with_kind), filters, None)
            .await?;
        let schema = DFSchema::try_from(scan.schema())?;
        let rows = FilterExec::try_new(state.create_physical_expr(is_new, &schema)?, scan)?;
        let kept = schema
            .fields()
            .iter()
            .take(columns.len())
            .enumerate()
            .map(|(index, field)| {
                let column = PhysicalColumn::new(field.name(), index);
                (
                    Arc::new(column) as Arc<dyn PhysicalExpr>,
                    field.name().clone(),
                )
            });
        Ok(Arc::new(ProjectionExec::try_new(
            kept.collect::<Vec<_>>(),
            Arc::new(rows),
        )?))
    }
}
