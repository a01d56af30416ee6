//! A part of a plan that runs with the lake's own store.
//!
//! deltalake's scan looks for files under the table's real URL, where the session has a store for statements, which the
//! lake's files are kept from. Below this node, the URL means the lake's own store.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{
    SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};

use crate::storage::{Storage, with_store};

/// The session's runtime, in which the lake's real URL means the lake's own store.
pub fn runtime(session: &RuntimeEnv, lake: &Storage) -> Arc<RuntimeEnv> {
    with_store(session, lake.url().clone(), Arc::clone(lake.store()))
}

/// The session with that runtime.
///
/// # Errors
/// A session of another kind than ours.
pub fn state(session: &dyn Session, runtime: &Arc<RuntimeEnv>) -> Result<SessionState> {
    let state = session
        .as_any()
        .downcast_ref::<SessionState>()
        .ok_or_else(|| internal_datafusion_err!("the session has no SessionState"))?;
    Ok(SessionStateBuilder::new_from_existing(state.clone())
        .with_runtime_env(Arc::clone(runtime))
        .build())
}

/// Runs its input with a runtime of its own.
#[derive(Debug)]
pub struct ScopedExec {
    input: Arc<dyn ExecutionPlan>,
    runtime: Arc<RuntimeEnv>,
}

impl ScopedExec {
    /// `input`, which will run with `runtime`.
    pub fn new(input: Arc<dyn ExecutionPlan>, runtime: Arc<RuntimeEnv>) -> Self {
        Self { input, runtime }
    }
}

impl DisplayAs for ScopedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopedExec")
    }
}

impl ExecutionPlan for ScopedExec {
    fn name(&self) -> &str {
        "ScopedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, Arc::clone(&self.runtime)))),
            _ => Err(internal_datafusion_err!("ScopedExec has one child")),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let scoped = TaskContext::new(
            context.task_id(),
            context.session_id(),
            context.session_config().clone(),
            context.scalar_functions().clone(),
            context.higher_order_functions().clone(),
            context.aggregate_functions().clone(),
            context.window_functions().clone(),
            Arc::clone(&self.runtime),
        );
        self.input.execute(partition, Arc::new(scoped))
    }
}
