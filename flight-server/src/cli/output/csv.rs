//! CSV with a header. Lists, structs and maps, which CSV does not know, are written as JSON.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use arrow::csv::{Writer, WriterBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};

use super::Sink;

/// Writes rows as CSV; the header is there even where no row is.
pub struct CsvSink<W: Write> {
    writer: Writer<W>,
    flat: SchemaRef,
}

impl<W: Write> CsvSink<W> {
    /// Writes the header.
    pub fn new(out: W, schema: &SchemaRef) -> anyhow::Result<Self> {
        let fields: Vec<FieldRef> = schema.fields().iter().map(flat_field).collect();
        let flat = Arc::new(Schema::new(fields));
        let mut writer = WriterBuilder::new().with_header(true).build(out);
        writer.write(&RecordBatch::new_empty(Arc::clone(&flat)))?;
        Ok(Self { writer, flat })
    }
}

impl<W: Write + Send> Sink for CsvSink<W> {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let columns = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| flat_column(field, column))
            .collect::<Result<_, _>>()?;
        // Nullability may differ between a plan's schema and its batches: the columns count.
        let flat = RecordBatch::try_new(Arc::clone(&self.flat), columns)?;
        Ok(self.writer.write(&flat)?)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(self.writer.into_inner().flush()?)
    }
}

fn flat_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        nested if nested.is_nested() => DataType::Utf8,
        flat => flat.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

fn flat_column(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !field.data_type().is_nested() {
        return Ok(Arc::clone(column));
    }
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    let mut json = Vec::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        json.clear();
        encoder.encode(row, &mut json);
        texts.append_value(String::from_utf8_lossy(&json));
    }
    Ok(Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use arrow::array::{Int32Array, ListArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn written(batch: &RecordBatch) -> String {
        let mut out = Vec::new();
        let mut sink = Box::new(CsvSink::new(&mut out, &batch.schema()).unwrap());
        sink.write(batch).unwrap();
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists_are_json_and_null_is_empty() {
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
        ]));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(7)]));
        let batch = RecordBatch::try_from_iter([("list", lists), ("n", numbers)]).unwrap();
        assert_eq!(written(&batch), "list,n\n\"[1,null]\",\n,7\n");
    }

    #[test]
    fn no_rows_leave_the_header() {
        let none: ArrayRef = Arc::new(Int32Array::from(Vec::<i32>::new()));
        let batch = RecordBatch::try_from_iter([("n", none)]).unwrap();
        assert_eq!(written(&batch), "n\n");
    }
}
