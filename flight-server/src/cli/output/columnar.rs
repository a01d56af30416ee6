//! Parquet and Arrow IPC, for programs.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Sink;

/// Writes one Parquet file.
pub struct ParquetSink<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> ParquetSink<W> {
    /// Starts the file.
    pub fn new(out: W, schema: &SchemaRef) -> anyhow::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties))?;
        Ok(Self { writer })
    }
}

impl<W: Write + Send> Sink for ParquetSink<W> {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(self.writer.into_inner()?.flush()?)
    }
}

/// Writes one Arrow IPC stream.
pub struct ArrowSink<W: Write> {
    writer: StreamWriter<W>,
}

impl<W: Write> ArrowSink<W> {
    /// Writes the schema.
    pub fn new(out: W, schema: &SchemaRef) -> anyhow::Result<Self> {
        let writer = StreamWriter::try_new(out, schema)?;
        Ok(Self { writer })
    }
}

impl<W: Write + Send> Sink for ArrowSink<W> {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.writer.write(batch)?;
        Ok(self.writer.flush()?)
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.writer.finish()?;
        Ok(self.writer.flush()?)
    }
}
