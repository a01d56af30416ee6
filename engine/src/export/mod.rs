//! Results as files elsewhere: `COPY (query) TO 'file' (FORMAT …)`.
//!
//! | format | is |
//! |---|---|
//! | `parquet` | one Parquet file, Zstd |
//! | `csv`, `json` | text; JSON is an object a line, or one array |
//! | `airr` | an AIRR Rearrangement table that the `airr` package's validator passes and ingest reads back |
//! | `fasta` | sequences with an identifier |
//!
//! Rows stream, and memory does not grow with them. A file appears when it is whole or not at all: a local one is written
//! under another name and renamed, an object is completed at the end.
//!
//! Where nodes compute the rows, they encode them too ([`encode`]), unless the format wants all of them in one place.

mod airr;
mod attributes;
mod cells;
mod csv;
mod destination;
pub(crate) mod encode;
mod encoder;
mod fasta;
mod format;
mod json;
mod options;
mod parquet;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::TryStreamExt as _;

pub use self::airr::AirrOptions;
pub use self::attributes::Attributes;
pub use self::csv::CsvOptions;
pub use self::encoder::Compression;
pub use self::fasta::FastaOptions;
pub use self::format::ExportFormat;
pub use self::json::JsonOptions;
pub use self::parquet::ParquetOptions;

use self::destination::Destination;
use self::encode::{Assembly, Encoding, part_of};
use self::encoder::{Buffer, Notes};
use crate::error::Result;
use crate::storage::Access;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where the file lies, without secrets.
    pub location: String,
    /// Rows in the file.
    pub rows: u64,
    /// Rows that are not in the file, for the reason that a warning gives.
    pub skipped: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// What a reader of the file should know.
    pub warnings: Vec<String>,
}

/// Writes rows to a path or URL.
///
/// # Errors
/// A place that `access` does not let statements write to, columns that the format cannot hold (by name, with the
/// remedy), whatever the rows or the store fail with. Then there is no new file, and an older one stays as it was.
pub async fn export(
    rows: SendableRecordBatchStream,
    location: &str,
    format: &ExportFormat,
    context: &Arc<TaskContext>,
    access: &Access,
) -> Result<Exported> {
    let runtime = context.runtime_env();
    let compression = format.compression(location);
    let mut destination = Destination::open(location, &runtime, access)?;
    let buffer = Buffer::default();
    let out = compression.writer(buffer.clone())?;
    let (mut rows, mut encoder) = format.encoder(rows, out, &runtime).await?;
    let written = async {
        while let Some(batch) = rows.try_next().await? {
            encoder.write(&batch)?;
            destination.put(buffer.take()).await?;
        }
        let notes = encoder.finish()?;
        destination.put(buffer.take()).await?;
        Ok(notes)
    }
    .await;
    ended(destination, written).await
}

/// Puts parts that [`encode`] gives together to a file of rows with the columns of `schema`.
///
/// # Errors
/// As for [`export`].
pub(crate) async fn export_parts(
    mut parts: SendableRecordBatchStream,
    encoding: &Encoding,
    schema: SchemaRef,
    location: &str,
    context: &Arc<TaskContext>,
    access: &Access,
) -> Result<Exported> {
    let mut destination = Destination::open(location, &context.runtime_env(), access)?;
    let buffer = Buffer::default();
    let mut assembly = Assembly::new(encoding, schema, buffer.clone())?;
    let written = async {
        let mut rows = 0;
        while let Some(batch) = parts.try_next().await? {
            for (part, its_rows) in part_of(&batch)? {
                assembly.add(&part)?;
                rows += its_rows;
                destination.put(buffer.take()).await?;
            }
        }
        assembly.finish()?;
        destination.put(buffer.take()).await?;
        Ok(Notes::of_rows(rows))
    }
    .await;
    ended(destination, written).await
}

/// Lets the file appear, or removes what there is of it.
async fn ended(destination: Destination, written: Result<Notes>) -> Result<Exported> {
    match written {
        Ok(notes) => Ok(Exported {
            location: destination.shown().to_string(),
            bytes: destination.finish().await?,
            rows: notes.rows,
            skipped: notes.skipped,
            warnings: notes.warnings,
        }),
        Err(error) => {
            destination.abandon().await;
            Err(error)
        }
    }
}
