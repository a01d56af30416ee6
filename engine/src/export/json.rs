//! JSON: an object a line, or one array. Every object has every column; NULL is written.

use std::fmt::Debug;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonFormat, LineDelimited, Writer};

use super::encoder::{Compression, Encoder, Notes, Out};
use super::format::take_compression;
use super::options::Given;
use crate::error::Result;

/// Options of `FORMAT json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonOptions {
    /// One array and not an object a line.
    pub array: bool,
    /// As the location's extension says, where nothing is said.
    pub compression: Option<Compression>,
}

impl JsonOptions {
    pub(super) fn take(mut given: Given) -> Result<Self> {
        let options = Self {
            array: given.value("array", "true or false")?.unwrap_or_default(),
            compression: take_compression(&mut given)?,
        };
        given.finish()?;
        Ok(options)
    }
}

pub(super) fn json_encoder(out: Out, options: &JsonOptions) -> Box<dyn Encoder> {
    match options.array {
        true => Box::new(JsonEncoder::<Rows>::new(out)),
        false => Box::new(JsonEncoder::<LineDelimited>::new(out)),
    }
}

/// An array whose objects stand on lines of their own.
#[derive(Debug, Default)]
struct Rows;

impl JsonFormat for Rows {
    fn start_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"\n]\n")?)
    }
}

struct JsonEncoder<F: JsonFormat> {
    writer: Writer<Out, F>,
    rows: u64,
}

impl<F: JsonFormat> JsonEncoder<F> {
    fn new(out: Out) -> Self {
        let writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, F>(out);
        Self { writer, rows: 0 }
    }
}

impl<F: JsonFormat + Send> Encoder for JsonEncoder<F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        Ok(self.writer.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Notes> {
        self.writer.finish()?;
        self.writer.into_inner().finish()?;
        Ok(Notes::of_rows(self.rows))
    }
}
