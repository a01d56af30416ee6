//! Which plans are distributed: those that read enough of the lake, or compute enough, to be worth the way, and that every
//! node can carry out.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session as DataFusionSession;
use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, PlanType, StringifiedPlan};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DesiredTaskCountEvent, DistributedCodec, DistributedExt as _, RouteTasksEvent,
    RouteTasksEventResponse, ScaleUpLeafNodeEvent, SessionStateBuilderExt as _, WorkerResolver,
    display_plan_ascii,
};
use datafusion_proto::bytes::physical_plan_to_bytes_with_extension_codec;

use super::cluster::{ASKS_MODELS, Cluster};
use super::node::read_our_operators;
use super::retry::is_distributed;
use super::spread::{self, COST};
use crate::config::ClusterConfig;
use crate::export::encode::EncodeExec;
use crate::inference::{self, InferenceExec, physical_plan};
use crate::tables::sink::DeltaWriteExec;

tokio::task_local! {
    /// A plan of this process that is to be distributed.
    static LOCAL: Arc<dyn ExecutionPlan>;
}

/// The session, whose plans are distributed over `cluster` where that is worth it.
///
/// # Errors
/// Options that `datafusion-distributed` refuses.
pub(crate) fn distributed(state: SessionState, cluster: &Arc<Cluster>) -> Result<SessionState> {
    let config = Arc::new(cluster.config().clone());
    let desired = {
        let config = Arc::clone(&config);
        move |event: DesiredTaskCountEvent<'_>| spread::desired(event, &config)
    };
    let nodes = Arc::clone(cluster);
    // Scans are split in the same order of nodes.
    let route = move |event: RouteTasksEvent<'_>| {
        let routed = asks_models(event.plan).and_then(|asks| nodes.workers(asks));
        let routed = routed.map(|urls| {
            let urls = urls.iter().cycle().take(event.task_count);
            RouteTasksEventResponse::new(urls.cloned().collect())
        });
        Some(routed)
    };
    let nodes = Arc::clone(cluster);
    let spread = move |event: ScaleUpLeafNodeEvent<'_>| {
        let asks_models = ASKS_MODELS.try_with(|it| *it).unwrap_or(false);
        spread::spread(event, &nodes.ready_for(asks_models))
    };
    let mut state = SessionStateBuilder::new_from_existing(state);
    if let Some(config) = state.config() {
        config.set_extension(Arc::clone(cluster));
        read_our_operators(config);
    }
    let state = state
        .with_query_planner(Arc::new(Made))
        .with_distributed_planner()
        .with_distributed_compression(config.compression.into())?
        .with_distributed_worker_resolver(Arc::clone(cluster) as Arc<dyn WorkerResolver>)
        .with_distributed_channel_resolver(cluster.channels() as Arc<_>)
        .with_distributed_desired_task_count_handler(desired)
        .with_distributed_scale_up_leaf_node_handler(spread)
        .with_distributed_route_tasks_handler(route)
        .build();
    // Subqueries that should give one value and give several would not be noticed as joins.
    let mut builder = SessionStateBuilder::new_from_existing(state);
    if let Some(config) = builder.config() {
        let options = &mut config.options_mut().optimizer;
        options.enable_physical_uncorrelated_scalar_subquery = true;
    }
    let state = builder.build();
    let planner = Planner {
        distributing: Arc::clone(state.query_planner()),
        cluster: Arc::clone(cluster),
    };
    Ok(SessionStateBuilder::new_from_existing(state)
        .with_query_planner(Arc::new(planner))
        .build())
}

/// Whether nodes may compute plans of a session.
pub(crate) fn has_nodes(config: &SessionConfig) -> bool {
    let cluster = config.get_extension::<Cluster>();
    cluster.is_some_and(|cluster| !cluster.is_alone())
}

/// Plans for this process, and distributes what is worth it.
#[derive(Debug)]
struct Planner {
    distributing: Arc<dyn QueryPlanner + Send + Sync>,
    cluster: Arc<Cluster>,
}

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn DataFusionSession,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let local = physical_plan(plan, session).await?;
        if self.cluster.is_alone() {
            return Ok(local);
        }
        if let (LogicalPlan::Explain(explain), Some(shown)) =
            (plan, local.downcast_ref::<ExplainExec>())
        {
            let explained = self.create_physical_plan(&explain.plan, session).await?;
            return Ok(match is_distributed(&explained) {
                true => Arc::new(shown_distributed(shown, explained.as_ref())),
                false => local,
            });
        }
        let cost = cost(&local)?;
        if !is_worth_it(&local, self.cluster.config(), cost)? {
            return Ok(local);
        }
        if let Err(error) = travels(&local, session) {
            tracing::warn!(
                error = error.strip_backtrace(),
                "a plan cannot travel, and is computed here"
            );
            return Ok(local);
        }
        // Rows are written where they are computed.
        let write = local.downcast_ref().map(DeltaWriteExec::spread);
        let encode = local.downcast_ref().map(EncodeExec::spread);
        let local = write.or(encode).unwrap_or(local);
        let distributing = self.distributing.create_physical_plan(plan, session);
        let asks_models = asks_models(&local)?;
        let distributing = ASKS_MODELS.scope(asks_models, distributing);
        LOCAL.scope(local, COST.scope(cost, distributing)).await
    }
}

/// What EXPLAIN shows, with the stages and their tasks in place of the local plan.
fn shown_distributed(shown: &ExplainExec, plan: &dyn ExecutionPlan) -> ExplainExec {
    let stages = display_plan_ascii(plan, false);
    let plans = shown.stringified_plans().iter().map(|each| {
        match each.plan_type == PlanType::FinalPhysicalPlan {
            true => StringifiedPlan::new(PlanType::FinalPhysicalPlan, stages.as_str()),
            false => each.clone(),
        }
    });
    ExplainExec::new(shown.schema(), plans.collect(), shown.verbose())
}

/// The plan that was made already.
#[derive(Debug)]
struct Made;

#[async_trait]
impl QueryPlanner for Made {
    async fn create_physical_plan(
        &self,
        _: &LogicalPlan,
        _: &dyn DataFusionSession,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        LOCAL
            .try_with(Arc::clone)
            .map_err(|_| internal_datafusion_err!("there is no plan to distribute"))
    }
}

/// What a row costs in the functions of a plan, in alignments of a sequence.
fn cost(plan: &Arc<dyn ExecutionPlan>) -> Result<u64> {
    let mut most = 0;
    plan.apply(|node| {
        node.apply_expressions(&mut |expression| {
            most = most.max(inference::cost(expression));
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(most)
}

/// Whether a plan, or the part of it that is one stage, asks language models.
pub(super) fn asks_models(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut asks = false;
    plan.apply(|node| {
        if let Some(inference) = node.downcast_ref::<InferenceExec>() {
            asks |= !inference.model_calls()?.is_empty();
        }
        Ok(match asks {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(asks)
}

/// Whether every leaf is read by every node alike, and one of them is worth more than one task.
fn is_worth_it(plan: &Arc<dyn ExecutionPlan>, config: &ClusterConfig, cost: u64) -> Result<bool> {
    let mut tasks = 1;
    let mut travels = true;
    plan.apply(|node| {
        if node.is::<ExplainExec>() {
            travels = false;
        } else if node.children().is_empty() {
            match spread::scan(node.as_ref()) {
                Some(scan) if spread::is_shared(scan) => {
                    tasks = tasks.max(spread::tasks(scan, config, cost));
                }
                _ => travels &= node.is::<EmptyExec>() || node.is::<PlaceholderRowExec>(),
            }
        } else if !node.is::<AnalyzeExec>() && stays(node.as_ref()) {
            travels = false;
        }
        Ok(match travels {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(travels && tasks > 1)
}

/// Whether a plan can be encoded. Found out here: a stage that cannot has its node wait for ten seconds.
///
/// # Errors
/// What cannot.
fn travels(plan: &Arc<dyn ExecutionPlan>, session: &dyn DataFusionSession) -> Result<()> {
    // Scans can, and are the largest part.
    let without_scans = Arc::clone(plan).transform_up(|node| {
        Ok(match spread::scan(node.as_ref()) {
            Some(_) => Transformed::yes(Arc::new(
                EmptyExec::new(node.schema())
                    .with_partitions(node.output_partitioning().partition_count()),
            ) as _),
            None => Transformed::no(node),
        })
    })?;
    let codec = DistributedCodec::new_combined_with_user(session.config());
    physical_plan_to_bytes_with_extension_codec(without_scans.data, &codec).map(|_| ())
}

/// Operators that only this process can carry out: one of ours that needs the session, and subqueries that give one value,
/// whose value would have to be there before the plan is sent.
fn stays(node: &dyn ExecutionPlan) -> bool {
    matches!(node.name(), "ScopedExec" | "ScalarSubqueryExec")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion_distributed::DistributedConfig;

    use super::*;
    use crate::config::{Config, NodeCompression};
    use crate::lake::Lake;
    use crate::session::bare_context;
    use crate::storage::IoThreads;

    #[tokio::test]
    async fn rows_between_nodes_are_compressed_as_is_set() {
        for (set, expected) in [
            (NodeCompression::None, "none"),
            (NodeCompression::Lz4, "lz4"),
            (NodeCompression::Zstd, "zstd"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut config = Config::default();
            config.lake.url = folder.path().join("lake").display().to_string();
            config.cluster.compression = set;
            let lake = Lake::open_or_init(&config).await.unwrap();
            let io = IoThreads::current().unwrap();
            let cluster = Cluster::open(&config.cluster, &lake, io).await.unwrap();
            let state = distributed(bare_context().unwrap().state(), &cluster).unwrap();
            let options = DistributedConfig::from_session_config(state.config()).unwrap();
            assert_eq!(options.compression, expected);
        }
    }
}
