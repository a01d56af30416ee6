//! Parquet, compressed by column.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::encoder::{Encoder, Notes, Out};
use super::options::Given;
use crate::error::{Error, Result};

/// A row group is kept in memory until it is written: its size, however few its rows.
const GROUP_BYTES: usize = 128 << 20;

/// Options of `FORMAT parquet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParquetOptions {
    /// How columns are compressed.
    pub compression: Compression,
    /// Most rows of a row group.
    pub row_group_size: usize,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            compression: Compression::ZSTD(ZstdLevel::default()),
            row_group_size: 1 << 20,
        }
    }
}

impl ParquetOptions {
    pub(super) fn take(mut given: Given) -> Result<Self> {
        let mut options = Self::default();
        if let Some(text) = given.text("compression") {
            options.compression = match text.to_ascii_lowercase().as_str() {
                "zstd" => Compression::ZSTD(ZstdLevel::default()),
                "snappy" => Compression::SNAPPY,
                "gzip" => Compression::GZIP(GzipLevel::default()),
                "lz4" | "lz4_raw" => Compression::LZ4_RAW,
                "none" | "uncompressed" => Compression::UNCOMPRESSED,
                _ => {
                    let what = "zstd, snappy, gzip, lz4 or none";
                    return Err(given.wrong("compression", &text, what));
                }
            };
        }
        if let Some(rows) = given.value("row_group_size", "a number of rows")? {
            options.row_group_size = rows;
        }
        if options.row_group_size == 0 {
            return Err(given.wrong("row_group_size", "0", "1 or more"));
        }
        given.finish()?;
        Ok(options)
    }
}

/// Writes one file.
pub(super) struct ParquetEncoder {
    writer: ArrowWriter<Out>,
    rows: u64,
}

impl ParquetEncoder {
    /// # Errors
    /// A type that Parquet does not have.
    pub fn new(out: Out, schema: &SchemaRef, options: &ParquetOptions) -> Result<Self> {
        Self::with_groups(out, schema, options, GROUP_BYTES)
    }

    /// With row groups of at most so many bytes.
    ///
    /// # Errors
    /// A type that Parquet does not have.
    pub fn with_groups(
        out: Out,
        schema: &SchemaRef,
        options: &ParquetOptions,
        bytes: usize,
    ) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(options.compression)
            .set_max_row_group_row_count(Some(options.row_group_size))
            .set_max_row_group_bytes(Some(bytes))
            .build();
        let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties))
            .map_err(failed)?;
        Ok(Self { writer, rows: 0 })
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<Notes> {
        self.writer.into_inner().map_err(failed)?.finish()?;
        Ok(Notes::of_rows(self.rows))
    }
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::NYI(what) => Error::Unsupported(format!(
            "Parquet cannot hold a column: {what}; CAST it to another type"
        )),
        other => Error::Invalid(format!("Parquet: {other}")),
    }
}
