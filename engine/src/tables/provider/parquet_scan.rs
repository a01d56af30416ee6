//! DataFusion's Parquet scan, as every reader of lake files makes it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DFResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;

use super::counted::CountedReaders;
use super::pieces;

/// What to read.
pub struct ParquetScan<'a> {
    /// Where the files lie.
    pub store: &'a ObjectStoreUrl,
    /// Columns in the files and beside them.
    pub schema: TableSchema,
    /// The files, with their partition values.
    pub files: Vec<PartitionedFile>,
    /// What is known of all files together.
    pub statistics: Option<Statistics>,
    /// Columns to read, by index into the schema; all where `None`.
    pub projection: Option<Vec<usize>>,
    /// Rows that are enough.
    pub limit: Option<usize>,
    /// Whether filters are evaluated row by row within Parquet, whatever the session says.
    pub filters_within: bool,
}

/// About what a batch with vectors takes, on disk. Of more, each buffer would be memory that the kernel has cleared first, and
/// that has left the processor's cache when it is used.
const VECTORS_BYTES: usize = 1 << 20;
/// The fewest rows of such a batch.
const FEWEST_ROWS: usize = 256;

impl ParquetScan<'_> {
    /// Rows of a batch where they are fewer than `most`, the session's: rows with lists, embeddings for one, are wide.
    fn batch_rows(&self, most: usize) -> Option<usize> {
        let columns = self.schema.table_schema().fields();
        let has_lists = match &self.projection {
            Some(indices) => indices
                .iter()
                .any(|index| is_list(columns[*index].data_type())),
            None => columns.iter().any(|column| is_list(column.data_type())),
        };
        let statistics = self.statistics.as_ref().filter(|_| has_lists)?;
        let bytes = statistics.total_byte_size.get_value()?;
        let width = bytes / statistics.num_rows.get_value()?.max(&1);
        let rows = (VECTORS_BYTES / width.max(1)).max(FEWEST_ROWS);
        (rows < most).then_some(rows)
    }

    /// The plan that reads it.
    ///
    /// # Errors
    /// A store that the session does not know; an index beyond the schema.
    pub fn plan(self, state: &dyn Session) -> DFResult<Arc<dyn ExecutionPlan>> {
        let mut options = state.config_options().execution.parquet.clone();
        options.pushdown_filters |= self.filters_within;
        let runtime = state.runtime_env();
        // Footers come from the cache; without this factory they are read for each statement.
        let readers = CachedParquetFileReaderFactory::new(
            runtime.object_store(self.store)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        let batch_rows = self.batch_rows(state.config().batch_size());
        let source = ParquetSource::new(self.schema)
            .with_table_parquet_options(TableParquetOptions {
                global: options,
                ..Default::default()
            })
            .with_parquet_file_reader_factory(CountedReaders::new(Arc::new(readers)));
        let groups = pieces::groups(self.files, state.config().target_partitions());
        let mut config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(self.projection)?
            .with_batch_size(batch_rows)
            .with_limit(self.limit);
        if let Some(statistics) = self.statistics {
            config = config.with_statistics(statistics);
        }
        Ok(DataSourceExec::from_data_source(config.build()))
    }
}

fn is_list(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}
