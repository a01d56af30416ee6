//! The files of a snapshot: which ones a query needs, and what is known of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray,
    new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::Result as DFResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use deltalake::kernel::EagerSnapshot;
use object_store::ObjectMeta;

use super::bounds::Bounds;
use super::widened::Widened;
use crate::error::Result;
use crate::tables::Table;
use crate::tables::archive::partition_name;

/// How many rows a file of a scan has. Statistics of single files would tell as well, and take a hundred times the memory.
#[derive(Debug, Clone, Copy)]
pub struct Rows(pub usize);

/// What a query wants of a table.
pub struct Wanted {
    /// Filters on partition columns.
    pub partitions: Option<Arc<dyn PhysicalExpr>>,
    /// Filters on other columns.
    pub rows: Option<Arc<dyn PhysicalExpr>>,
    /// Whether there are none of the latter: all rows of a partition are wanted, or none.
    pub exact: bool,
    /// Columns of the filters: those of files first, then those of partitions.
    pub schema: SchemaRef,
}

/// The active files of one snapshot, in the snapshot's order. Cheap to clone.
#[derive(Clone)]
pub struct FileList {
    active: Arc<Active>,
    only: Option<Vec<usize>>,
}

struct Active {
    snapshot: EagerSnapshot,
    bounds: Bounds,
    files: Vec<ObjectMeta>,
    /// One row a file, one text column a partition column.
    partitions: RecordBatch,
    /// Rows by file, where the log says.
    rows: Vec<Option<usize>>,
    /// Number of NULLs by file, of the columns asked for so far: the log is slow to say.
    nulls: RwLock<HashMap<String, Option<ArrayRef>>>,
}

impl std::fmt::Debug for FileList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileList")
            .field("version", &self.active.snapshot.version())
            .field("files", &self.active.files.len())
            .finish_non_exhaustive()
    }
}

impl FileList {
    pub fn try_new(table: &Table, snapshot: EagerSnapshot) -> Result<Self> {
        let columns = snapshot.metadata().partition_columns().to_vec();
        let mut files = Vec::new();
        let mut rows = Vec::new();
        let mut values: Vec<Vec<Option<String>>> = vec![Vec::new(); columns.len()];
        let bounds = Bounds::of(table);
        let log = snapshot.try_log_data()?;
        for file in log.iter() {
            files.push(ObjectMeta {
                location: bounds.locate(&file.path(), &file.object_store_path())?,
                last_modified: file.modification_datetime()?,
                size: file.size().try_into().unwrap_or(0),
                e_tag: None,
                version: None,
            });
            rows.push(file.num_records());
            let mut of_file = file.partition_values_map();
            for (column, values) in columns.iter().zip(&mut values) {
                // An empty text stands for NULL, whatever the type (Delta protocol, partition values).
                let value = of_file.remove(column).flatten();
                values.push(value.filter(|text| !text.is_empty()));
            }
        }
        let fields: Vec<_> = columns
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        let arrays: Vec<ArrayRef> = values
            .into_iter()
            .map(|values| Arc::new(StringArray::from(values)) as ArrayRef)
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
        let partitions =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?;
        let active = Active {
            snapshot,
            bounds,
            files,
            partitions,
            rows,
            nulls: RwLock::default(),
        };
        Ok(Self {
            active: Arc::new(active),
            only: None,
        })
    }

    /// Files that may be read, by index.
    pub fn all(&self) -> Vec<usize> {
        match &self.only {
            Some(only) => only.clone(),
            None => (0..self.active.files.len()).collect(),
        }
    }

    /// Whether a file whose path ends like this one belongs to the snapshot.
    pub fn has(&self, path: &str) -> bool {
        let name = path.rsplit('/').next();
        let files = self.active.files.iter();
        name.is_some()
            && files
                .into_iter()
                .any(|file| file.location.filename() == name)
    }

    /// The same list, of which only these files (paths as in the log, decoded) may be read.
    pub fn restricted_to(&self, paths: &[String]) -> Self {
        let paths: HashSet<&str> = paths.iter().map(String::as_str).collect();
        let only = match self.active.snapshot.try_log_data() {
            Ok(log) => log
                .iter()
                .enumerate()
                .filter(|(_, file)| paths.contains(file.path().as_ref()))
                .map(|(index, _)| index)
                .collect(),
            Err(_) => Vec::new(),
        };
        Self {
            only: Some(only),
            ..self.clone()
        }
    }

    /// The same list, of which only these files (by index) may be read.
    pub fn only(&self, files: Vec<usize>) -> Self {
        Self {
            only: Some(files),
            ..self.clone()
        }
    }

    /// The snapshot whose files these are.
    pub fn snapshot(&self) -> &EagerSnapshot {
        &self.active.snapshot
    }

    /// Files that may hold rows which a query wants.
    pub fn selected(&self, wanted: &Wanted) -> DFResult<Vec<usize>> {
        let mut selected = self.all();
        if let Some(predicate) = &wanted.partitions {
            selected = self.matching_partitions(selected, predicate, &wanted.schema)?;
        }
        if let Some(predicate) = &wanted.rows {
            selected = self.matching_statistics(selected, predicate, &wanted.schema)?;
        }
        Ok(selected)
    }

    /// Whether files are known to hold `limit` rows together.
    pub fn hold(&self, selected: &[usize], limit: usize) -> bool {
        let rows = selected.iter().filter_map(|file| self.row_count(*file));
        rows.fold(0, usize::saturating_add) >= limit
    }

    /// Partitions of files, each once, in their order: values of the partition columns as the log has them.
    pub fn partitions_of(&self, selected: &[usize]) -> Vec<String> {
        let columns = self.active.snapshot.metadata().partition_columns();
        let arrays: Vec<&StringArray> = self
            .active
            .partitions
            .columns()
            .iter()
            .map(|column| column.as_string::<i32>())
            .collect();
        let mut named: Vec<String> = Vec::new();
        for file in selected {
            let values = arrays
                .iter()
                .map(|array| array.is_valid(*file).then(|| array.value(*file)));
            let name = partition_name(columns, values);
            if !named.contains(&name) {
                named.push(name);
            }
        }
        named
    }

    /// Files whose partition values satisfy `predicate`: exact, as all their rows share them.
    fn matching_partitions(
        &self,
        selected: Vec<usize>,
        predicate: &Arc<dyn PhysicalExpr>,
        schema: &SchemaRef,
    ) -> DFResult<Vec<usize>> {
        let columns = schema
            .fields()
            .iter()
            .map(
                |field| match self.active.partitions.column_by_name(field.name()) {
                    Some(texts) => typed(texts, field.data_type()),
                    None => Ok(new_null_array(field.data_type(), self.active.files.len())),
                },
            )
            .collect::<Result<Vec<_>, _>>()?;
        // Data columns stand in as NULLs: the predicate does not look at them.
        let nullable: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns)?;
        let verdict = predicate
            .evaluate(&batch)?
            .into_array(self.active.files.len())?;
        let verdict: &BooleanArray = verdict.as_boolean();
        Ok(selected
            .into_iter()
            .filter(|file| verdict.is_valid(*file) && verdict.value(*file))
            .collect())
    }

    /// Files that may hold rows satisfying `predicate`, by their statistics.
    fn matching_statistics(
        &self,
        selected: Vec<usize>,
        predicate: &Arc<dyn PhysicalExpr>,
        schema: &SchemaRef,
    ) -> DFResult<Vec<usize>> {
        let Ok(pruning) = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(schema))
            .try_build(Arc::clone(predicate))
        else {
            return Ok(selected);
        };
        let Ok(log) = self.active.snapshot.try_log_data() else {
            return Ok(selected);
        };
        let keep = pruning.prune(&Widened(log))?;
        Ok(selected
            .into_iter()
            .filter(|file| keep.get(*file).copied().unwrap_or(true))
            .collect())
    }

    /// The first files that hold at least `limit` rows together.
    pub fn enough_for(&self, selected: Vec<usize>, limit: usize) -> Vec<usize> {
        let mut rows = 0_usize;
        let mut kept = Vec::new();
        for file in selected {
            if rows >= limit {
                break;
            }
            rows = rows.saturating_add(self.row_count(file).unwrap_or(0));
            kept.push(file);
        }
        kept
    }

    /// Checks that no link leads from a selected file out of the table's folder.
    ///
    /// # Errors
    /// `Corrupt`.
    pub async fn check_links(&self, selected: &[usize]) -> Result<()> {
        let locations = selected
            .iter()
            .map(|file| self.active.files[*file].location.clone())
            .collect();
        self.active.bounds.check_links(locations).await
    }

    /// Files as DataFusion's scan wants them, with typed partition values, and with their index as
    /// one more where they are `addressed`.
    pub fn partitioned(
        &self,
        selected: &[usize],
        schema: &SchemaRef,
        addressed: bool,
    ) -> DFResult<Vec<PartitionedFile>> {
        let typed = self
            .partition_fields(schema)
            .map(|(field, texts)| typed(texts, field))
            .collect::<Result<Vec<_>, _>>()?;
        selected
            .iter()
            .map(|file| {
                let mut values = typed
                    .iter()
                    .map(|array| ScalarValue::try_from_array(array, *file))
                    .collect::<DFResult<Vec<_>>>()?;
                if addressed {
                    values.push(ScalarValue::Int64(i64::try_from(*file).ok()));
                }
                let meta = self.active.files[*file].clone();
                let described = PartitionedFile::new_from_meta(meta).with_partition_values(values);
                Ok(match self.row_count(*file) {
                    Some(rows) => described.with_extension(Rows(rows)),
                    None => described,
                })
            })
            .collect()
    }

    /// Row counts are exact; minima and maxima are not (writers truncate strings).
    /// Nulls are counted in the `projected` columns only.
    pub fn statistics(
        &self,
        selected: &[usize],
        schema: &SchemaRef,
        projected: Option<&Vec<usize>>,
    ) -> Statistics {
        let bytes = selected
            .iter()
            .map(|file| usize::try_from(self.active.files[*file].size).unwrap_or(usize::MAX))
            .fold(0, usize::saturating_add);
        let rows = selected
            .iter()
            .try_fold(0_usize, |sum, file| Some(sum + self.row_count(*file)?));
        let column_statistics = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let asked_for = projected.is_none_or(|columns| columns.contains(&index));
                let nulls = asked_for
                    .then(|| self.active.null_counts(field.name()))
                    .flatten();
                let count = nulls.and_then(|nulls| sum(&nulls, selected));
                ColumnStatistics {
                    null_count: count.map_or(Precision::Absent, Precision::Exact),
                    ..ColumnStatistics::new_unknown()
                }
            })
            .collect();
        Statistics {
            num_rows: rows.map_or(Precision::Absent, Precision::Exact),
            total_byte_size: Precision::Inexact(bytes),
            column_statistics,
        }
    }

    /// Rows of a file, where the log says.
    pub fn row_count(&self, file: usize) -> Option<usize> {
        self.active.rows.get(file).copied().flatten()
    }

    /// Partition columns in the order of the scan's schema, with their text values.
    fn partition_fields<'a>(
        &'a self,
        schema: &'a SchemaRef,
    ) -> impl Iterator<Item = (&'a DataType, &'a ArrayRef)> {
        schema.fields().iter().filter_map(|field| {
            let texts = self.active.partitions.column_by_name(field.name())?;
            Some((field.data_type(), texts))
        })
    }
}

impl Active {
    /// NULLs of a column by file, where the log says.
    fn null_counts(&self, column: &str) -> Option<ArrayRef> {
        let known = self.nulls.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(column) {
            return counts.clone();
        }
        drop(known);
        let log = self.snapshot.try_log_data().ok();
        let counts = log.and_then(|log| log.null_counts(&Column::from_name(column)));
        let mut known = self.nulls.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(column.to_string(), counts.clone());
        counts
    }
}

/// Partition values as their column's type; a text that does not fit is an error and not a NULL.
fn typed(texts: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(texts, kind, &options)
}

/// Sum over the selected files; `None` where one is unknown.
fn sum(counts: &ArrayRef, selected: &[usize]) -> Option<usize> {
    let counts = counts.as_primitive_opt::<UInt64Type>()?;
    selected.iter().try_fold(0_usize, |sum, file| {
        counts
            .is_valid(*file)
            .then(|| sum + usize::try_from(counts.value(*file)).unwrap_or(0))
    })
}

/// Whether any file of the snapshot carries a deletion vector.
pub fn has_deletion_vectors(snapshot: &EagerSnapshot) -> Result<bool> {
    let enabled = snapshot
        .protocol()
        .reader_features()
        .is_some_and(|features| features.iter().any(|f| f.to_string() == "deletionVectors"));
    Ok(enabled
        && snapshot
            .try_log_data()?
            .iter()
            .any(|file| file.deletion_vector_descriptor().is_some()))
}
