//! JSON: an array of objects, or an object a line.

use std::fmt::Debug;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonFormat, LineDelimited, Writer};

use super::Sink;

/// One object a line.
pub type Lines = LineDelimited;

/// An array whose objects stand on lines of their own, so that a diff or a pager copes with it.
#[derive(Debug, Default)]
pub struct Rows;

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

/// Writes rows in the JSON format `F`. Every object has every column: NULL is written.
pub struct JsonSink<F: JsonFormat, W: Write> {
    writer: Writer<W, F>,
}

impl<F: JsonFormat, W: Write> JsonSink<F, W> {
    /// Nothing is written yet.
    pub fn new(out: W) -> Self {
        let writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, F>(out);
        Self { writer }
    }
}

impl<F: JsonFormat + Send, W: Write + Send> Sink for JsonSink<F, W> {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.writer.write(batch)?;
        Ok(self.writer.get_mut().flush()?)
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.writer.finish()?;
        Ok(self.writer.get_mut().flush()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};

    use super::*;

    fn written<F: JsonFormat + Send>(batches: &[RecordBatch]) -> String {
        let mut out = Vec::new();
        let mut sink = Box::new(JsonSink::<F, _>::new(&mut out));
        for batch in batches {
            sink.write(batch).unwrap();
        }
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn batch(values: Vec<Option<i32>>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int32Array::from(values));
        RecordBatch::try_from_iter([("a", column)]).unwrap()
    }

    #[test]
    fn an_array_has_an_object_a_line_over_all_batches_and_writes_null() {
        let batches = [batch(vec![Some(1), None]), batch(vec![Some(3)])];
        assert_eq!(
            written::<Rows>(&batches),
            "[\n{\"a\":1},\n{\"a\":null},\n{\"a\":3}\n]\n"
        );
        assert_eq!(
            written::<Lines>(&batches),
            "{\"a\":1}\n{\"a\":null}\n{\"a\":3}\n"
        );
    }

    #[test]
    fn no_rows_are_an_empty_array_and_no_lines() {
        let text = written::<Rows>(&[]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!([]));
        assert_eq!(written::<Lines>(&[]), "");
    }
}
