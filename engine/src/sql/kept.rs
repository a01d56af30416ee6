//! The rows of touched files that stay: each file is written anew by itself, in the order it has.
//!
//! They are sorted already, so they need neither the memory nor the time of another sort; and files
//! are independent of each other, so all threads share them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::exec_err;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DFResult;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::EagerSnapshot;
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::change_data::{Change, Feed};
use super::rewrite::{FileMarks, Marks, position};
use super::target::Target;
use crate::error::{Error, Result};
use crate::inference;
use crate::tables::write::{self, Written, as_stored};
use crate::tables::{FILE, LakeTableProvider, ROW, Table};

/// Most files written at once.
const MOST_AT_ONCE: usize = 4;
/// What writing one may take: the pages of a row group, as read and as written. Fewer are written at once where queries have
/// less.
const FILE_MEMORY: usize = 768 << 20;

/// What stays of a table's touched files.
pub struct Kept<'a> {
    /// Plans the reading.
    pub state: SessionState,
    /// The reading runs in it.
    pub context: Arc<TaskContext>,
    /// Rows that go.
    pub marks: Arc<Marks>,
    /// The table.
    pub target: &'a Target,
    /// Its columns as stored.
    pub schema: SchemaRef,
    /// Where changed rows are told, if anywhere.
    pub feed: Option<Feed>,
    /// Target size of files.
    pub file_bytes: u64,
    /// Memory that queries may use, bytes.
    pub memory: usize,
}

impl Kept<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// A full disk or unreachable store. Files written so far are deleted.
    pub async fn write(self) -> Result<Written> {
        let threads = self.state.config().target_partitions();
        let at_once = (self.memory / FILE_MEMORY)
            .min(threads)
            .clamp(1, MOST_AT_ONCE);
        let config = self.state.config().clone().with_target_partitions(1);
        let state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_config(config)
            .build();
        // A file all of whose rows change has none to keep; the feed wants its old rows.
        let is_read = |(file, marks): &(&usize, &FileMarks)| {
            self.feed.is_some() || self.target.reader.rows_of(**file) != Some(marks.changed.ones)
        };
        let mut open = self
            .marks
            .files
            .iter()
            .filter(is_read)
            .map(|(file, _)| *file);
        let base = self.target.base()?;
        let mut jobs = JoinSet::new();
        let mut written = Written::default();
        let mut failed = None;
        loop {
            while failed.is_none() && jobs.len() < at_once {
                let Some(file) = open.next() else { break };
                let job = Job {
                    state: state.clone(),
                    context: Arc::clone(&self.context),
                    marks: Arc::clone(&self.marks),
                    reader: Arc::clone(&self.target.reader),
                    table: Arc::clone(&self.target.table),
                    base: base.clone(),
                    schema: Arc::clone(&self.schema),
                    feed: self.feed.clone(),
                    file_bytes: self.file_bytes,
                };
                jobs.spawn(job.write(file));
            }
            match jobs.join_next().await {
                None => break,
                Some(Ok(Ok(files))) => {
                    written.rows += files.rows;
                    written.adds.extend(files.adds);
                }
                Some(Ok(Err(error))) => {
                    failed.get_or_insert(error);
                }
                Some(Err(error)) => {
                    failed.get_or_insert(Error::Internal(format!("writing kept rows: {error}")));
                }
            }
        }
        match failed {
            None => Ok(written),
            Some(error) => {
                write::discard(&self.target.table, &written).await;
                Err(error)
            }
        }
    }
}

/// One file.
struct Job {
    state: SessionState,
    context: Arc<TaskContext>,
    marks: Arc<Marks>,
    reader: Arc<LakeTableProvider>,
    table: Arc<Table>,
    base: EagerSnapshot,
    schema: SchemaRef,
    feed: Option<Feed>,
    file_bytes: u64,
}

impl Job {
    async fn write(self, file: usize) -> Result<Written> {
        let reader = self
            .reader
            .with_addresses()?
            .restricted_to_files(vec![file])?;
        let plan = LogicalPlanBuilder::scan("kept", provider_as_source(Arc::new(reader)), None)?
            .build()?;
        let physical = inference::planned(&self.state, &plan).await?;
        let rows = execute_stream(physical, Arc::clone(&self.context))?;
        let (marks, feed) = (Arc::clone(&self.marks), self.feed.clone());
        let schema = Arc::clone(&self.schema);
        let kept = rows.then(move |batch| {
            let sorted = batch.and_then(|batch| OldRows::of(&batch, &marks, &schema));
            let feed = feed.clone();
            async move {
                let old = sorted?;
                if let Some(feed) = &feed {
                    feed.send(&old.deleted, Change::Delete).await?;
                    feed.send(&old.updated, Change::Before).await?;
                }
                Ok(old.kept)
            }
        });
        let kept = RecordBatchStreamAdapter::new(Arc::clone(&self.schema), kept);
        write::write_ordered(&self.table, &self.base, Box::pin(kept), self.file_bytes).await
    }
}

/// Rows of a touched file by what becomes of them, as stored.
struct OldRows {
    kept: RecordBatch,
    deleted: RecordBatch,
    updated: RecordBatch,
}

impl OldRows {
    /// Sorts out a batch of rows with addresses.
    fn of(batch: &RecordBatch, marks: &Marks, schema: &SchemaRef) -> DFResult<Self> {
        let address = |name| {
            let column: Option<&ArrayRef> = batch.column_by_name(name);
            column.map(|column| column.as_primitive::<Int64Type>())
        };
        let (Some(files), Some(rows)) = (address(FILE), address(ROW)) else {
            return exec_err!("rows came without their addresses");
        };
        let (mut kept, mut deleted, mut updated) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..batch.num_rows() {
            let marks = marks.files.get(&position(files.value(index))?);
            let row = position(rows.value(index))?;
            let changed = marks.is_some_and(|marks| marks.changed.get(row));
            let stays = marks.is_some_and(|marks| marks.updated.get(row));
            kept.push(!changed);
            deleted.push(changed && !stays);
            updated.push(changed && stays);
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| batch.schema().index_of(field.name()))
            .collect::<Result<Vec<_>, _>>()?;
        let values = as_stored(&batch.project(&columns)?, schema)?;
        let those = |which: Vec<bool>| filter_record_batch(&values, &BooleanArray::from(which));
        Ok(Self {
            kept: those(kept)?,
            deleted: those(deleted)?,
            updated: those(updated)?,
        })
    }
}
