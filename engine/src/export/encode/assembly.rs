//! A file of parts that others encoded.

use std::io::Write as _;
use std::mem;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::encoding::{Encoding, Parts};
use crate::error::{Error, Result};
use crate::export::encoder::Buffer;

/// A file in the making: what is in its buffer goes to where the file will lie.
pub(in crate::export) struct Assembly {
    buffer: Buffer,
    parts: Parts,
    /// Columns of the rows.
    schema: SchemaRef,
    state: State,
}

enum State {
    /// No part has come.
    Empty,
    /// Text: one part follows the other.
    Text,
    /// Row groups of the parts, and what tells of them at the end.
    Parquet(SerializedFileWriter<Buffer>),
}

impl Assembly {
    /// # Errors
    /// A format without parts: a defect.
    pub fn new(encoding: &Encoding, schema: SchemaRef, buffer: Buffer) -> Result<Self> {
        let parts = encoding.parts()?;
        let parts = parts.ok_or_else(|| Error::Internal("the format has no parts".into()))?;
        Ok(Self {
            buffer,
            parts,
            schema,
            state: State::Empty,
        })
    }

    /// Adds a part.
    ///
    /// # Errors
    /// Another node's mistake.
    pub fn add(&mut self, part: &Bytes) -> Result<()> {
        if !self.parts.is_parquet() {
            if let State::Empty = self.state {
                self.without_rows()?;
                self.state = State::Text;
            }
            return Ok(self.buffer.write_all(part)?);
        }
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(part)
            .map_err(failed)?;
        let mut writer = match mem::replace(&mut self.state, State::Empty) {
            State::Parquet(writer) => writer,
            State::Empty | State::Text => begun(&metadata, self.buffer.clone())?,
        };
        append(&mut writer, part, &metadata).map_err(failed)?;
        self.state = State::Parquet(writer);
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// None that is not a defect.
    pub fn finish(mut self) -> Result<()> {
        match mem::replace(&mut self.state, State::Text) {
            State::Empty => self.without_rows(),
            State::Text => Ok(()),
            State::Parquet(writer) => writer.close().map(|_| ()).map_err(failed),
        }
    }

    /// What a file without rows has: a header, or all that Parquet tells of columns.
    fn without_rows(&self) -> Result<()> {
        let encoder = self
            .parts
            .encoder(&self.schema, true, self.buffer.clone())?;
        encoder.finish().map(|_| ())
    }
}

/// A file with the columns that its first part has.
fn begun(first: &ParquetMetaData, buffer: Buffer) -> Result<SerializedFileWriter<Buffer>> {
    let file = first.file_metadata();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(file.key_value_metadata().cloned())
        .build();
    let schema = file.schema_descr().root_schema_ptr();
    SerializedFileWriter::new(buffer, schema, Arc::new(properties)).map_err(failed)
}

fn append(
    writer: &mut SerializedFileWriter<Buffer>,
    part: &Bytes,
    metadata: &ParquetMetaData,
) -> std::result::Result<(), ParquetError> {
    for row_group in metadata.row_groups() {
        let mut appended = writer.next_row_group()?;
        for column in row_group.columns() {
            let close = ColumnCloseResult {
                bytes_written: column.compressed_size().try_into().unwrap_or_default(),
                rows_written: row_group.num_rows().try_into().unwrap_or_default(),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            appended.append_column(part, close)?;
        }
        appended.close()?;
    }
    Ok(())
}

fn failed(error: ParquetError) -> Error {
    Error::Internal(format!("a part of a Parquet file: {error}"))
}
