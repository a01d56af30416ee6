//! Sorted runs of rows on disk, and their merging.
//!
//! Rows that do not fit into memory leave it as runs, each cut at the same boundaries: so what belongs into one
//! file is merged by itself, and several files are written at once.

use std::sync::Arc;

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{SchemaRef, UInt64Type};
use datafusion::error::Result as DFResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::sorts::streaming_merge::{SortedSpillFile, StreamingMergeBuilder};
use datafusion::physical_plan::spill::get_record_batch_memory_size;

use super::held::Ordered;
use crate::error::{Error, Result};

/// Rows that move at a time: few, as merging holds some of every run.
const ROWS: usize = 256;

/// Runs, by the range of keys that they belong to.
pub struct Runs {
    schema: SchemaRef,
    order: LexOrdering,
    manager: SpillManager,
    /// First key of each range but the first, and the column that has it.
    boundaries: Vec<u64>,
    column: usize,
    ranges: Vec<Vec<SortedSpillFile>>,
}

impl Runs {
    /// None yet, of rows with the columns of `schema` that are sorted by `keys`. Ranges start at `boundaries` of
    /// the first key, a `UInt64`, where there are any.
    ///
    /// # Errors
    /// A key that is no column.
    pub fn new(
        schema: &SchemaRef,
        keys: &[String],
        boundaries: Vec<u64>,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Self> {
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let order = keys
            .iter()
            .map(|key| Ok(PhysicalSortExpr::new(col(key, schema)?, options)))
            .collect::<Result<Vec<_>>>()?;
        let order = LexOrdering::new(order)
            .ok_or_else(|| Error::Internal("rows without keys are to be sorted".into()))?;
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        Ok(Self {
            column: schema.index_of(&keys[0])?,
            schema: Arc::clone(schema),
            order,
            manager: SpillManager::new(Arc::clone(runtime), metrics, Arc::clone(schema)),
            ranges: (0..=boundaries.len()).map(|_| Vec::new()).collect(),
            boundaries,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.iter().all(Vec::is_empty)
    }

    /// Writes a run. It blocks.
    ///
    /// # Errors
    /// A full disk.
    pub fn add(&mut self, rows: &Ordered) -> DFResult<()> {
        let mut start = 0;
        for (index, files) in self.ranges.iter_mut().enumerate() {
            let end = match self.boundaries.get(index) {
                None => rows.len(),
                Some(boundary) => rows.partition_point(|batch, row| {
                    batch
                        .column(self.column)
                        .as_primitive::<UInt64Type>()
                        .value(row)
                        < *boundary
                }),
            };
            let mut file = self.manager.create_in_progress_file("sorted rows")?;
            let mut largest = 0;
            for from in (start..end).step_by(ROWS) {
                let batch = rows.rows(from..end.min(from + ROWS))?;
                largest = largest.max(get_record_batch_memory_size(&batch));
                file.append_batch(&batch)?;
            }
            if let Some(file) = file.finish()? {
                files.push(SortedSpillFile {
                    file,
                    max_record_batch_memory: largest,
                });
            }
            start = end.max(start);
        }
        Ok(())
    }

    /// The rows of each range that has any, merged as they are read, each in so much memory.
    ///
    /// # Errors
    /// A memory limit below a few rows.
    pub fn merged(self, memory: usize) -> DFResult<Vec<SendableRecordBatchStream>> {
        let metrics = ExecutionPlanMetricsSet::new();
        let filled = self.ranges.into_iter().filter(|files| !files.is_empty());
        filled
            .map(|files| {
                // Of its own: of two that share memory, one may take what the other needs.
                let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory));
                StreamingMergeBuilder::new()
                    .with_sorted_spill_files(files)
                    .with_spill_manager(self.manager.clone())
                    .with_schema(Arc::clone(&self.schema))
                    .with_expressions(&self.order)
                    .with_metrics(BaselineMetrics::new(&metrics, 0))
                    .with_batch_size(ROWS)
                    .with_reservation(MemoryConsumer::new("merging of runs").register(&pool))
                    .build()
            })
            .collect()
    }
}
