//! The operator that computes expensive functions.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::common::{Statistics, internal_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs, Projector};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput as _,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties as _, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::calls::{is_expensive_physical, is_physical_call};
use super::memo::Memo;
use super::models::{ModelCall, Models};
use super::part::Part;
use super::progress::Progress;
use super::remembered::{Across, Counts, Remembered};
use super::whose::Whose;

/// What the results that one operator remembers may take, in bytes.
const REMEMBERED: usize = 64 << 20;

/// Replacement of a child by one that may be of another kind.
pub(super) const RECOMPUTE: ReplaceChildrenOptions =
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);

/// A call and what it remembers.
type Kept = (Arc<dyn PhysicalExpr>, Arc<Memo>);

/// Puts [`InferenceExec`] in place of projections with expensive functions. Runs before DataFusion's rules, which would move
/// the functions into scans.
#[derive(Debug)]
pub(crate) struct UseInference;

impl PhysicalOptimizerRule for UseInference {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(projection) = node.downcast_ref::<ProjectionExec>() else {
                return Ok(Transformed::no(node));
            };
            let has_calls = projection
                .expr()
                .iter()
                .any(|it| is_expensive_physical(&it.expr));
            Ok(match has_calls {
                true => Transformed::yes(apart(projection)?),
                false => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "paratope_inference"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A projection of the columns that [`InferenceExec`] computes below it.
fn apart(projection: &ProjectionExec) -> Result<Arc<dyn ExecutionPlan>> {
    let input = projection.input();
    let columns = input.schema();
    let mut names: HashSet<String> = columns
        .fields()
        .iter()
        .map(|it| it.name().clone())
        .collect();
    let mut computed = Vec::new();
    let above = projection.expr().iter().map(|each| {
        if !is_expensive_physical(&each.expr) {
            return each.clone();
        }
        let name = free(&mut names, &each.alias);
        let column = Column::new(&name, columns.fields().len() + computed.len());
        computed.push(ProjectionExpr::new(Arc::clone(&each.expr), name));
        ProjectionExpr::new(Arc::new(column), &each.alias)
    });
    let above: Vec<ProjectionExpr> = above.collect();
    let inference = Arc::new(InferenceExec::try_new(computed, Arc::clone(input))?);
    let schema = projection.schema();
    let projected = ProjectionExec::try_new_with_schema_metadata(above, inference, &schema)?;
    Ok(Arc::new(projected))
}

/// The name, or one like it that is free. It is taken from now on.
pub(super) fn free(taken: &mut HashSet<String>, name: &str) -> String {
    let mut candidate = name.to_string();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}_{number}");
    }
    candidate
}

/// Computes expensive expressions by all threads, equal inputs once, and appends them to the columns of its input: where it
/// stands in a plan, DataFusion takes the first columns of an operator for those of its input. It keeps the order of its rows
/// and the size of its batches.
#[derive(Debug)]
pub(crate) struct InferenceExec {
    /// All columns of the input, then what is computed.
    projection: ProjectionExec,
    metrics: ExecutionPlanMetricsSet,
    /// What each call remembers, for all partitions.
    memos: Mutex<Vec<Kept>>,
}

impl InferenceExec {
    /// Computes `expressions` behind the columns of `input`.
    ///
    /// # Errors
    /// Expressions over other columns.
    pub fn try_new(
        expressions: Vec<ProjectionExpr>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let schema = input.schema();
        let columns = schema.fields().iter().enumerate().map(|(index, field)| {
            let column = Column::new(field.name(), index);
            ProjectionExpr::new(Arc::new(column), field.name())
        });
        let all: Vec<ProjectionExpr> = columns.chain(expressions).collect();
        Ok(Self::new(ProjectionExec::try_new(all, input)?))
    }

    fn new(projection: ProjectionExec) -> Self {
        Self {
            projection,
            metrics: ExecutionPlanMetricsSet::new(),
            memos: Mutex::default(),
        }
    }

    /// What it computes.
    fn computed(&self) -> &[ProjectionExpr] {
        let columns = self.projection.input().schema().fields().len();
        &self.projection.expr()[columns..]
    }

    /// The same as `plan`, which is a projection of the kind that it holds.
    ///
    /// # Errors
    /// It is none.
    pub fn of(plan: &dyn ExecutionPlan) -> Result<Self> {
        let projection = plan.downcast_ref::<ProjectionExec>();
        let projection = projection
            .ok_or_else(|| internal_datafusion_err!("{} is no projection", plan.name()))?;
        Ok(Self::new(projection.clone()))
    }

    /// What it computes, as a plain projection.
    pub fn projection(&self) -> &ProjectionExec {
        &self.projection
    }

    /// The calls of language models in it.
    pub fn model_calls(&self) -> Result<Vec<ModelCall>> {
        let mut calls = Vec::new();
        for each in self.computed() {
            each.expr.apply(|part| {
                calls.extend(ModelCall::of(part));
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(calls)
    }

    fn memo(&self, call: &Arc<dyn PhysicalExpr>, context: &TaskContext) -> Arc<Memo> {
        let mut memos = self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, memo)) = memos.iter().find(|(known, _)| known == call) {
            return Arc::clone(memo);
        }
        let memo = Arc::new(Memo::new(REMEMBERED, context.memory_pool()));
        memos.push((Arc::clone(call), Arc::clone(&memo)));
        memo
    }

    /// The projection, whose expensive calls look for what they computed already.
    fn remembering(
        &self,
        partition: usize,
        context: &TaskContext,
        models: Option<&Arc<Models>>,
    ) -> Result<Projector> {
        let counts = Counts {
            computed: MetricBuilder::new(&self.metrics).counter("calls_computed", partition),
            remembered: MetricBuilder::new(&self.metrics).counter("calls_remembered", partition),
            known: models
                .map(|_| MetricBuilder::new(&self.metrics).counter("cache_hits", partition)),
        };
        let scope = Whose::scope(context.session_config());
        let expressions = self.projection.expr().iter().map(|each| {
            let expression = Arc::clone(&each.expr).transform_up(|part| {
                let Some(call) = part.downcast_ref::<ScalarFunctionExpr>() else {
                    return Ok(Transformed::no(part));
                };
                if !is_physical_call(call) {
                    return Ok(Transformed::no(part));
                }
                let memo = self.memo(&part, context);
                let across = Across::of(&part, models, scope);
                let call = Remembered::new(part, memo, across, counts.clone());
                Ok(Transformed::yes(Arc::new(call) as Arc<dyn PhysicalExpr>))
            })?;
            Ok(ProjectionExpr::new(expression.data, &each.alias))
        });
        let expressions: Vec<ProjectionExpr> = expressions.collect::<Result<_>>()?;
        ProjectionExprs::new(expressions)
            .make_projector_with_schema_metadata(&self.projection.input().schema(), &self.schema())
    }
}

impl DisplayAs for InferenceExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expressions = self.computed().iter().map(|each| {
            let expression = each.expr.to_string();
            match expression == each.alias {
                true => expression,
                false => format!("{expression} as {}", each.alias),
            }
        });
        let expressions: Vec<String> = expressions.collect();
        match t {
            DisplayFormatType::TreeRender => write!(f, "{}", expressions.join(", ")),
            _ => write!(f, "InferenceExec: expr=[{}]", expressions.join(", ")),
        }
    }
}

impl ExecutionPlan for InferenceExec {
    fn name(&self) -> &'static str {
        "InferenceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.projection.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.projection.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.projection.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = Arc::new(self.projection.clone()).replace_children(children, options)?;
        Ok(Arc::new(Self::of(projection.as_ref())?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, RECOMPUTE)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let calls = self.model_calls()?;
        let models = match calls.is_empty() {
            true => None,
            false => Models::of(context.session_config()),
        };
        let projector = Arc::new(self.remembering(partition, &context, models.as_ref())?);
        let schema = self.schema();
        let threads = context.session_config().target_partitions().max(1);
        // Batches in work, so that every thread has something while one batch ends.
        let partitions = self
            .projection
            .input()
            .output_partitioning()
            .partition_count();
        let ahead = (2 * threads).div_ceil(partitions.max(1)).min(2);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let computing = metrics.elapsed_compute().clone();
        let scope = Whose::scope(context.session_config()).to_string();
        let input = self.projection.input().execute(partition, context)?;
        let given = Arc::clone(&schema);
        let progress = Progress::new(calls, &self.metrics, partition);
        let rows = async move {
            let progress = Arc::new(progress.begin(models.as_ref(), &scope).await?);
            let waiting = progress.waiting();
            let ending = Arc::clone(&progress);
            let rows = progress
                .pieces(input)
                .map(move |batch| {
                    let part = Part {
                        projector: Arc::clone(&projector),
                        schema: Arc::clone(&given),
                        computing: computing.clone(),
                        progress: Arc::clone(&progress),
                    };
                    async move {
                        let batch = batch?;
                        part.progress.fetch(&batch).await;
                        part.in_shares(batch, threads).await
                    }
                })
                .buffered(ahead)
                .map_ok(move |batch| {
                    let _ = &waiting;
                    batch.record_output(&metrics)
                });
            let end = stream::once(async move { ending.end().await });
            let rows = rows.chain(end.filter_map(async |()| None));
            Ok::<_, DataFusionError>(rows)
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.projection.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        input: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.projection.statistics_from_inputs(input, args)
    }

    /// Conditions on columns of the input hold below as well.
    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
