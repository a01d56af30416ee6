//! The parts of a result that nodes give to a client themselves, side by side.

use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_distributed::{
    DistributedCodec, DistributedExec, DistributedLeafExec, NetworkBoundary as _,
    NetworkCoalesceExec,
};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use url::Url;

use super::cluster::Cluster;
use super::node::read_our_operators;
use super::planner::asks_models;
use crate::inference::{InferenceExec, Whose};
use crate::session::Sessions;
use crate::tables::with_counted_readers;

/// Largest part, bytes: it travels to the client and back within a ticket, in messages of at most 4 MiB.
const MOST: usize = 512 << 10;
/// Behind the scope of known results (see [`Whose`]) of whoever planned a part, which goes before the plan.
const END_OF_SCOPE: u8 = 0;

/// A part of a result.
#[derive(Debug, Clone)]
pub struct Part {
    /// The node that gives it.
    pub node: Url,
    /// What it computes; of use to nodes of the cluster only.
    pub plan: Vec<u8>,
}

/// The parts of a distributed plan whose rows need nothing but to be put together. `None` for others: what groups, sorts,
/// joins or stops after some rows ends in one place.
///
/// # Errors
/// A plan that cannot be encoded.
pub(crate) fn parts(
    plan: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
) -> Result<Option<Vec<Part>>> {
    let Some(cluster) = state.config().get_extension::<Cluster>() else {
        return Ok(None);
    };
    let Some((stage, tasks)) = only_stage(plan) else {
        return Ok(None);
    };
    let nodes = cluster.ready_for(asks_models(stage)?);
    if nodes.is_empty() || !is_row_by_row(stage)? {
        return Ok(None);
    }
    let codec = DistributedCodec::new_combined_with_user(state.config());
    let scope = Whose::scope(state.config());
    let mut parts = Vec::with_capacity(tasks);
    for (task, node) in (0..tasks).zip(nodes.iter().cycle()) {
        let of_task = Arc::clone(stage).transform_up(|node| {
            let variant = node
                .downcast_ref::<DistributedLeafExec>()
                .and_then(|leaf| leaf.variants().get(task));
            Ok(match variant {
                Some(variant) => Transformed::yes(Arc::clone(variant)),
                None => Transformed::no(node),
            })
        });
        let plan = physical_plan_to_bytes_with_extension_codec(of_task.data()?, &codec)?;
        if plan.len() > MOST {
            return Ok(None);
        }
        parts.push(Part {
            node: node.clone(),
            plan: [scope.as_bytes(), &[END_OF_SCOPE], &plan].concat(),
        });
    }
    Ok(Some(parts))
}

/// What nodes compute, and in how many tasks, where the coordinator only puts rows together.
fn only_stage(plan: &Arc<dyn ExecutionPlan>) -> Option<(&Arc<dyn ExecutionPlan>, usize)> {
    let mut root = *plan.downcast_ref::<DistributedExec>()?.children().first()?;
    if let Some(gathered) = root.downcast_ref::<CoalescePartitionsExec>() {
        if gathered.fetch().is_some() {
            return None;
        }
        root = gathered.input();
    }
    let stage = root.downcast_ref::<NetworkCoalesceExec>()?.input_stage();
    Some((stage.local_plan()?, stage.task_count()))
}

fn is_row_by_row(stage: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut is = true;
    let mut leaves = 0;
    stage.apply(|node| {
        is &= node.is::<FilterExec>()
            || node.is::<ProjectionExec>()
            || node.is::<InferenceExec>()
            || node.is::<RepartitionExec>()
            || node.is::<DistributedLeafExec>()
            || node.is::<DataSourceExec>();
        is &= node.fetch().is_none();
        leaves += usize::from(node.is::<DistributedLeafExec>());
        Ok(match is {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    // Of several, some would be read by every task.
    Ok(is && leaves == 1)
}

/// Computes a part that another process of the cluster planned.
///
/// # Errors
/// What is no plan; the plan's own.
pub fn compute(
    sessions: &Sessions,
    plan: &[u8],
) -> crate::error::Result<SendableRecordBatchStream> {
    let mut state = sessions.lake_state()?;
    let end = plan.iter().position(|byte| *byte == END_OF_SCOPE);
    let (scope, plan) = plan.split_at(end.unwrap_or(0));
    let plan = plan.get(1..).unwrap_or_default();
    let scope = String::from_utf8_lossy(scope).into_owned();
    Whose { scope }.apply(&mut state);
    let config = state.config_mut();
    read_our_operators(config);
    let codec = DistributedCodec::new_combined_with_user(config);
    let context = state.task_ctx();
    let plan = physical_plan_from_bytes_with_extension_codec(plan, &context, &codec)?;
    let plan = with_counted_readers(plan)?;
    Ok(execute_stream(plan, context)?)
}
