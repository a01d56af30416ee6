//! The keys of `attributes`, which become columns: they must be known before the first line is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::config::SpillCompression;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::spill::SpillManager;
use futures::TryStreamExt as _;

use super::cells::Entries;
use crate::error::Result;

/// Which attributes become columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Attributes {
    /// Every key that occurs. Rows wait in a temporary file until all keys are known.
    #[default]
    All,
    /// None.
    Nothing,
    /// These.
    Only(Vec<String>),
}

impl Attributes {
    /// `all`, `none`, or keys between commas.
    pub(super) fn parse(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "all" => Self::All,
            "none" => Self::Nothing,
            _ => Self::Only(
                text.split(',')
                    .map(|key| key.trim().to_string())
                    .filter(|key| !key.is_empty())
                    .collect(),
            ),
        }
    }
}

/// All keys of a map column, sorted, and the rows once more.
pub(super) async fn collect_keys(
    mut rows: SendableRecordBatchStream,
    column: usize,
    runtime: &Arc<RuntimeEnv>,
) -> Result<(SendableRecordBatchStream, Vec<String>)> {
    let schema = rows.schema();
    let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
    let spill = SpillManager::new(Arc::clone(runtime), metrics, Arc::clone(&schema))
        .with_compression_type(SpillCompression::Lz4Frame);
    let mut file =
        spill.create_in_progress_file("rows of a COPY, until all attributes are known")?;
    let mut keys = BTreeSet::new();
    while let Some(batch) = rows.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let entries = Entries::new(&batch, column)?;
        for row in 0..batch.num_rows() {
            for (key, _) in entries.of_row(row) {
                if !keys.contains(key) {
                    keys.insert(key.to_string());
                }
            }
        }
        file.append_batch(&batch)?;
    }
    let rows = match file.finish()? {
        Some(file) => spill.read_spill_as_stream(file, None)?,
        None => Box::pin(EmptyRecordBatchStream::new(schema)),
    };
    Ok((rows, keys.into_iter().collect()))
}
