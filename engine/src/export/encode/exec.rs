//! The operator that encodes: each of its partitions makes parts of its own.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties as _, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::{TryStreamExt as _, stream};

use super::encoding::{Encoding, Parts, SCHEMA, told};
use crate::error::Error;
use crate::export::encoder::Buffer;

/// Rows that are encoded at a time.
const ROWS: usize = 1_024;

/// Gives the rows of its input as parts of a file.
#[derive(Debug)]
pub(crate) struct EncodeExec {
    encoding: Encoding,
    input: Arc<dyn ExecutionPlan>,
    /// Whether each partition of the input is encoded by itself.
    apart: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl EncodeExec {
    /// One encoder for all rows of `input`, in their order.
    pub fn new(encoding: Encoding, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::with(encoding, input, false)
    }

    pub(super) fn with(encoding: Encoding, input: Arc<dyn ExecutionPlan>, apart: bool) -> Self {
        let partitions = match apart {
            true => input.output_partitioning().partition_count(),
            false => 1,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&SCHEMA)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            encoding,
            input,
            apart,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub(super) fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    /// The same rows encoded where they are computed; parts come together above. Rows that stand in an order are encoded where
    /// they come together.
    pub fn spread(&self) -> Arc<dyn ExecutionPlan> {
        let gathered = self.input.downcast_ref::<CoalescePartitionsExec>();
        let Some(gathered) = gathered.filter(|it| it.fetch().is_none()) else {
            return Arc::new(Self::new(self.encoding.clone(), Arc::clone(&self.input)));
        };
        let apart = Self::with(self.encoding.clone(), Arc::clone(gathered.input()), true);
        Arc::new(CoalescePartitionsExec::new(Arc::new(apart)))
    }
}

impl DisplayAs for EncodeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodeExec: file={}", self.encoding.name())
    }
}

impl ExecutionPlan for EncodeExec {
    fn name(&self) -> &'static str {
        "EncodeExec"
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
            (Some(input), true) => Ok(Arc::new(Self::with(
                self.encoding.clone(),
                input,
                self.apart,
            ))),
            _ => internal_err!("EncodeExec has one child"),
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
        let Some(parts) = self.encoding.parts()? else {
            return internal_err!("{} has no parts", self.encoding.name());
        };
        let encoding = Encoded {
            rows: MetricBuilder::new(&self.metrics).counter("rows_encoded", partition),
            input: self.input.execute(partition, context)?,
            rest: None,
            parts,
        };
        let parts = stream::try_unfold(encoding, |mut encoding| async move {
            let part = encoding.next().await?;
            Ok(part.map(|part| (part, encoding)))
        });
        let parts = RecordBatchStreamAdapter::new(Arc::clone(&SCHEMA), parts);
        Ok(Box::pin(parts))
    }
}

/// A partition that is encoded.
struct Encoded {
    input: SendableRecordBatchStream,
    /// What is left of a batch.
    rest: Option<RecordBatch>,
    parts: Parts,
    rows: Count,
}

impl Encoded {
    /// Few enough rows that a part does not become much larger than it is meant to, however wide they are.
    async fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.input.try_next().await?,
        };
        Ok(batch.map(|batch| match batch.num_rows() {
            rows if rows > ROWS => {
                self.rest = Some(batch.slice(ROWS, rows - ROWS));
                batch.slice(0, ROWS)
            }
            _ => batch,
        }))
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let buffer = Buffer::default();
        let schema = self.input.schema();
        let mut encoder = self
            .parts
            .encoder(&schema, false, buffer.clone())
            .map_err(sent)?;
        let mut bytes = Vec::new();
        let mut rows = 0;
        while let Some(batch) = self.batch().await? {
            encoder.write(&batch).map_err(sent)?;
            rows += batch.num_rows();
            bytes.append(&mut buffer.take());
            if self.parts.is_full(rows, bytes.len()) {
                break;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        encoder.finish().map_err(sent)?;
        bytes.append(&mut buffer.take());
        self.rows.add(rows);
        told(bytes, rows as u64).map(Some)
    }
}

/// What is wrong with the rows: another node's word for it has to arrive as that.
fn sent(error: Error) -> DataFusionError {
    match error {
        Error::Invalid(message) => DataFusionError::Plan(message),
        other => other.into(),
    }
}
