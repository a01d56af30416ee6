//! Encoding, in a logical plan.

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

use super::encoding::{Encoding, SCHEMA};
use super::exec::EncodeExec;

static DF_SCHEMA: LazyLock<DFSchemaRef> = LazyLock::new(|| {
    let schema = DFSchema::from_unqualified_fields(SCHEMA.fields().clone(), Default::default());
    Arc::new(schema.unwrap_or_else(|_| DFSchema::empty()))
});

/// Gives the rows of its input as parts of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Encode {
    input: LogicalPlan,
    encoding: Encoding,
}

/// The plan that gives the rows of `input` as parts of a file.
pub(crate) fn encode(input: LogicalPlan, encoding: Encoding) -> LogicalPlan {
    let node = Arc::new(Encode { input, encoding });
    LogicalPlan::Extension(Extension { node })
}

impl PartialOrd for Encode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let order = self.input.partial_cmp(&other.input)?;
        Some(order.then_with(|| self.encoding.cmp(&other.encoding)))
    }
}

impl UserDefinedLogicalNodeCore for Encode {
    fn name(&self) -> &str {
        "Encode"
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
        write!(f, "Encode: {}", self.encoding.name())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = inputs
            .pop()
            .ok_or_else(|| plan_datafusion_err!("Encode without an input"))?;
        Ok(Self {
            input,
            encoding: self.encoding.clone(),
        })
    }
}

/// Plans it.
pub(crate) struct EncodePlanner;

#[async_trait]
impl ExtensionPlanner for EncodePlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let encode: Option<&Encode> = node.as_any().downcast_ref();
        let (Some(encode), [input]) = (encode, inputs) else {
            return Ok(None);
        };
        let exec = EncodeExec::new(encode.encoding.clone(), Arc::clone(input));
        Ok(Some(Arc::new(exec)))
    }
}
