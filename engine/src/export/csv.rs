//! CSV. Lists, structs and maps, which CSV does not know, are written as JSON.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::{Writer, WriterBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::cells::as_json;
use super::encoder::{Compression, Encoder, Notes, Out};
use super::format::take_compression;
use super::options::Given;
use crate::error::Result;

/// Options of `FORMAT csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Whether the first line names the columns.
    pub header: bool,
    /// What stands between cells.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
    /// As the location's extension says, where nothing is said.
    pub compression: Option<Compression>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            header: true,
            delimiter: b',',
            null: String::new(),
            compression: None,
        }
    }
}

impl CsvOptions {
    pub(super) fn take(mut given: Given) -> Result<Self> {
        let mut options = Self::default();
        if let Some(header) = given.value("header", "true or false")? {
            options.header = header;
        }
        if let Some(text) = given.text("delimiter") {
            options.delimiter = match text.as_bytes() {
                b"\\t" => b'\t',
                [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => *byte,
                _ => {
                    return Err(given.wrong("delimiter", &text, "one character, such as ; or \\t"));
                }
            };
        }
        if let Some(null) = given.text("null") {
            options.null = null;
        }
        options.compression = take_compression(&mut given)?;
        given.finish()?;
        Ok(options)
    }
}

/// Writes the header, even where no row follows, and rows.
pub(super) struct CsvEncoder {
    writer: Writer<Out>,
    flat: SchemaRef,
    rows: u64,
}

impl CsvEncoder {
    pub fn new(out: Out, schema: &SchemaRef, options: &CsvOptions) -> Result<Self> {
        let fields: Vec<FieldRef> = schema.fields().iter().map(flat_field).collect();
        let flat = Arc::new(Schema::new(fields));
        let mut writer = WriterBuilder::new()
            .with_header(options.header)
            .with_delimiter(options.delimiter)
            .with_null(options.null.clone())
            .build(out);
        writer.write(&RecordBatch::new_empty(Arc::clone(&flat)))?;
        Ok(Self {
            writer,
            flat,
            rows: 0,
        })
    }
}

impl Encoder for CsvEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| match field.data_type().is_nested() {
                true => as_json(field, column),
                false => Ok(Arc::clone(column)),
            })
            .collect::<Result<_>>()?;
        // Nullability may differ between a plan's schema and its batches: the columns count.
        let flat = RecordBatch::try_new(Arc::clone(&self.flat), columns)?;
        self.rows += batch.num_rows() as u64;
        Ok(self.writer.write(&flat)?)
    }

    fn finish(self: Box<Self>) -> Result<Notes> {
        self.writer.into_inner().finish()?;
        Ok(Notes::of_rows(self.rows))
    }
}

fn flat_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        nested if nested.is_nested() => DataType::Utf8,
        flat => flat.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}
