//! A file of stored results: its keys, and some of its rows.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{AsArray as _, BinaryArray, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::error::{Error, Result};
use crate::tables::log::relative;
use crate::tables::maintenance::DataFile;

/// A file whose footer was read.
#[derive(Debug)]
pub(super) struct File {
    path: String,
    bytes: u64,
    metadata: ArrowReaderMetadata,
}

/// The column `name` as bytes.
///
/// # Errors
/// There is none.
pub(super) fn binary(batch: &RecordBatch, name: &str) -> Result<BinaryArray> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::Internal(format!("{}: no column {name}", super::TABLE)))?;
    Ok(cast(column, &DataType::Binary)?.as_binary::<i32>().clone())
}

impl File {
    /// A file and the keys of its rows.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn open(store: Arc<dyn ObjectStore>, file: DataFile) -> Result<(Self, BinaryArray)> {
        let mut reader = Reader::new(Arc::clone(&store), &file.path, file.bytes);
        // Pages that hold no row that is asked for are not read.
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load_async(&mut reader, options)
            .await
            .map_err(DataFusionError::from)?;
        let file = Self {
            path: file.path,
            bytes: file.bytes,
            metadata,
        };
        let batches = file.columns(store, &["key"], None).await?;
        let keys = match batches.first() {
            Some(first) => binary(&concat_batches(&first.schema(), &batches)?, "key")?,
            None => BinaryArray::from_iter_values(std::iter::empty::<&[u8]>()),
        };
        Ok((file, keys))
    }

    /// Its path in the table.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Keys and results of some of its rows, each of them once.
    ///
    /// # Errors
    /// As [`File::open`].
    pub async fn rows(
        self: Arc<Self>,
        store: Arc<dyn ObjectStore>,
        mut rows: Vec<u32>,
    ) -> Result<Vec<RecordBatch>> {
        rows.sort_unstable();
        rows.dedup();
        let mut selectors = Vec::with_capacity(2 * rows.len());
        let mut next = 0;
        for row in rows {
            let row = row as usize;
            selectors.push(RowSelector::skip(row - next));
            selectors.push(RowSelector::select(1));
            next = row + 1;
        }
        let selection = RowSelection::from(selectors);
        let columns = ["key", "result"];
        self.columns(store, &columns, Some(selection)).await
    }

    async fn columns(
        &self,
        store: Arc<dyn ObjectStore>,
        names: &[&str],
        selection: Option<RowSelection>,
    ) -> Result<Vec<RecordBatch>> {
        let reader = Reader::new(store, &self.path, self.bytes);
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(reader, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
        let mut builder = builder.with_projection(mask);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let rows = builder.build().map_err(DataFusionError::from)?;
        Ok(rows.try_collect().await.map_err(DataFusionError::from)?)
    }
}

/// Reads it from its store.
struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl Reader {
    fn new(store: Arc<dyn ObjectStore>, path: &str, bytes: u64) -> Self {
        let path = relative(path);
        Self { store, path, bytes }
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let bytes = self.store.get_range(&self.path, range);
        bytes.map_err(external).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let read = async move { self.store.get_ranges(&self.path, &ranges).await };
        read.map_err(external).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let read = async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        };
        read.boxed()
    }
}
