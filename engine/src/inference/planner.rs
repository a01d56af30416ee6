//! Plans in which expensive functions are computed where they should be.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};

use super::lift::lift;
use crate::export::encode::EncodePlanner;
use crate::tables::sink::SinkPlanner;

/// DataFusion's planner, behind [`lift`].
#[derive(Debug)]
pub(crate) struct InferencePlanner;

#[async_trait]
impl QueryPlanner for InferencePlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        physical_plan(plan, session).await
    }
}

/// The physical plan of a logical one. Constant calls of language models wait until it runs, where they can be stopped.
///
/// # Errors
/// DataFusion's.
pub(crate) async fn planned(
    state: &SessionState,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    let optimized = udfs::plm::without_computing(|| state.optimize(plan))?;
    let planner = state.query_planner();
    planner.create_physical_plan(&optimized, state).await
}

/// The plan for this process.
///
/// # Errors
/// DataFusion's.
pub(crate) async fn physical_plan(
    plan: &LogicalPlan,
    session: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = lift(plan.clone())?;
    DefaultPhysicalPlanner::with_extension_planners(vec![
        Arc::new(SinkPlanner),
        Arc::new(EncodePlanner),
    ])
    .create_physical_plan(&plan, session)
    .await
}
