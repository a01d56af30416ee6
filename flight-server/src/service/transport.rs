//! Batches as they travel: plain types that every client reads, in messages below gRPC's usual limit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use prost_types::Timestamp;

/// A message of several rows is at most so large, bytes: gRPC clients refuse larger ones unless told otherwise.
pub const MOST_MESSAGE_BYTES: usize = 4 << 20;
/// How large pieces are meant to be, as far as can be told beforehand.
const MESSAGE_BYTES: usize = 3_500_000;

/// The schema as clients see it: views of texts and dictionaries become plain texts, all lists become lists.
pub fn schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn field(given: &FieldRef) -> FieldRef {
    let travels = data_type(given.data_type());
    match travels == *given.data_type() {
        true => Arc::clone(given),
        false => Arc::new(
            Field::new(given.name(), travels, given.is_nullable())
                .with_metadata(given.metadata().clone()),
        ),
    }
}

fn data_type(given: &DataType) -> DataType {
    match given {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => data_type(values),
        DataType::RunEndEncoded(_, values) => data_type(values.data_type()),
        // Large lists too: arrow-flight's encoder announces them as lists, and their offsets would be misread.
        DataType::List(item)
        | DataType::ListView(item)
        | DataType::LargeList(item)
        | DataType::LargeListView(item) => DataType::List(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

/// A batch with the columns of `schema`.
///
/// # Errors
/// A column that cannot be turned into its type: a defect.
pub fn convert(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Vec<ArrayRef> = columns
        .map(|(given, field)| column(given, field))
        .collect::<Result<_, ArrowError>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

/// A column of the type that travels.
///
/// # Errors
/// As for [`convert`].
pub fn column(given: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    let exact = CastOptions {
        safe: false,
        ..Default::default()
    };
    match given.data_type() == field.data_type() {
        true => Ok(Arc::clone(given)),
        false => cast_with_options(given, field.data_type(), &exact),
    }
}

/// The batch in equal pieces that are likely to fit a message each, whatever they become when they travel.
pub fn cut(batch: &RecordBatch) -> VecDeque<RecordBatch> {
    let rows = batch.num_rows();
    let bytes: usize = batch.columns().iter().map(travelling).sum();
    let pieces = bytes.div_ceil(MESSAGE_BYTES).clamp(1, rows.max(1));
    let each = rows.div_ceil(pieces).max(1);
    let starts = (0..rows).step_by(each);
    starts
        .map(|start| batch.slice(start, each.min(rows - start)))
        .collect()
}

/// About how many bytes a column takes when it travels.
fn travelling(column: &ArrayRef) -> usize {
    /// An offset into a buffer of texts.
    const OFFSET: usize = 4;
    // The length stands in the lower half of a view's first word.
    let texts = |views: &[u128]| -> usize {
        views
            .iter()
            .map(|view| *view as u32 as usize)
            .sum::<usize>()
            + OFFSET * views.len()
    };
    if let Some(views) = column.as_string_view_opt() {
        return texts(views.views());
    }
    if let Some(views) = column.as_binary_view_opt() {
        return texts(views.views());
    }
    slice_size(column)
}

/// Bytes of the rows themselves, not of the buffers that they are slices of.
pub fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(slice_size).sum()
}

fn slice_size(column: &ArrayRef) -> usize {
    let data = column.to_data();
    data.get_slice_memory_size()
        .unwrap_or_else(|_| column.get_array_memory_size())
}

/// A schema as an encapsulated IPC message, as FlightInfo and prepared statements carry it.
///
/// # Errors
/// A schema that cannot be encoded: a defect.
pub fn schema_message(schema: &Schema) -> Result<Bytes, ArrowError> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into()?;
    Ok(bytes)
}

/// A time as messages have it.
pub fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: since.as_secs().try_into().unwrap_or(i64::MAX),
        nanos: since.subsec_nanos().try_into().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use arrow::array::{DictionaryArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn views_and_dictionaries_travel_as_plain_texts() {
        let words: DictionaryArray<Int32Type> =
            vec![Some("a"), None, Some("a")].into_iter().collect();
        let batch = RecordBatch::try_from_iter([
            ("d", Arc::new(words) as ArrayRef),
            (
                "v",
                Arc::new(StringViewArray::from(vec![
                    "x",
                    "a text of more than twelve",
                    "",
                ])) as _,
            ),
        ])
        .unwrap();
        let travels = schema(&batch.schema());
        assert!(
            travels
                .fields()
                .iter()
                .all(|field| *field.data_type() == DataType::Utf8)
        );
        let batch = convert(&batch, &travels).unwrap();
        assert_eq!(batch.column(0).as_string::<i32>().value(2), "a");
        assert_eq!(batch.column(0).null_count(), 1);
    }

    #[test]
    fn rows_without_columns_keep_their_number() {
        let empty = Arc::new(Schema::empty());
        let rows = RecordBatchOptions::new().with_row_count(Some(3));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&empty), vec![], &rows).unwrap();
        assert_eq!(convert(&batch, &empty).unwrap().num_rows(), 3);
    }
}
