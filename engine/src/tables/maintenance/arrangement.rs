//! Rows of one partition put in order and written: within memory where they fit, else through sorted runs on disk.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::Result as DFResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use deltalake::kernel::EagerSnapshot;
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::held::{Held, Ordered};
use super::runs::Runs;
use crate::error::{Error, Result};
use crate::tables::Table;
use crate::tables::write::{self, Written, as_stored};

/// Rows that leave memory at a time.
const ROWS: usize = 2_048;

/// How rows of one partition are arranged.
pub struct Arrangement {
    /// The table.
    pub table: Arc<Table>,
    /// The version it is written to.
    pub base: EagerSnapshot,
    /// What is sorted: columns of the table, as they are stored, and then those that are only sorted by.
    pub schema: SchemaRef,
    /// Columns to sort by, ascending, NULLs last.
    pub keys: Vec<String>,
    /// How many files to make. Where there are several, the first key is a `UInt64`.
    pub files: usize,
    /// Keys at which files start, but for the first, should rows not fit into memory.
    pub boundaries: Vec<u64>,
    /// Target size of files, bytes; 0: however large.
    pub target_file_bytes: u64,
    /// Memory for rows, bytes.
    pub memory: usize,
    /// Files written at once.
    pub writers: usize,
}

impl Arrangement {
    /// Writes `rows`, which have the columns of the schema in the types in which they were read.
    ///
    /// # Errors
    /// An error of the input; a full disk or unreachable store. Files written so far are deleted.
    pub async fn write(
        self,
        mut rows: SendableRecordBatchStream,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Written> {
        let mut held = Held::new(&rows.schema(), Arc::clone(&self.schema), &self.keys)?;
        let boundaries = self.boundaries.clone();
        let runs = Runs::new(&self.schema, &self.keys, boundaries, runtime)?;
        let mut spilling = Spilling::Idle(Box::new(runs));
        while let Some(batch) = rows.next().await {
            held.push(batch?)?;
            // The other half is what leaves for disk meanwhile.
            if held.bytes() >= self.memory / 2 {
                spilling = spilling.spill(&mut held).await?;
            }
        }
        let runs = spilling.finished().await?;
        if runs.is_empty() {
            let rows = held.take();
            let ordered = SpawnedTask::spawn_blocking(move || rows.ordered());
            let parts = self.in_memory(Arc::new(ordered.join().await.map_err(stopped)?));
            return self.write_parts(parts).await;
        }
        let mut spilling = Spilling::Idle(runs);
        if !held.is_empty() {
            spilling = spilling.spill(&mut held).await?;
        }
        drop(held);
        let parts = spilling.finished().await?.merged(self.memory)?;
        self.write_parts(parts).await
    }

    /// Ranges of equally many rows, one for each file.
    fn in_memory(&self, rows: Arc<Ordered>) -> Vec<SendableRecordBatchStream> {
        let (count, files) = (rows.len(), self.files.max(1));
        let parts = (0..files).map(|file| (count * file / files, count * (file + 1) / files));
        parts
            .filter(|(start, end)| start < end)
            .map(|(start, end)| {
                let rows = Arc::clone(&rows);
                let batches = (start..end)
                    .step_by(ROWS)
                    .map(move |from| rows.rows(from..end.min(from + ROWS)));
                let batches = futures::stream::iter(batches);
                let schema = Arc::clone(&self.schema);
                Box::pin(RecordBatchStreamAdapter::new(schema, batches)) as _
            })
            .collect()
    }

    async fn write_parts(&self, parts: Vec<SendableRecordBatchStream>) -> Result<Written> {
        let mut parts = parts.into_iter().enumerate();
        let mut jobs = JoinSet::new();
        let mut written = Vec::new();
        let mut failed = None;
        loop {
            while failed.is_none() && jobs.len() < self.writers.max(1) {
                let Some((place, rows)) = parts.next() else {
                    break;
                };
                // What makes the rows runs beside what writes them.
                let rows = gathered(vec![of_table(rows, &self.base)]);
                let (table, base) = (Arc::clone(&self.table), self.base.clone());
                let target = self.target_file_bytes;
                jobs.spawn(async move {
                    let written = write::write_ordered(&table, &base, rows, target).await;
                    (place, written)
                });
            }
            match jobs.join_next().await {
                None => break,
                Some(Ok((place, Ok(files)))) => written.push((place, files)),
                Some(Ok((_, Err(error)))) => {
                    failed.get_or_insert(error);
                }
                Some(Err(error)) => {
                    failed.get_or_insert(stopped(error));
                }
            }
        }
        written.sort_by_key(|(place, _)| *place);
        let mut all = Written::default();
        for (_, files) in written {
            all.rows += files.rows;
            all.adds.extend(files.adds);
        }
        match failed {
            None => Ok(all),
            Some(error) => {
                write::discard(&self.table, &all).await;
                Err(error)
            }
        }
    }
}

/// Runs, one of which may just be written, beside the reading of what follows.
enum Spilling {
    Idle(Box<Runs>),
    Busy(SpawnedTask<DFResult<Box<Runs>>>),
}

impl Spilling {
    /// Begins a run of what is held.
    async fn spill(self, held: &mut Held) -> Result<Self> {
        let mut runs = self.finished().await?;
        let rows = held.take();
        Ok(Self::Busy(SpawnedTask::spawn_blocking(move || {
            runs.add(&rows.ordered())?;
            Ok(runs)
        })))
    }

    async fn finished(self) -> Result<Box<Runs>> {
        match self {
            Self::Idle(runs) => Ok(runs),
            Self::Busy(task) => Ok(task.join().await.map_err(stopped)??),
        }
    }
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::Internal(format!("arranging rows stopped: {error}"))
}

/// The rows of all streams as they come, each made in a task of its own.
pub fn gathered(streams: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream {
    let Some(schema) = streams.first().map(|stream| stream.schema()) else {
        let nothing = Arc::new(datafusion::arrow::datatypes::Schema::empty());
        return Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(
            nothing,
        ));
    };
    let mut gathered = RecordBatchReceiverStream::builder(schema, streams.len());
    for mut stream in streams {
        let sender = gathered.tx();
        gathered.spawn(async move {
            while let Some(batch) = stream.next().await {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    break;
                }
            }
            Ok(())
        });
    }
    gathered.build()
}

/// The rows without what they were only sorted by, as the table at a version stores them.
pub fn of_table(
    rows: SendableRecordBatchStream,
    version: &EagerSnapshot,
) -> SendableRecordBatchStream {
    let schema = Table::schema(version);
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    let batches = {
        let schema = Arc::clone(&schema);
        rows.map(move |batch| -> DFResult<_> { as_stored(&batch?.project(&columns)?, &schema) })
    };
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
    write::without_empty_texts(rows, version.metadata().partition_columns())
}
