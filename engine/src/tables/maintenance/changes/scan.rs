//! Reading changed rows: DataFusion's Parquet scan over files whose version and kind of change are
//! constants, and over change files, which tell the kind row by row.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DFResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use deltalake::kernel::EagerSnapshot;
use object_store::ObjectMeta;

use crate::error::Result;
use crate::tables::maintenance::files::{Constants, typed};
use crate::tables::maintenance::history::{moment, number};
use crate::tables::{LakeTableProvider, ParquetScan, Table};

/// Column: `insert`, `delete`, `update_preimage` or `update_postimage`.
pub const CHANGE_TYPE: &str = "_change_type";
/// Column: the version that made the change.
pub const COMMIT_VERSION: &str = "_commit_version";
/// Column: when that version was made.
pub const COMMIT_TIMESTAMP: &str = "_commit_timestamp";

/// A file with changed rows.
#[derive(Debug, Clone)]
pub struct ChangeFile {
    /// Where it lies in the store.
    pub meta: ObjectMeta,
    /// Values of the partition columns.
    pub partition: Vec<Option<String>>,
    /// What happened to its rows; `None` where it has a column that says so.
    pub change: Option<&'static str>,
    /// The version.
    pub version: u64,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// Changed rows of a table.
#[derive(Debug)]
pub struct Changes {
    schema: SchemaRef,
    /// Columns that are in files, in the table's order.
    stored: Vec<FieldRef>,
    /// Columns whose value is the same in all of a file: partitions, version, time.
    constants: Vec<FieldRef>,
    store: ObjectStoreUrl,
    files: Vec<ChangeFile>,
}

impl Changes {
    /// Rows of `files` with the columns that `snapshot` has.
    pub async fn try_new(
        table: &Table,
        snapshot: EagerSnapshot,
        files: Vec<ChangeFile>,
    ) -> Result<Self> {
        let partition_columns = snapshot.metadata().partition_columns().to_vec();
        let provider = LakeTableProvider::try_new(table, snapshot).await?;
        let fields = provider.schema().fields().clone();
        let of_changes = [
            Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false)),
            Arc::new(Field::new(COMMIT_VERSION, DataType::Int64, false)),
            Arc::new(Field::new(COMMIT_TIMESTAMP, moment(), false)),
        ];
        let constants = partition_columns
            .iter()
            .filter_map(|name| fields.iter().find(|field| field.name() == name))
            .chain(&of_changes[1..])
            .cloned()
            .collect();
        let stored = fields
            .iter()
            .filter(|field| !partition_columns.contains(field.name()))
            .cloned()
            .collect();
        let schema: Vec<FieldRef> = fields.iter().chain(&of_changes).cloned().collect();
        Ok(Self {
            schema: Arc::new(Schema::new(schema)),
            stored,
            constants,
            store: ObjectStoreUrl::parse(table.storage().store_url()?)?,
            files,
        })
    }

    /// Whether any of the files tells row by row what happened.
    pub fn has_change_files(&self) -> bool {
        self.files.iter().any(|file| file.change.is_none())
    }

    /// Values of the constant columns of a file.
    fn values(&self, file: &ChangeFile) -> DFResult<Vec<ScalarValue>> {
        let mut values = file
            .partition
            .iter()
            .zip(&self.constants)
            .map(|(text, field)| typed(text.as_deref(), field.data_type()))
            .collect::<DFResult<Vec<_>>>()?;
        values.push(ScalarValue::Int64(Some(number(file.version))));
        values.push(ScalarValue::TimestampMicrosecond(
            Some(file.at.timestamp_micros()),
            Some("UTC".into()),
        ));
        Ok(values)
    }

    /// Files that may hold rows satisfying `filters`, with their constant values.
    fn select(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> DFResult<Vec<(&ChangeFile, Vec<ScalarValue>)>> {
        let values = self
            .files
            .iter()
            .map(|file| self.values(file))
            .collect::<DFResult<Vec<_>>>()?;
        let constants = Constants::new(self.constants.clone(), values.clone());
        let mut keep = vec![true; self.files.len()];
        for filter in filters.iter().filter(|filter| constants.cover(filter)) {
            let verdicts = constants.verdicts(state, filter.clone())?;
            for (keep, verdict) in keep.iter_mut().zip(verdicts) {
                *keep &= verdict;
            }
        }
        Ok(self
            .files
            .iter()
            .zip(values)
            .zip(keep)
            .filter_map(|(file, keep)| keep.then_some(file))
            .collect())
    }

    /// The scan of files that share a layout; `in_file`: they tell the kind of change themselves.
    fn scan_of(
        &self,
        state: &dyn Session,
        columns: &[usize],
        files: Vec<PartitionedFile>,
        in_file: bool,
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let change_type = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false));
        let (mut stored, mut constants) = (self.stored.clone(), self.constants.clone());
        match in_file {
            true => stored.push(change_type),
            false => constants.push(change_type),
        }
        let schema = TableSchema::builder(Arc::new(Schema::new(stored)))
            .with_table_partition_cols(constants)
            .build();
        let projection = columns
            .iter()
            .map(|index| {
                schema
                    .table_schema()
                    .index_of(self.schema.field(*index).name())
            })
            .collect::<Result<Vec<_>, _>>()?;
        ParquetScan {
            store: &self.store,
            schema,
            files,
            statistics: None,
            projection: Some(projection),
            limit,
            filters_within: false,
        }
        .plan(state)
    }
}

#[async_trait]
impl TableProvider for Changes {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DFResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let limit = limit.filter(|_| filters.is_empty());
        let mut by_layout: [Vec<PartitionedFile>; 2] = Default::default();
        for (file, mut values) in self.select(state, filters)? {
            if let Some(change) = file.change {
                values.push(ScalarValue::from(change));
            }
            let file_values =
                PartitionedFile::new_from_meta(file.meta.clone()).with_partition_values(values);
            by_layout[usize::from(file.change.is_none())].push(file_values);
        }
        let [constant, in_file] = by_layout;
        let mut scans = Vec::new();
        for (files, in_file) in [(constant, false), (in_file, true)] {
            if !files.is_empty() {
                scans.push(self.scan_of(state, &columns, files, in_file, limit)?);
            }
        }
        match scans.len() {
            0 => Ok(Arc::new(EmptyExec::new(Arc::new(
                self.schema.project(&columns)?,
            )))),
            1 => Ok(scans.remove(0)),
            _ => UnionExec::try_new(scans),
        }
    }
}
