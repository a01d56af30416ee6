//! Readers of Parquet files that tell EXPLAIN ANALYZE what came from the cache of data files.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::error::Result as DFResult;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

use crate::storage::{Lookups, counting};

/// Readers of another factory, whose look-ups in the cache are counted among the metrics of the scan.
pub(super) struct CountedReaders(Arc<dyn ParquetFileReaderFactory>);

impl CountedReaders {
    pub(super) fn new(readers: Arc<dyn ParquetFileReaderFactory>) -> Arc<Self> {
        Arc::new(Self(readers))
    }
}

/// The same plan with counted readers, for plans that came from another node: those that it was made with stay behind.
///
/// # Errors
/// DataFusion's, where it cannot build an operator again.
pub(crate) fn with_counted_readers(
    plan: Arc<dyn ExecutionPlan>,
) -> DFResult<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| Ok(recounted(&node).map_or(Transformed::no(node), Transformed::yes)))
        .data()
}

fn recounted(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = node.downcast_ref::<DataSourceExec>()?.data_source();
    let scan = scan.downcast_ref::<FileScanConfig>()?;
    let source = scan.file_source.downcast_ref::<ParquetSource>()?;
    let readers = CountedReaders::new(Arc::clone(source.parquet_file_reader_factory()?));
    let source = source.clone().with_parquet_file_reader_factory(readers);
    let scan = FileScanConfigBuilder::from(scan.clone()).with_source(Arc::new(source));
    Some(DataSourceExec::from_data_source(scan.build()))
}

impl fmt::Debug for CountedReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ParquetFileReaderFactory for CountedReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DFResult<Box<dyn AsyncFileReader + Send>> {
        let count = |name| -> Count { MetricBuilder::new(metrics).counter(name, partition_index) };
        let lookups = Lookups {
            found: count("cached_ranges"),
            missed: count("fetched_ranges"),
        };
        let reader = self
            .0
            .create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(CountedReader { reader, lookups }))
    }
}

struct CountedReader {
    reader: Box<dyn AsyncFileReader + Send>,
    lookups: Lookups,
}

impl AsyncFileReader for CountedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(counting(self.lookups.clone(), self.reader.get_bytes(range)))
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let read = self.reader.get_byte_ranges(ranges);
        Box::pin(counting(self.lookups.clone(), read))
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        // Footers have a cache of their own.
        self.reader.get_metadata(options)
    }
}
