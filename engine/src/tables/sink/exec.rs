//! The operator that writes: each of its partitions sorts its rows and writes files of its own.

use std::fmt;
use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryLimit, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties as _, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, stream};

use super::files::{SCHEMA, told};
use super::target::SinkTarget;
use crate::error::Error;
use crate::queries::Within;
use crate::tables::write::{as_stored, sorted_files};

/// Rows that are sorted and written at a time.
const ROWS: usize = 1_024;

/// Writes the rows of its input, which has the columns of the table, into the table's folder, and gives which files. They are
/// no part of the table before somebody commits them.
#[derive(Debug)]
pub(crate) struct DeltaWriteExec {
    target: Arc<SinkTarget>,
    input: Arc<dyn ExecutionPlan>,
    /// Whether each partition of the input is written by itself: then each makes files of its own.
    apart: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DeltaWriteExec {
    /// One writer for all rows of `input`: few files, each sorted.
    pub fn new(target: Arc<SinkTarget>, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::with(target, input, false)
    }

    pub(super) fn with(
        target: Arc<SinkTarget>,
        input: Arc<dyn ExecutionPlan>,
        apart: bool,
    ) -> Self {
        let partitions = match apart {
            true => input.output_partitioning().partition_count(),
            false => 1,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&SCHEMA)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            target,
            input,
            apart,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub(super) fn target(&self) -> &SinkTarget {
        &self.target
    }

    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    /// The same rows written where they are computed, by as many writers as there are partitions; what they tell comes
    /// together above them.
    pub fn spread(&self) -> Arc<dyn ExecutionPlan> {
        let gathered = self.input.downcast_ref::<CoalescePartitionsExec>();
        // One that stops after so many rows counts all of them.
        let input = match gathered {
            Some(gathered) if gathered.fetch().is_none() => gathered.input(),
            _ => &self.input,
        };
        let apart = Self::with(Arc::clone(&self.target), Arc::clone(input), true);
        Arc::new(CoalescePartitionsExec::new(Arc::new(apart)))
    }
}

impl DisplayAs for DeltaWriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaWriteExec: table={}", self.target.place.name)
    }
}

impl ExecutionPlan for DeltaWriteExec {
    fn name(&self) -> &'static str {
        "DeltaWriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![match self.apart {
            true => Distribution::UnspecifiedDistribution,
            false => Distribution::SinglePartition,
        }]
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
            (Some(input), true) => Ok(Arc::new(Self::with(
                Arc::clone(&self.target),
                input,
                self.apart,
            ))),
            _ => internal_err!("DeltaWriteExec has one child"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let store = self.target.place.store(&context)?;
        let files = MetricBuilder::new(&self.metrics).counter("files_written", partition);
        let rows = MetricBuilder::new(&self.metrics).counter("rows_written", partition);
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let target = Arc::clone(&self.target);
        let stored = Arc::clone(&target.schema);
        let input = input.map(move |batch| as_stored(&batch?, &stored));
        let input = RecordBatchStreamAdapter::new(Arc::clone(&target.schema), input);
        let writers = self.properties.partitioning.partition_count();
        let context = sorting(&context, target.place.sort_bytes, writers);
        let write = async move {
            let layout = &target.place.layout;
            let written = sorted_files(store, layout, Box::pin(input), context).await;
            let written = written.map_err(|error| match error {
                // What is wrong with the rows: another node's word for it has to arrive as that.
                Error::Invalid(message) => DataFusionError::Plan(message),
                other => other.into(),
            })?;
            files.add(written.adds.len());
            rows.add(usize::try_from(written.rows).unwrap_or(usize::MAX));
            told(&written)
        };
        let told = RecordBatchStreamAdapter::new(Arc::clone(&SCHEMA), stream::once(write));
        Ok(Box::pin(told))
    }
}

/// The context in which one of several writers sorts its rows: in so many bytes of the query's memory, in small batches, of
/// which few are held at a time while they are written.
fn sorting(context: &TaskContext, bytes: usize, writers: usize) -> Arc<TaskContext> {
    // What one of them merges it must have whatever the others took; half is left to what computes the rows.
    let bytes = match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(limit) => bytes.min(limit / (2 * writers.max(1))),
        _ => bytes,
    };
    let own: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(bytes));
    let pool = Within::new(own, context.memory_pool());
    let runtime = RuntimeEnv {
        memory_pool: Arc::new(pool),
        ..context.runtime_env().as_ref().clone()
    };
    let config = context
        .session_config()
        .clone()
        .with_batch_size(ROWS)
        // Merging needs the sort keys of all that is in memory: with DataFusion's 10 MB it may fail where rows are narrow.
        .with_sort_spill_reservation_bytes(bytes / 4);
    let context = TaskContext::default().with_session_config(config);
    Arc::new(context.with_runtime(Arc::new(runtime)))
}
