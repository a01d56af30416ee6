//! Cells of a column as text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, StringBuilder,
};
use arrow::compute::kernels::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::json::writer::{EncoderOptions, make_encoder};

use crate::error::{Error, Result};

/// Lists, structs and maps as JSON.
pub(super) fn as_json(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
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

/// A column as text: flags are `T` and `F`, numbers that are none are NULL.
pub(super) fn as_text(field: &FieldRef, column: &ArrayRef) -> Result<StringArray> {
    let text: ArrayRef = match column.data_type() {
        DataType::Boolean => Arc::new(flags(column.as_boolean())),
        nested if nested.is_nested() => as_json(field, column)?,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let text = cast(column, &DataType::Utf8)?;
            let is_number = |text: &&str| !matches!(*text, "NaN" | "inf" | "-inf");
            let kept = text
                .as_string::<i32>()
                .iter()
                .map(|text| text.filter(is_number));
            Arc::new(kept.collect::<StringArray>())
        }
        _ => cast(column, &DataType::Utf8)?,
    };
    Ok(text.as_string::<i32>().clone())
}

fn flags(column: &BooleanArray) -> StringArray {
    column
        .iter()
        .map(|flag| flag.map(|flag| if flag { "T" } else { "F" }))
        .collect()
}

/// Whether a column holds text, possibly none but NULLs.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Refuses what has no text.
///
/// # Errors
/// Binary columns.
pub(super) fn check_textual(format: &str, field: &Field) -> Result<()> {
    match field.data_type() {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Err(Error::Invalid(format!(
            "FORMAT {format}: column {} is binary, which is no text; write encode({0}, 'hex') AS {0}",
            field.name()
        ))),
        _ => Ok(()),
    }
}

/// A map from text to text, as `attributes` is.
pub(super) fn is_map(kind: &DataType) -> bool {
    match kind {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields.iter().all(|field| is_text(field.data_type())),
            _ => false,
        },
        _ => false,
    }
}

/// Keys and values of every row of a map column, with the offsets of the rows.
pub(super) struct Entries {
    column: ArrayRef,
    keys: StringArray,
    values: StringArray,
}

impl Entries {
    /// The entries of a column for which [`is_map`] holds.
    pub fn new(batch: &RecordBatch, index: usize) -> Result<Self> {
        let column = Arc::clone(batch.column(index));
        let map = column
            .as_map_opt()
            .ok_or_else(|| Error::Internal("the column is no map".into()))?;
        let text = |array: &ArrayRef| -> Result<StringArray> {
            Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        Ok(Self {
            keys: text(map.keys())?,
            values: text(map.values())?,
            column,
        })
    }

    /// Entries of a row whose value is not NULL.
    pub fn of_row(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        let range = match self.column.as_map_opt() {
            Some(map) if map.is_valid(row) => {
                let offsets = map.value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            _ => 0..0,
        };
        range
            .filter(|entry| self.values.is_valid(*entry))
            .map(|entry| (self.keys.value(entry), self.values.value(entry)))
    }
}
