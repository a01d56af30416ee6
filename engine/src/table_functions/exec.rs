//! The scan of a `read_*` function: files in partitions, read on threads that may block.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput as _,
};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning,
    PlanProperties, ReplaceChildrenOptions,
};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use url::Url;

use crate::error::Error;
use crate::formats::{Alphabet, Companion, Format, ReadOptions, Reject, decompress, open_file};
use crate::storage::redact;

/// Batches read ahead of the query.
const AHEAD: usize = 2;
/// Rejects of a file that are logged one by one.
const LOGGED: u64 = 3;

/// A file to read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its URL, by which the session knows its store.
    pub url: Url,
    /// Its path in that store.
    pub path: Path,
    /// Its URL without secrets: the column `source_file`.
    pub shown: String,
}

impl SourceFile {
    /// The file of another name in the same folder, which may be there or not.
    pub(super) fn beside(&self, name: &str) -> Self {
        let mut parts: Vec<_> = self.path.parts().collect();
        parts.pop();
        let path = Path::from_iter(parts).join(name);
        let mut url = self.url.clone();
        url.set_path(path.as_ref());
        Self {
            shown: redact(&url),
            url,
            path,
        }
    }
}

/// Reads files of one format.
#[derive(Debug, Clone)]
pub struct ReadExec {
    format: &'static dyn Format,
    alphabet: Alphabet,
    columns: Vec<(String, String)>,
    partitions: Vec<Vec<SourceFile>>,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ReadExec {
    /// A scan of `files` in at most `partitions` parts. `schema` is that of the format and `source_file`.
    ///
    /// # Errors
    /// A projection beyond the schema.
    pub fn try_new(
        format: &'static dyn Format,
        alphabet: Alphabet,
        files: Vec<SourceFile>,
        partitions: usize,
        schema: SchemaRef,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let size = files.len().div_ceil(partitions.max(1)).max(1);
        let mut partitions: Vec<Vec<SourceFile>> =
            files.chunks(size).map(<[SourceFile]>::to_vec).collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let shown = match &projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(shown),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            format,
            alphabet,
            columns: Vec::new(),
            partitions,
            projection,
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// With these columns of a table feeding these fields ([`ReadOptions::columns`]).
    pub fn with_columns(mut self, columns: Vec<(String, String)>) -> Self {
        self.columns = columns;
        self
    }

    /// Columns and the fields that they feed.
    pub fn columns(&self) -> &[(String, String)] {
        &self.columns
    }

    /// The format.
    pub fn format(&self) -> &'static dyn Format {
        self.format
    }

    /// What the letters of FASTA mean.
    pub fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    /// The files of each partition.
    pub fn partitions(&self) -> &[Vec<SourceFile>] {
        &self.partitions
    }

    /// The columns that are given, of those of the format and `source_file`.
    pub fn projection(&self) -> Option<&[usize]> {
        self.projection.as_deref()
    }
}

impl DisplayAs for ReadExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.partitions.iter().map(Vec::len).sum();
        write!(f, "ReadExec: format={}, files={files}", self.format.name())?;
        if self.projection.is_some() {
            let schema = self.schema();
            let names: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            write!(f, ", projection=[{}]", names.join(", "))?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ReadExec {
    fn name(&self) -> &str {
        "ReadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("ReadExec has no children"),
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

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            limit,
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.clone()
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(files) = self.partitions.get(partition).cloned() else {
            return internal_err!("ReadExec has no partition {partition}");
        };
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), AHEAD);
        let scan = Scan {
            format: self.format,
            options: ReadOptions {
                alphabet: self.alphabet,
                columns: self.columns.clone(),
                batch_records: context.session_config().batch_size(),
                ..ReadOptions::default()
            },
            projection: self.projection.clone(),
            left: self.limit.unwrap_or(usize::MAX),
            runtime: context.runtime_env(),
            sender: builder.tx(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            rejects: MetricBuilder::new(&self.metrics).counter("rejects", partition),
        };
        builder.spawn_blocking(move || scan.run(&files));
        Ok(builder.build())
    }
}

/// The scan of one partition.
struct Scan {
    format: &'static dyn Format,
    options: ReadOptions,
    projection: Option<Vec<usize>>,
    /// Rows that are still wanted.
    left: usize,
    runtime: Arc<RuntimeEnv>,
    sender: Sender<Result<RecordBatch>>,
    metrics: BaselineMetrics,
    rejects: Count,
}

impl Scan {
    fn run(mut self, files: &[SourceFile]) -> Result<()> {
        for file in files {
            if self.left == 0 || !self.read(file)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads a file; false where nobody wants more.
    fn read(&mut self, file: &SourceFile) -> Result<bool> {
        let named = |error: Error| DataFusionError::from(error.context(&file.shown));
        let stored = self.open(file).map_err(named)?;
        let input = decompress(stored).map_err(named)?;
        let beside = self.companion(file).map_err(named)?;
        let mut records = self
            .format
            .open_with(input, beside, &file.shown, &self.options)
            .map_err(named)?;
        let mut rejected = 0u64;
        while self.left > 0 {
            let timer = self.metrics.elapsed_compute().timer();
            let Some(batch) = records.next_batch()? else {
                break;
            };
            for reject in &batch.rejects {
                rejected += 1;
                log(file, reject, rejected);
            }
            self.rejects.add(batch.rejects.len());
            let rows = batch.records.num_rows().min(self.left);
            if rows == 0 {
                continue;
            }
            self.left -= rows;
            let shown = self.project(&batch.records.slice(0, rows), file)?;
            let shown = shown.record_output(&self.metrics);
            drop(timer);
            if self.sender.blocking_send(Ok(shown)).is_err() {
                return Ok(false);
            }
        }
        if rejected > LOGGED {
            tracing::warn!(file = file.shown, rejected, "records could not be read");
        }
        Ok(true)
    }

    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + Send>, Error> {
        let store = self.runtime.object_store_registry.get_store(&file.url)?;
        let handle = Handle::try_current().map_err(|error| Error::Internal(error.to_string()))?;
        open_file(&store, &file.path, file.url.scheme() == "file", &handle)
    }

    /// The file beside this one that the format reads with it, if it is there and may be read.
    fn companion(&self, file: &SourceFile) -> Result<Option<Companion>, Error> {
        let names = self
            .format
            .companions(file.path.filename().unwrap_or_default());
        if names.is_empty() {
            return Ok(None);
        }
        let store = self.runtime.object_store_registry.get_store(&file.url)?;
        let handle = Handle::try_current().map_err(|error| Error::Internal(error.to_string()))?;
        for name in names {
            let beside = file.beside(&name);
            match handle.block_on(store.head(&beside.path)) {
                Ok(_) => {
                    let input = decompress(self.open(&beside)?)
                        .map_err(|error| error.context(&beside.shown))?;
                    return Ok(Some(Companion { name, input }));
                }
                // Where listing is not allowed, S3 says that a missing object is forbidden.
                Err(
                    object_store::Error::NotFound { .. }
                    | object_store::Error::PermissionDenied { .. }
                    | object_store::Error::Unauthenticated { .. },
                ) => {}
                Err(error) => return Err(Error::from(error).context(beside.shown)),
            }
        }
        Ok(None)
    }

    /// The wanted columns; the last of all is `source_file`.
    fn project(&self, records: &RecordBatch, file: &SourceFile) -> Result<RecordBatch> {
        let last = records.num_columns();
        let wanted: Vec<usize> = match &self.projection {
            Some(columns) => columns.clone(),
            None => (0..=last).collect(),
        };
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for index in wanted {
            if index < last {
                fields.push(Arc::clone(&records.schema_ref().fields()[index]));
                columns.push(Arc::clone(records.column(index)));
            } else {
                let rows = std::iter::repeat_n(file.shown.as_str(), records.num_rows());
                fields.push(Arc::new(arrow::datatypes::Field::new(
                    "source_file",
                    arrow::datatypes::DataType::Utf8,
                    false,
                )));
                columns.push(Arc::new(StringArray::from_iter_values(rows)));
            }
        }
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(records.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

fn log(file: &SourceFile, reject: &Reject, nth: u64) {
    if nth <= LOGGED {
        let (file, record, reason) = (&file.shown, reject.record, &reject.reason);
        tracing::warn!(file, record, reason, "a record could not be read");
    }
}
