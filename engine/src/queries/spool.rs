//! Rows that are computed ahead of their reader: they wait on the disk, within the quota of what spills.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SpillFile;
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};

use crate::error::{Error, Result};
use crate::session::Session;

/// All rows of a statement; they go with the last reader.
pub struct Spool {
    manager: SpillManager,
    file: Option<Arc<dyn SpillFile>>,
    rows: usize,
    bytes: usize,
}

impl Spool {
    /// Takes rows until there are no more.
    ///
    /// # Errors
    /// The rows' own; `Exhausted` where the disk or its quota (`query.spill_bytes`) is full.
    pub async fn fill(
        session: &Session,
        schema: SchemaRef,
        rows: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<Self> {
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let runtime = session.context().runtime_env();
        let manager = SpillManager::new(runtime, metrics, schema);
        let mut file = manager.create_in_progress_file("rows that wait for their reader")?;
        let (mut count, mut bytes) = (0, 0);
        let mut rows = std::pin::pin!(rows);
        while let Some(batch) = rows.try_next().await? {
            count += batch.num_rows();
            bytes += batch.get_array_memory_size();
            file.append_batch(&batch)?;
        }
        Ok(Self {
            file: file.finish()?,
            manager,
            rows: count,
            bytes,
        })
    }

    /// Columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        self.manager.schema()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How much memory they took together, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows, from the first.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        Ok(match &self.file {
            None => stream::empty().boxed(),
            Some(file) => {
                let rows = self.manager.read_spill_as_stream(Arc::clone(file), None)?;
                rows.map_err(Error::from).boxed()
            }
        })
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool")
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
