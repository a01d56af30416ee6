//! The one writer: sorted rows in, Parquet files of the target size and their Add actions out.
//!
//! Rows are sorted by partition, then by the table's `paratope.sortColumns`, with spilling beyond
//! a memory limit; so one partition is open at a time and files cover narrow ranges of values.

use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Array as _, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::{CastOptions, SortOptions, cast_with_options, nullif, partition};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{plan_datafusion_err, plan_err};
use datafusion::error::Result as DFResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan};
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::scalars::ScalarExt;
use deltalake::kernel::{Add, AddCDCFile, EagerSnapshot};
use futures::StreamExt as _;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::Table;
use super::layout::FileLayout;
use super::log::relative;
use crate::error::{Error, Result};

/// Folder of the change data feed, as the Delta protocol has it.
const CHANGE_DATA: &str = "_change_data";
/// What was written: not part of the table until it is committed.
#[derive(Debug, Default)]
pub struct Written {
    /// One action a file.
    pub adds: Vec<Add>,
    /// Rows in all files.
    pub rows: u64,
}

/// Sorts `input` (columns of the table, in its order) and writes it.
///
/// # Errors
/// An error of the input; a full disk or unreachable store. Files written so far are deleted.
pub async fn write_sorted(
    table: &Table,
    snapshot: &EagerSnapshot,
    input: SendableRecordBatchStream,
    context: Arc<TaskContext>,
    target_file_bytes: u64,
) -> Result<Written> {
    let layout = FileLayout::of(snapshot, target_file_bytes);
    let store = table.log_store().object_store(None);
    sorted_files(store, &layout, input, context).await
}

/// Sorts rows and writes them into the folder of a table that `store` is.
///
/// # Errors
/// As [`write_sorted`].
pub(super) async fn sorted_files(
    store: Arc<dyn ObjectStore>,
    layout: &FileLayout,
    input: SendableRecordBatchStream,
    context: Arc<TaskContext>,
) -> Result<Written> {
    let input = without_empty_texts(input, layout.partition_columns());
    let schema = input.schema();
    let sorted = sort(input, &schema, &layout.sort_keys(), context)?;
    ordered_files(store, layout, sorted).await
}

/// Writes rows that come partition by partition, in the order in which they come. A target of 0
/// bytes makes one file a partition, however large.
///
/// # Errors
/// As [`write_sorted`].
pub async fn write_ordered(
    table: &Table,
    snapshot: &EagerSnapshot,
    rows: SendableRecordBatchStream,
    target_file_bytes: u64,
) -> Result<Written> {
    let layout = FileLayout::of(snapshot, target_file_bytes);
    ordered_files(table.log_store().object_store(None), &layout, rows).await
}

async fn ordered_files(
    store: Arc<dyn ObjectStore>,
    layout: &FileLayout,
    rows: SendableRecordBatchStream,
) -> Result<Written> {
    let mut writer = PartitionedWriter::new(Arc::clone(&store), layout, rows.schema());
    match writer.drain(rows).await {
        Ok(()) => Ok(writer.written),
        Err(error) => {
            let written = std::mem::take(&mut writer.written);
            if let Some(open) = writer.open.take() {
                let _ = open.abort().await;
            }
            discard_from(store.as_ref(), &written).await;
            Err(error)
        }
    }
}

/// Writes rows of the change data feed (columns of the table and `_change_type`).
///
/// # Errors
/// As [`write_sorted`].
pub async fn write_change_data(
    table: &Table,
    snapshot: &EagerSnapshot,
    input: SendableRecordBatchStream,
    context: Arc<TaskContext>,
    target_file_bytes: u64,
) -> Result<Vec<AddCDCFile>> {
    let layout = FileLayout::of(snapshot, target_file_bytes);
    let partitions = layout.partition_columns();
    let input = without_empty_texts(input, partitions);
    let schema = input.schema();
    let sorted = sort(input, &schema, partitions, context)?;
    let store = PrefixStore::new(table.log_store().object_store(None), CHANGE_DATA);
    let mut writer = PartitionedWriter::new(Arc::new(store), &layout, schema);
    // Nothing refers to these files before the commit: after an error they fall to VACUUM.
    writer.drain(sorted).await?;
    let files = writer.written.adds.into_iter().map(|add| AddCDCFile {
        path: format!("{CHANGE_DATA}/{}", add.path),
        size: add.size,
        partition_values: add.partition_values,
        data_change: false,
        tags: None,
    });
    Ok(files.collect())
}

/// Deletes files that will not be committed. What cannot be deleted falls to VACUUM.
pub async fn discard(table: &Table, written: &Written) {
    discard_from(table.log_store().object_store(None).as_ref(), written).await;
}

async fn discard_from(store: &dyn ObjectStore, written: &Written) {
    for add in &written.adds {
        // As the store names it: folders of partitions have percent signs.
        let path = relative(&add.path);
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                tracing::debug!(%path, %error, "an uncommitted file stays until vacuum");
            }
        }
    }
}

/// Rows as queries see them (string views, results of expressions) in the types that are stored.
///
/// # Errors
/// A value that does not fit its column; NULL in a column that may not be NULL.
pub fn as_stored(batch: &RecordBatch, schema: &SchemaRef) -> DFResult<RecordBatch> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (values, field) in batch.columns().iter().zip(schema.fields()) {
        let stored = cast_with_options(values, field.data_type(), &options)
            .map_err(|error| plan_datafusion_err!("column {}: {error}", field.name()))?;
        if !field.is_nullable() && stored.null_count() > 0 {
            return plan_err!("column {} may not be NULL", field.name());
        }
        columns.push(stored);
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &rows,
    )?)
}

/// The same rows with NULL for the empty text in partition columns: the log has no empty partition value (Delta
/// protocol, partition value serialization).
pub fn without_empty_texts(
    rows: SendableRecordBatchStream,
    partitions: &[String],
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let texts: Vec<usize> = (0..schema.fields().len())
        .filter(|index| {
            let field = schema.field(*index);
            partitions.contains(field.name()) && *field.data_type() == DataType::Utf8
        })
        .collect();
    if texts.is_empty() {
        return rows;
    }
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let mut columns = batch.columns().to_vec();
        for index in &texts {
            let empty = eq(&columns[*index], &StringArray::new_scalar(""))?;
            if empty.true_count() == 0 {
                continue;
            }
            let schema = batch.schema_ref();
            let field = schema.field(*index);
            if !field.is_nullable() {
                return plan_err!(
                    "column {} may not be NULL, and a partition column cannot hold the empty text as anything else",
                    field.name()
                );
            }
            columns[*index] = nullif(&columns[*index], &empty)?;
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// Sorts one stream by `keys` (ascending, NULLs last); what the context's memory does not hold is
/// spilled.
pub fn sort(
    input: SendableRecordBatchStream,
    schema: &SchemaRef,
    keys: &[String],
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let options = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let order = keys
        .iter()
        .map(|key| Ok(PhysicalSortExpr::new(col(key, schema)?, options)))
        .collect::<Result<Vec<_>>>()?;
    let Some(order) = LexOrdering::new(order) else {
        return Ok(input);
    };
    let source = StreamingTableExec::try_new(
        Arc::clone(schema),
        vec![Arc::new(OneShot::new(input))],
        None,
        [],
        false,
        None,
    )?;
    let plan = SortExec::new(order, Arc::new(source));
    Ok(plan.execute(0, context)?)
}

struct PartitionedWriter {
    store: Arc<dyn ObjectStore>,
    config: WriterConfig,
    schema: SchemaRef,
    partitions: Vec<String>,
    open: Option<DeltaWriter>,
    open_values: Option<RecordBatch>,
    written: Written,
}

impl PartitionedWriter {
    fn new(store: Arc<dyn ObjectStore>, layout: &FileLayout, schema: SchemaRef) -> Self {
        Self {
            store: layout.store(store),
            config: layout.writer_config(Arc::clone(&schema)),
            schema,
            partitions: layout.partition_columns().to_vec(),
            open: None,
            open_values: None,
            written: Written::default(),
        }
    }

    async fn drain(&mut self, mut input: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = input.next().await {
            self.write(&batch?).await?;
        }
        self.close().await
    }

    /// Writes a batch whose rows are sorted by partition.
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.written.rows += batch.num_rows() as u64;
        // The writer wants the schema it was made with; a batch may say more exactly that nothing is NULL.
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())?;
        if self.partitions.is_empty() {
            return Ok(self.writer().write(&batch).await?);
        }
        let indices = self
            .partitions
            .iter()
            .map(|name| self.schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let keys = batch.project(&indices)?;
        for range in partition(keys.columns())?.ranges() {
            let values = keys.slice(range.start, 1);
            if self.open_values.as_ref() != Some(&values) {
                self.close().await?;
                self.open_values = Some(values.clone());
            }
            let rows = batch.slice(range.start, range.len());
            self.append(rows, &values).await?;
        }
        Ok(())
    }

    /// Writes rows of one partition. Told which, the writer takes them as they are; by itself it would look for
    /// partitions among them and copy every column.
    async fn append(&mut self, rows: RecordBatch, values: &RecordBatch) -> Result<()> {
        let partition = self
            .partitions
            .iter()
            .zip(values.columns())
            .map(|(name, value)| {
                let scalar = ScalarExt::from_array(value, 0).ok_or_else(|| {
                    Error::Unsupported(format!("partition column {name}: {}", value.data_type()))
                });
                scalar.map(|scalar| (name.clone(), scalar))
            })
            .collect::<Result<_>>()?;
        Ok(self.writer().write_partition(rows, &partition).await?)
    }

    fn writer(&mut self) -> &mut DeltaWriter {
        self.open
            .get_or_insert_with(|| DeltaWriter::new(Arc::clone(&self.store), self.config.clone()))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(writer) = self.open.take() {
            self.written.adds.extend(writer.close().await?);
        }
        Ok(())
    }
}

/// A stream as the only partition of a plan; it can be executed once.
struct OneShot {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl OneShot {
    fn new(stream: SendableRecordBatchStream) -> Self {
        Self {
            schema: stream.schema(),
            stream: Mutex::new(Some(stream)),
        }
    }
}

impl std::fmt::Debug for OneShot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneShot")
    }
}

impl PartitionStream for OneShot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.stream.lock().ok().and_then(|mut stream| stream.take());
        taken.unwrap_or_else(|| Box::pin(EmptyRecordBatchStream::new(Arc::clone(&self.schema))))
    }
}

impl From<deltalake::kernel::transaction::TransactionError> for Error {
    fn from(error: deltalake::kernel::transaction::TransactionError) -> Self {
        deltalake::DeltaTableError::from(error).into()
    }
}
