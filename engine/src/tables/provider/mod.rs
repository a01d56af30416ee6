//! The one reader: DataFusion's own Parquet scan, planned from a pinned Delta snapshot.
//!
//! deltalake's provider cannot travel to workers and is slower than plain Parquet; this one hands
//! DataFusion the snapshot's file list, partition values and statistics. Tables with deletion
//! vectors or column mapping are read through deltalake's provider: correct, if slower.

mod address;
mod archived;
mod bounds;
mod counted;
mod files;
mod parquet_scan;
pub(crate) mod pieces;
mod scoped;
mod selective;
mod types;
mod widened;

pub use address::{FILE, ROW};
pub(crate) use counted::with_counted_readers;
pub use files::Rows;
pub use parquet_scan::ParquetScan;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DFResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;

use self::archived::Archived;
use self::bounds::Bounds;
use self::files::{FileList, Wanted};
use self::scoped::ScopedExec;
use super::{Table, definitions};
use crate::error::{Error, Result};
use crate::inference::is_expensive;
use crate::storage::Storage;

/// A table at one version.
#[derive(Debug, Clone)]
pub struct LakeTableProvider {
    location: String,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    definition: Option<String>,
    /// Whether rows carry their address: [`FILE`] and [`ROW`].
    addressed: bool,
    /// Rows that were put away.
    archived: Option<Archived>,
    scan: Scan,
}

#[derive(Debug, Clone)]
enum Scan {
    Parquet {
        files: FileList,
        store: ObjectStoreUrl,
    },
    Deltalake {
        provider: Arc<dyn TableProvider>,
        /// Set for tables of the lake, whose files only the lake's own store reaches.
        own_store: Option<Storage>,
    },
}

impl LakeTableProvider {
    /// Reads the file list of `snapshot`.
    ///
    /// # Errors
    /// `Corrupt` where a file lies outside the table's folder.
    pub async fn try_new(table: &Table, snapshot: EagerSnapshot) -> Result<Self> {
        let partition_columns = snapshot.metadata().partition_columns().to_vec();
        let archived = Archived::of(table, &snapshot).await?;
        let needs_deltalake =
            types::has_column_mapping(&snapshot) || files::has_deletion_vectors(&snapshot)?;
        if needs_deltalake {
            Bounds::of(table).check(&snapshot).await?;
            let mut delta = DeltaTable::new(Arc::clone(table.log_store()));
            delta.load_version(snapshot.version()).await?;
            let provider = delta.table_provider().await?;
            return Ok(Self {
                location: table.location().into(),
                schema: provider.schema(),
                partition_columns,
                definition: definition_of(table),
                addressed: false,
                archived,
                scan: Scan::Deltalake {
                    provider,
                    own_store: table.storage().is_lake().then(|| table.storage().clone()),
                },
            });
        }
        let store = ObjectStoreUrl::parse(table.storage().store_url()?)?;
        Ok(Self {
            location: table.location().into(),
            schema: types::query_schema(&Table::schema(&snapshot)),
            partition_columns,
            definition: definition_of(table),
            addressed: false,
            archived,
            scan: Scan::Parquet {
                files: FileList::try_new(table, snapshot)?,
                store,
            },
        })
    }

    /// The same table, of which only these files (paths as in the log, decoded) are read.
    ///
    /// # Errors
    /// `Unsupported` for tables read through deltalake.
    pub fn restricted_to(&self, paths: &[String]) -> Result<Self> {
        let (files, store) = self.rewritable()?;
        Ok(Self {
            archived: None,
            scan: Scan::Parquet {
                files: files.restricted_to(paths),
                store: store.clone(),
            },
            ..self.clone()
        })
    }

    /// The same table, of which only these files (positions in [`FileList::all`]) are read.
    pub fn restricted_to_files(&self, files: Vec<usize>) -> Result<Self> {
        let (list, store) = self.rewritable()?;
        Ok(Self {
            archived: None,
            scan: Scan::Parquet {
                files: list.only(files),
                store: store.clone(),
            },
            ..self.clone()
        })
    }

    /// The same table with two more columns, [`FILE`] and [`ROW`], that say where a row lies.
    ///
    /// # Errors
    /// `Unsupported` for tables read through deltalake.
    pub fn with_addresses(&self) -> Result<Self> {
        self.rewritable()?;
        Ok(Self {
            schema: address::extended(&self.schema),
            addressed: true,
            ..self.clone()
        })
    }

    /// The same table with texts and bytes as they are stored, not as views: rows that are written anew need no conversion.
    ///
    /// # Errors
    /// `Unsupported` for tables read through deltalake.
    pub fn with_stored_types(&self) -> Result<Self> {
        Ok(Self {
            schema: Table::schema(self.snapshot()?),
            ..self.clone()
        })
    }

    /// Fails where rows are archived that a statement over all rows would miss.
    ///
    /// # Errors
    /// Which, and how to get them.
    pub fn check_whole(&self, state: &dyn Session) -> DFResult<()> {
        match self.archived.as_ref().filter(|it| it.is_asked_for(state)) {
            Some(archived) => archived.check_none(),
            None => Ok(()),
        }
    }

    /// The table's folder, relative to the lake.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The snapshot that is read.
    ///
    /// # Errors
    /// `Unsupported` for tables read through deltalake.
    pub fn snapshot(&self) -> Result<&EagerSnapshot> {
        Ok(self.rewritable()?.0.snapshot())
    }

    /// The version that is read, if a file whose path ends like this one belongs to it.
    pub fn version_with(&self, file: &str) -> Option<u64> {
        match &self.scan {
            Scan::Parquet { files, .. } => files.has(file).then(|| files.snapshot().version()),
            Scan::Deltalake { .. } => None,
        }
    }

    /// Rows of a file (a position in [`FileList::all`]), where the log says.
    pub fn rows_of(&self, file: usize) -> Option<usize> {
        match &self.scan {
            Scan::Parquet { files, .. } => files.row_count(file),
            Scan::Deltalake { .. } => None,
        }
    }

    fn rewritable(&self) -> Result<(&FileList, &ObjectStoreUrl)> {
        match &self.scan {
            Scan::Parquet { files, store } => Ok((files, store)),
            Scan::Deltalake { .. } => Err(Error::Unsupported(
                "a table with deletion vectors or column mapping is only read, not rewritten"
                    .into(),
            )),
        }
    }

    fn is_partition_filter(&self, filter: &Expr) -> bool {
        !filter.is_volatile()
            && filter
                .column_refs()
                .iter()
                .all(|column| self.partition_columns.contains(&column.name))
    }

    /// File columns first, then partition columns: the order in which DataFusion's scan has them.
    fn scan_schema(&self) -> TableSchema {
        let (mut partitions, mut file): (Vec<_>, Vec<_>) = self
            .schema
            .fields()
            .iter()
            .cloned()
            .partition(|field| self.partition_columns.contains(field.name()));
        let mut made_by_reader = Vec::new();
        if self.addressed {
            partitions.extend(file.extract_if(.., |field| field.name() == FILE));
            made_by_reader.extend(file.extract_if(.., |field| field.name() == ROW));
        }
        TableSchema::builder(Arc::new(datafusion::arrow::datatypes::Schema::new(file)))
            .with_table_partition_cols(partitions)
            .with_virtual_columns(made_by_reader)
            .build()
    }
}

/// The statement shown as the table's definition.
fn definition_of(table: &Table) -> Option<String> {
    definitions::definition(table.name())
        .ok()
        .map(|definition| definition.sql.clone())
}

#[async_trait]
impl TableProvider for LakeTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DFResult<Vec<TableProviderFilterPushDown>> {
        match &self.scan {
            Scan::Deltalake { provider, .. } => provider.supports_filters_pushdown(filters),
            Scan::Parquet { .. } => Ok(filters
                .iter()
                .map(|filter| {
                    if is_expensive(filter) {
                        // Computed behind all others, on the rows that they leave.
                        TableProviderFilterPushDown::Unsupported
                    } else if self.is_partition_filter(filter) {
                        TableProviderFilterPushDown::Exact
                    } else {
                        TableProviderFilterPushDown::Inexact
                    }
                })
                .collect()),
        }
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let archived = self.archived.as_ref().filter(|it| it.is_asked_for(state));
        if matches!(self.scan, Scan::Deltalake { .. }) {
            self.check_whole(state)?;
        }
        let (files, store) = match &self.scan {
            Scan::Deltalake {
                provider,
                own_store: None,
            } => return provider.scan(state, projection, filters, limit).await,
            Scan::Deltalake {
                provider,
                own_store: Some(storage),
            } => {
                let runtime = scoped::runtime(state.runtime_env(), storage);
                let state = scoped::state(state, &runtime)?;
                let plan = provider.scan(&state, projection, filters, limit).await?;
                return Ok(Arc::new(ScopedExec::new(plan, runtime)));
            }
            Scan::Parquet { files, store } => (files, store),
        };
        let scan_schema = self.scan_schema();
        let table_schema = Arc::clone(scan_schema.table_schema());
        let df_schema = DFSchema::try_from(Arc::clone(&table_schema))?;

        let (on_partitions, on_data): (Vec<Expr>, Vec<Expr>) = filters
            .iter()
            .cloned()
            .partition(|filter| self.is_partition_filter(filter));
        let physical = |parts: Vec<Expr>| {
            conjunction(parts)
                .map(|expr| state.create_physical_expr(expr, &df_schema))
                .transpose()
        };
        let wanted = Wanted {
            partitions: physical(on_partitions)?,
            exact: on_data.is_empty(),
            rows: physical(on_data.clone())?,
            schema: Arc::clone(&table_schema),
        };
        let mut selected = files.selected(&wanted)?;
        let limit_within = limit.filter(|_| wanted.exact);
        if let Some(archived) = archived
            && !limit_within.is_some_and(|limit| files.hold(&selected, limit))
        {
            archived.check(&wanted)?;
        }
        if let Some(limit) = limit_within {
            selected = files.enough_for(selected, limit);
        }

        let projection: Option<Vec<usize>> = projection
            .map(|columns| {
                columns
                    .iter()
                    .map(|index| table_schema.index_of(self.schema.field(*index).name()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .transpose()?
            .or_else(|| {
                // Without a projection the order of columns is the table's own, not the scan's.
                self.schema
                    .fields()
                    .iter()
                    .map(|field| table_schema.index_of(field.name()).ok())
                    .collect()
            });
        if selected.is_empty() {
            let columns = projection.unwrap_or_default();
            return Ok(Arc::new(EmptyExec::new(Arc::new(
                table_schema.project(&columns)?,
            ))));
        }
        files.check_links(&selected).await?;
        let statistics = files.statistics(&selected, &table_schema, projection.as_ref());
        ParquetScan {
            store,
            files: files.partitioned(&selected, &table_schema, self.addressed)?,
            schema: scan_schema,
            statistics: Some(statistics),
            projection,
            limit,
            filters_within: on_data.iter().any(selective::looks_selective),
        }
        .plan(state)
    }
}
