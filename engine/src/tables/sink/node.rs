//! Writing, in a logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::DeltaWriteExec;
use super::files::SCHEMA;
use super::target::SinkTarget;

static DF_SCHEMA: LazyLock<DFSchemaRef> = LazyLock::new(|| {
    let schema = DFSchema::from_unqualified_fields(SCHEMA.fields().clone(), Default::default());
    Arc::new(schema.unwrap_or_else(|_| DFSchema::empty()))
});

/// Writes the rows of its input; gives which files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DeltaWrite {
    input: LogicalPlan,
    target: Arc<SinkTarget>,
}

/// The plan that writes the rows of `input`, which has the columns of the table in their order.
pub(crate) fn write(input: LogicalPlan, target: SinkTarget) -> LogicalPlan {
    let node = DeltaWrite {
        input,
        target: Arc::new(target),
    };
    LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    })
}

/// Whether a plan writes: what it gives is of use as a whole only.
pub(crate) fn is_sink(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Extension(extension) => written(extension.node.as_ref()).is_some(),
        _ => false,
    }
}

fn written(node: &dyn UserDefinedLogicalNode) -> Option<&DeltaWrite> {
    node.as_any().downcast_ref()
}

impl PartialOrd for DeltaWrite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let order = self.input.partial_cmp(&other.input)?;
        (order != Ordering::Equal || self == other).then_some(order)
    }
}

impl UserDefinedLogicalNodeCore for DeltaWrite {
    fn name(&self) -> &str {
        "DeltaWrite"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &DF_SCHEMA
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaWrite: {}", self.target.place.name)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = inputs
            .pop()
            .ok_or_else(|| plan_datafusion_err!("DeltaWrite without an input"))?;
        Ok(Self {
            input,
            target: Arc::clone(&self.target),
        })
    }
}

/// Plans it.
pub(crate) struct SinkPlanner;

#[async_trait]
impl ExtensionPlanner for SinkPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(write), [input]) = (written(node), inputs) else {
            return Ok(None);
        };
        let target = Arc::clone(&write.target);
        Ok(Some(Arc::new(DeltaWriteExec::new(
            target,
            Arc::clone(input),
        ))))
    }
}
