//! A batch, computed by all threads.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::exec_datafusion_err;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_plan::metrics::Time;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::progress::Progress;

/// What every batch of a partition is computed with.
pub(super) struct Part {
    pub projector: Arc<Projector>,
    pub schema: SchemaRef,
    pub computing: Time,
    pub progress: Arc<Progress>,
}

impl Part {
    /// A batch, its rows computed by `threads` tasks at a time. They end where nobody waits for them.
    pub async fn in_shares(self, batch: RecordBatch, threads: usize) -> Result<RecordBatch> {
        let shares = Arc::new(self.progress.shares(batch));
        let tasks = (0..shares.len()).map(|index| {
            let shares = Arc::clone(&shares);
            let projector = Arc::clone(&self.projector);
            let computing = self.computing.clone();
            let progress = Arc::clone(&self.progress);
            SpawnedTask::spawn(async move {
                let _timer = computing.timer();
                let share = shares.get(index)?;
                let computed = progress.compute(|| projector.project_batch(&share));
                progress.save_if_due().await;
                computed
            })
        });
        let computed: Vec<RecordBatch> = stream::iter(tasks)
            .buffered(threads)
            .map(|share| share.map_err(ended)?)
            .try_collect()
            .await?;
        shares.gather(&self.schema, computed)
    }
}

fn ended(error: tokio::task::JoinError) -> DataFusionError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => exec_datafusion_err!("a part of the query was ended: {error}"),
    }
}
