//! How rows become parts of a file.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray as _, BinaryArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use bytes::Bytes;
use datafusion::error::Result as DFResult;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::export::ExportFormat;
use crate::export::csv::{CsvEncoder, CsvOptions};
use crate::export::encoder::{Buffer, Compression, Encoder};
use crate::export::json::json_encoder;
use crate::export::parquet::{ParquetEncoder, ParquetOptions};

/// With so many rows a part of a text file ends.
const TEXT_ROWS: usize = 8_192;
/// With so many bytes it ends as well: each part is one message between nodes.
const TEXT_BYTES: usize = 16 << 20;
/// A part of a Parquet file has about so many bytes: a node holds one in memory for each of its threads.
const PARQUET_BYTES: usize = 32 << 20;
/// With so many bytes it has a row group, and not only what stands before the first.
const HAS_ROW_GROUP: usize = 1 << 20;

/// A part, and how many rows are in it.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::Binary, false),
        Field::new("rows", DataType::UInt64, false),
    ]))
});

/// What a statement asks for, as it stands there: of a format whose files can be put together of parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encoding {
    format: Option<String>,
    /// The name of the file, which may tell format and compression.
    file: String,
    options: Vec<(String, String)>,
}

impl Encoding {
    /// `None` for formats whose files are written from their first row to their last.
    ///
    /// # Errors
    /// As for [`ExportFormat::new`].
    pub fn new(
        format: Option<&str>,
        location: &str,
        options: &[(&str, String)],
    ) -> Result<Option<Self>> {
        let file = location.rsplit('/').next().unwrap_or(location);
        let options = options
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()));
        let encoding = Self {
            format: format.map(str::to_string),
            file: file.to_string(),
            options: options.collect(),
        };
        Ok(encoding.parts()?.map(|_| encoding))
    }

    /// Encoders of parts.
    ///
    /// # Errors
    /// As for [`ExportFormat::new`].
    pub(super) fn parts(&self) -> Result<Option<Parts>> {
        let options = self.options.iter();
        let options = options.map(|(key, value)| (key.as_str(), value.as_str()));
        let format = ExportFormat::new(self.format.as_deref(), &self.file, options)?;
        let compression = format.compression(&self.file);
        let kind = match format {
            ExportFormat::Csv(options) => Kind::Csv(options),
            ExportFormat::Json(options) if !options.array => Kind::Lines,
            ExportFormat::Parquet(options) => Kind::Parquet(options),
            // The number of a row stands for an identifier that it lacks; an array has brackets; columns of AIRR depend on all rows.
            ExportFormat::Fasta(_) | ExportFormat::Json(_) | ExportFormat::Airr(_) => {
                return Ok(None);
            }
        };
        Ok(Some(Parts { kind, compression }))
    }

    /// What EXPLAIN shows.
    pub(super) fn name(&self) -> &str {
        &self.file
    }
}

/// Encodes parts.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    kind: Kind,
    compression: Compression,
}

#[derive(Debug, Clone)]
enum Kind {
    Csv(CsvOptions),
    Lines,
    Parquet(ParquetOptions),
}

impl Parts {
    pub fn is_parquet(&self) -> bool {
        matches!(self.kind, Kind::Parquet(_))
    }

    /// An encoder of one part; a text file's parts but the first have no header.
    ///
    /// # Errors
    /// A type that the format does not have.
    pub fn encoder(
        &self,
        schema: &SchemaRef,
        first: bool,
        buffer: Buffer,
    ) -> Result<Box<dyn Encoder>> {
        // A compressed part is a stream of its own: those of Gzip and Zstd may stand one after the other.
        let out = self.compression.writer(buffer)?;
        Ok(match &self.kind {
            Kind::Csv(options) => {
                let options = CsvOptions {
                    header: options.header && first,
                    ..options.clone()
                };
                Box::new(CsvEncoder::new(out, schema, &options)?)
            }
            Kind::Lines => json_encoder(out, &Default::default()),
            Kind::Parquet(options) => {
                let encoder = ParquetEncoder::with_groups(out, schema, options, PARQUET_BYTES)?;
                Box::new(encoder)
            }
        })
    }

    /// Whether a part with so many rows and bytes ends.
    pub fn is_full(&self, rows: usize, bytes: usize) -> bool {
        match &self.kind {
            Kind::Csv(_) | Kind::Lines => rows >= TEXT_ROWS || bytes >= TEXT_BYTES,
            Kind::Parquet(options) => rows >= options.row_group_size || bytes >= HAS_ROW_GROUP,
        }
    }
}

/// A part on its way.
///
/// # Errors
/// Rows of gigabytes, which no message holds.
pub(super) fn told(part: Vec<u8>, rows: u64) -> DFResult<RecordBatch> {
    if i32::try_from(part.len()).is_err() {
        let message = format!(
            "{rows} rows of {} bytes are too large to be encoded by a node; copy them with a server or a command without nodes",
            part.len()
        );
        return Err(Error::Unsupported(message).into());
    }
    let columns = vec![
        Arc::new(BinaryArray::from_vec(vec![&part])) as _,
        Arc::new(UInt64Array::from(vec![rows])) as _,
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}

/// The parts that have come, each with its rows.
///
/// # Errors
/// Another node's mistake.
pub(in crate::export) fn part_of(batch: &RecordBatch) -> Result<Vec<(Bytes, u64)>> {
    let wrong = || Error::Internal("parts of a file have other columns".into());
    let part = batch.column_by_name("part").ok_or_else(wrong)?;
    let rows = batch.column_by_name("rows").ok_or_else(wrong)?;
    let parts = part.as_binary_opt::<i32>().ok_or_else(wrong)?;
    let rows = rows.as_primitive_opt::<UInt64Type>().ok_or_else(wrong)?;
    let parts = parts.iter().zip(rows.iter());
    parts
        .map(|(part, rows)| match (part, rows) {
            (Some(part), Some(rows)) => Ok((Bytes::copy_from_slice(part), rows)),
            _ => Err(wrong()),
        })
        .collect()
}
