//! Batches of source records: columns picked from `main.chains`, filled row by row.
//!
//! A row is checked as a whole and then pushed, so that a rejected record leaves nothing behind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, MapBuilder, MapFieldNames, RecordBatch,
    StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::tables::definitions::definition;

/// The schema of a format's batches: `source_record` and the named columns of a table. What a source may lack
/// may be NULL.
///
/// # Errors
/// A column that the table does not have.
pub(super) fn source_schema(table: &str, names: &[&str]) -> Result<SchemaRef> {
    let table = definition(table)?.arrow_schema();
    let mut fields = vec![Field::new("source_record", DataType::Int64, false)];
    for name in names {
        let field = table.field_with_name(name)?;
        fields.push(Field::new(*name, field.data_type().clone(), true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Value<'a> {
    #[default]
    Null,
    Text(&'a str),
    Flag(bool),
    Count(i64),
    Real(f64),
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Value::Null, Value::Text)
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(count: Option<i64>) -> Self {
        count.map_or(Value::Null, Value::Count)
    }
}

enum Cells {
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Count(Int64Builder),
    Real(Float64Builder),
    Map(Box<MapBuilder<StringBuilder, StringBuilder>>),
}

/// Rows of a batch in the making.
pub(super) struct Rows {
    schema: SchemaRef,
    record: Int64Builder,
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl Rows {
    /// An empty batch of a schema made by [`source_schema`].
    pub(super) fn new(schema: SchemaRef) -> Result<Self> {
        let cells = schema.fields()[1..]
            .iter()
            .map(|field| cells(field))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema,
            record: Int64Builder::new(),
            cells,
            rows: 0,
            bytes: 0,
        })
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Bytes of text so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row: `values` in the order of the columns behind `source_record` (that of a map is not looked at),
    /// and the entries of the map column.
    pub(super) fn push<'a>(
        &mut self,
        record: i64,
        values: &[Value<'_>],
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        self.record.append_value(record);
        let mut attributes = Some(attributes);
        for (cells, value) in self.cells.iter_mut().zip(values) {
            match (cells, value) {
                (Cells::Text(cells), Value::Text(text)) => {
                    self.bytes += text.len();
                    cells.append_value(text);
                }
                (Cells::Flag(cells), Value::Flag(flag)) => cells.append_value(*flag),
                (Cells::Count(cells), Value::Count(count)) => cells.append_value(*count),
                (Cells::Real(cells), Value::Real(real)) => cells.append_value(*real),
                (Cells::Map(cells), _) => {
                    let mut entries = 0;
                    for (key, value) in attributes.take().into_iter().flatten() {
                        self.bytes += key.len() + value.len();
                        entries += 1;
                        cells.keys().append_value(key);
                        cells.values().append_value(value);
                    }
                    cells.append(entries > 0)?;
                }
                (Cells::Text(cells), _) => cells.append_null(),
                (Cells::Flag(cells), _) => cells.append_null(),
                (Cells::Count(cells), _) => cells.append_null(),
                (Cells::Real(cells), _) => cells.append_null(),
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch; the next starts empty.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(self.record.finish())];
        for cells in &mut self.cells {
            arrays.push(match cells {
                Cells::Text(cells) => Arc::new(cells.finish()),
                Cells::Flag(cells) => Arc::new(cells.finish()),
                Cells::Count(cells) => Arc::new(cells.finish()),
                Cells::Real(cells) => Arc::new(cells.finish()),
                Cells::Map(cells) => Arc::new(cells.finish()),
            });
        }
        self.rows = 0;
        self.bytes = 0;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

fn cells(field: &Field) -> Result<Cells> {
    Ok(match field.data_type() {
        DataType::Utf8 => Cells::Text(StringBuilder::new()),
        DataType::Boolean => Cells::Flag(BooleanBuilder::new()),
        DataType::Int64 => Cells::Count(Int64Builder::new()),
        DataType::Float64 => Cells::Real(Float64Builder::new()),
        DataType::Map(..) => Cells::Map(Box::new(map_builder(field.data_type())?)),
        other => {
            return Err(Error::Internal(format!(
                "a source gives no column {} of type {other}",
                field.name()
            )));
        }
    })
}

/// A builder of exactly this map type (the names of its fields are part of it).
pub(crate) fn map_builder(kind: &DataType) -> Result<MapBuilder<StringBuilder, StringBuilder>> {
    let entries = match kind {
        DataType::Map(entries, _) => entries,
        other => return Err(Error::Internal(format!("{other} is no map"))),
    };
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Ok(MapBuilder::new(
            Some(MapFieldNames {
                entry: entries.name().clone(),
                key: fields[0].name().clone(),
                value: fields[1].name().clone(),
            }),
            StringBuilder::new(),
            StringBuilder::new(),
        )
        .with_keys_field(Arc::clone(&fields[0]))
        .with_values_field(Arc::clone(&fields[1]))),
        other => Err(Error::Internal(format!("{other} is no entry of a map"))),
    }
}

/// An identifier for a record that has none: the same whenever the same content stands at the same place.
pub(super) fn stable_id(record: i64, content: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(record.to_le_bytes());
    hash.update(content);
    let digest = hash.finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn rows_have_the_types_of_the_table() {
        let names = [
            "sequence_id",
            "productive",
            "v_identity",
            "umi_count",
            "attributes",
        ];
        let schema = source_schema("main.chains", &names).unwrap();
        let mut rows = Rows::new(Arc::clone(&schema)).unwrap();
        let values = [
            Value::Text("a"),
            Value::Flag(true),
            Value::Real(0.5),
            Value::Count(3),
            Value::Null,
        ];
        rows.push(1, &values, [("k", "v")]).unwrap();
        rows.push(2, &[Value::Null; 5], []).unwrap();
        assert_eq!((rows.len(), rows.bytes()), (2, 3));
        let batch = rows.finish().unwrap();
        assert_eq!(batch.schema(), schema);
        assert_eq!(rows.len(), 0);
        assert!((1..6).all(|column| batch.column(column).is_null(1)));
        assert_eq!(batch.column(5).as_map().value_length(0), 1);
    }

    #[test]
    fn a_stable_id_depends_on_place_and_content_only() {
        assert_eq!(stable_id(1, b"x"), stable_id(1, b"x"));
        assert_ne!(stable_id(1, b"x"), stable_id(2, b"x"));
        assert_ne!(stable_id(1, b"x"), stable_id(1, b"y"));
        assert_eq!(stable_id(1, b"x").len(), 32);
    }
}
