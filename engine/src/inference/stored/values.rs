//! Results as bytes: each an Arrow IPC stream of one column and one row, which says its type itself and is read by all of Arrow.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::Result;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

/// The bytes of each row.
pub(super) fn encoded(results: &ArrayRef) -> Result<Vec<Vec<u8>>> {
    let field = Field::new("result", results.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let rows = (0..results.len()).map(|row| {
        let row = RecordBatch::try_new(Arc::clone(&schema), vec![results.slice(row, 1)])?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&row)?;
        writer.into_inner()
    });
    rows.collect()
}

/// The rows that these bytes are, all of them of the type `of`; none where they are not.
pub(super) fn decoded(bytes: &BinaryArray, of: &DataType) -> Option<ArrayRef> {
    let rows: Option<Vec<ArrayRef>> = bytes.iter().map(|row| decoded_row(row?, of)).collect();
    let rows = rows?;
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    concat(&rows).ok()
}

fn decoded_row(bytes: &[u8], of: &DataType) -> Option<ArrayRef> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None).ok()?;
    let batch = reader.next()?.ok()?;
    let column = batch.columns().first()?;
    (column.data_type() == of && column.len() == 1).then(|| Arc::clone(column))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::arrow::array::{
        FixedSizeListBuilder, Float32Builder, Float64Array, ListBuilder, StringArray, StructArray,
    };

    use super::*;

    fn round_trip(results: &ArrayRef) {
        let bytes = encoded(results).unwrap();
        let array = BinaryArray::from_iter_values(&bytes);
        let read = decoded(&array, results.data_type()).unwrap();
        assert_eq!(&read, results);
        // A row takes its own bytes and not those of its neighbours.
        let most = bytes.iter().map(Vec::len).max().unwrap();
        assert!(most < 2_000, "{most}");
        assert!(decoded(&array, &DataType::Int8).is_none());
    }

    #[test]
    fn results_of_each_type_come_back() {
        let numbers: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(-1.5), None, Some(f64::NAN)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("EVQL"), None, Some("")]));
        let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 64);
        let mut residues = ListBuilder::new(FixedSizeListBuilder::new(Float32Builder::new(), 4));
        for row in 0..20_u8 {
            for value in 0..64_u8 {
                vectors
                    .values()
                    .append_value(f32::from(row) + f32::from(value) / 64.0);
            }
            vectors.append(row != 7);
            for value in 0..8_u8 {
                residues.values().values().append_value(f32::from(value));
                if value % 4 == 3 {
                    residues.values().append(true);
                }
            }
            residues.append(row != 3);
        }
        let (vectors, residues) = (vectors.finish(), residues.finish());
        let both = StructArray::from(vec![
            (
                Arc::new(Field::new("value", DataType::Float64, true)),
                Arc::clone(&numbers),
            ),
            (
                Arc::new(Field::new("error", DataType::Utf8, true)),
                Arc::clone(&texts),
            ),
        ]);
        for results in [
            numbers,
            texts,
            Arc::new(vectors.slice(2, 11)),
            Arc::new(residues.slice(1, 9)),
            Arc::new(both),
        ] {
            round_trip(&results);
        }
    }

    #[test]
    fn what_is_no_result_is_none() {
        let cut = encoded(&(Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)).unwrap();
        for bytes in [&b""[..], b"nonsense", &cut[0][..40]] {
            let array = BinaryArray::from_iter_values([bytes]);
            assert!(decoded(&array, &DataType::Float64).is_none());
        }
    }
}
