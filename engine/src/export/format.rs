//! The formats by name, with their options.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;

use super::airr::{AirrEncoder, AirrOptions};
use super::csv::{CsvEncoder, CsvOptions};
use super::encoder::{Compression, Encoder, Out};
use super::fasta::{FastaEncoder, FastaOptions};
use super::json::{JsonOptions, json_encoder};
use super::options::Given;
use super::parquet::{ParquetEncoder, ParquetOptions};
use crate::error::{Error, Result};

/// A format with its options.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportFormat {
    /// One Parquet file.
    Parquet(ParquetOptions),
    /// CSV with a header.
    Csv(CsvOptions),
    /// JSON, an object a line or one array.
    Json(JsonOptions),
    /// AIRR Rearrangement TSV.
    Airr(AirrOptions),
    /// FASTA.
    Fasta(FastaOptions),
}

impl ExportFormat {
    /// Every name.
    pub const NAMES: [&str; 5] = ["parquet", "csv", "json", "airr", "fasta"];

    /// The format that a statement asks for: `name` is what stands behind FORMAT, and where nothing stands there the
    /// location's extension tells.
    ///
    /// # Errors
    /// An unknown format; an option that the format does not have; a value that an option does not take.
    pub fn new<'a>(
        name: Option<&str>,
        location: &str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let name = match name {
            Some(name) => name.to_ascii_lowercase(),
            None => of_extension(location)
                .ok_or_else(|| {
                    Error::Invalid(format!(
                        "the extension of {location} does not tell a format; say FORMAT {}",
                        Self::NAMES.join(", ")
                    ))
                })?
                .to_string(),
        };
        match name.as_str() {
            "parquet" => ParquetOptions::take(Given::new("parquet", options)?).map(Self::Parquet),
            "csv" => CsvOptions::take(Given::new("csv", options)?).map(Self::Csv),
            "json" | "ndjson" => JsonOptions::take(Given::new("json", options)?).map(Self::Json),
            "airr" => AirrOptions::take(Given::new("airr", options)?).map(Self::Airr),
            "fasta" => FastaOptions::take(Given::new("fasta", options)?).map(Self::Fasta),
            other => Err(Error::Invalid(format!(
                "there is no FORMAT {other}; there are {}",
                Self::NAMES.join(", ")
            ))),
        }
    }

    /// How the bytes of the file are compressed: as the options say, else as the location's extension does.
    pub(super) fn compression(&self, location: &str) -> Compression {
        let said = match self {
            // Parquet compresses its columns by itself.
            Self::Parquet(_) => Some(Compression::None),
            Self::Csv(options) => options.compression,
            Self::Json(options) => options.compression,
            Self::Airr(options) => options.compression,
            Self::Fasta(options) => options.compression,
        };
        said.unwrap_or_else(|| Compression::of_name(location))
    }

    /// The encoder for rows of this stream, and the stream to give it.
    pub(super) async fn encoder(
        &self,
        rows: SendableRecordBatchStream,
        out: Out,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<(SendableRecordBatchStream, Box<dyn Encoder>)> {
        let schema = rows.schema();
        Ok(match self {
            Self::Parquet(options) => (rows, Box::new(ParquetEncoder::new(out, &schema, options)?)),
            Self::Csv(options) => (rows, Box::new(CsvEncoder::new(out, &schema, options)?)),
            Self::Json(options) => (rows, json_encoder(out, options)),
            Self::Airr(options) => {
                let (rows, encoder) = AirrEncoder::start(rows, out, options, runtime).await?;
                (rows, Box::new(encoder))
            }
            Self::Fasta(options) => (rows, Box::new(FastaEncoder::new(out, &schema, options)?)),
        })
    }
}

/// What the name of a file says about its format.
fn of_extension(location: &str) -> Option<&'static str> {
    let name = location.rsplit('/').next()?.to_ascii_lowercase();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "parquet" => "parquet",
        "csv" => "csv",
        "json" | "ndjson" | "jsonl" => "json",
        "tsv" | "airr" => "airr",
        "fasta" | "fa" | "faa" | "fna" => "fasta",
        _ => return None,
    })
}

/// The option `compression` of text formats.
pub(super) fn take_compression(given: &mut Given) -> Result<Option<Compression>> {
    let Some(text) = given.text("compression") else {
        return Ok(None);
    };
    match text.to_ascii_lowercase().as_str() {
        "none" | "uncompressed" => Ok(Some(Compression::None)),
        "gzip" | "gz" => Ok(Some(Compression::Gzip)),
        "zstd" | "zst" => Ok(Some(Compression::Zstd)),
        _ => Err(given.wrong("compression", &text, "none, gzip or zstd")),
    }
}
