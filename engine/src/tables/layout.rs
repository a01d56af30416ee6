//! How a table's data files are laid out: all that its writer needs to know, wherever it runs.

use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use deltalake::datafile::writer::WriterConfig;
use deltalake::kernel::EagerSnapshot;
use object_store::ObjectStore;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use super::{Table, storage_class};

/// Rows in a row group: large enough to compress well, small enough to skip and to buffer.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;
/// Longest prefix of a string kept as its minimum or maximum.
const STATISTICS_PREFIX: usize = 64;
/// Table property: columns by which rows are sorted within a partition.
pub const SORT_COLUMNS: &str = "paratope.sortColumns";
/// Table property: columns by which maintenance z-orders partitions.
pub const ZORDER_COLUMNS: &str = "paratope.zorderColumns";
/// Table property: long, mostly distinct columns, written without dictionary and statistics.
pub const PLAIN_COLUMNS: &str = "paratope.plainColumns";

/// What the properties of a table say about its files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLayout {
    partition_columns: Vec<String>,
    sort_columns: Vec<String>,
    plain_columns: Vec<String>,
    /// Columns with statistics, where the table lists them.
    statistics_columns: Option<Vec<String>>,
    /// Else so many, the first ones, as the table says it; -1: all.
    indexed_columns: Option<String>,
    target_file_bytes: Option<NonZeroU64>,
    /// Storage class of new files, where it is not the store's own.
    storage_class: Option<String>,
}

impl FileLayout {
    /// The layout of a table at a version. A target of 0 bytes makes one file a partition, however large; else what the table
    /// says counts before it.
    pub fn of(snapshot: &EagerSnapshot, target_file_bytes: u64) -> Self {
        let properties = snapshot.table_properties();
        Self {
            partition_columns: snapshot.metadata().partition_columns().to_vec(),
            sort_columns: Table::column_list(snapshot, SORT_COLUMNS).unwrap_or_default(),
            plain_columns: Table::column_list(snapshot, PLAIN_COLUMNS).unwrap_or_default(),
            statistics_columns: Table::column_list(snapshot, "delta.dataSkippingStatsColumns"),
            indexed_columns: Table::property(snapshot, "delta.dataSkippingNumIndexedCols"),
            target_file_bytes: match target_file_bytes {
                0 => None,
                bytes => properties.target_file_size.or(NonZeroU64::new(bytes)),
            },
            storage_class: storage_class::of(snapshot),
        }
    }

    /// Columns by which the table is partitioned.
    pub fn partition_columns(&self) -> &[String] {
        &self.partition_columns
    }

    /// `store` as new files are written to it.
    pub fn store(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        storage_class::of_new_files(store, self.storage_class.as_deref())
    }

    /// Columns by which rows are sorted before they are written.
    pub fn sort_keys(&self) -> Vec<String> {
        let keys = self.partition_columns.iter().chain(&self.sort_columns);
        keys.cloned().collect()
    }

    /// The same for deltalake's writer of rows with `schema`.
    pub(super) fn writer_config(&self, schema: SchemaRef) -> WriterConfig {
        // What is no number counts as if the table said nothing, as for Delta's own writers.
        let indexed = self.indexed_columns.as_deref();
        WriterConfig::new(
            schema,
            self.partition_columns.clone(),
            Some(self.parquet()),
            self.target_file_bytes,
            None,
            indexed
                .and_then(|it| it.try_into().ok())
                .unwrap_or_default(),
            self.statistics_columns.clone(),
        )
    }

    fn parquet(&self) -> WriterProperties {
        let mut builder = WriterProperties::builder()
            .set_created_by(concat!("paratope ", env!("CARGO_PKG_VERSION")).to_string())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_truncate_length(Some(STATISTICS_PREFIX))
            .set_column_index_truncate_length(Some(STATISTICS_PREFIX));
        for column in &self.plain_columns {
            let path = ColumnPath::from(column.as_str());
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        builder.build()
    }
}
