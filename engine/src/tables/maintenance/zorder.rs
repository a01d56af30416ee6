//! Z-order: rows that are near each other in several columns at once lie near each other in files.
//!
//! A column's values are replaced by their rank among about a thousand quantiles of a sample, so that
//! strings, numbers and skewed columns weigh the same; the bits of the ranks, most significant first,
//! are interleaved to one number, and rows are sorted by it. A range of any of the columns then
//! lies in few ranges of that number, where sorting by one column after the other serves the first only.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::error::Result as DFResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::error::{Error, Result};

/// Quantiles of a column.
const BOUNDARIES: usize = 1_024;
/// Bits of a rank: as many as the quantiles need.
const BITS: usize = 10;
/// Rows sampled for the quantiles.
const SAMPLE: usize = 64 * BOUNDARIES;
/// More columns than this leave each of them too few bits to matter.
pub const COLUMNS: usize = 8;
/// Column of the rows that are sorted; it is not stored.
pub const KEY: &str = "__paratope_zorder";

/// Quantiles of the columns by which rows are ordered.
#[derive(Debug)]
pub struct Quantiles {
    columns: Vec<ColumnQuantiles>,
}

#[derive(Debug)]
struct ColumnQuantiles {
    name: String,
    converter: RowConverter,
    boundaries: Vec<OwnedRow>,
}

/// Fails where rows cannot be ordered by a column of this type.
///
/// # Errors
/// `Invalid`, naming the column.
pub fn check(field: &Field) -> Result<()> {
    let kind = field.data_type();
    if !kind.is_nested() && RowConverter::supports_fields(&[SortField::new(kind.clone())]) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "ZORDER BY {}: a column of type {} has no order",
        field.name(),
        kind
    )))
}

impl Quantiles {
    /// Reads `rows`, which have exactly the columns to order by.
    ///
    /// # Errors
    /// An error of the input.
    pub async fn sample(mut rows: SendableRecordBatchStream) -> Result<Self> {
        let mut samples = rows
            .schema()
            .fields()
            .iter()
            .map(|field| Sample::new(field))
            .collect::<DFResult<Vec<_>>>()?;
        while let Some(batch) = rows.try_next().await? {
            for (sample, column) in samples.iter_mut().zip(batch.columns()) {
                sample.add(column)?;
            }
        }
        Ok(Self {
            columns: samples.into_iter().map(Sample::quantiles).collect(),
        })
    }

    /// The rows with their place in the order as a last column, [`KEY`].
    pub fn keyed(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(KEY, DataType::UInt64, false)));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let keyed = {
            let schema = Arc::clone(&schema);
            rows.map(move |batch| {
                let batch = batch?;
                let mut columns = batch.columns().to_vec();
                columns.push(Arc::new(self.keys(&batch)?));
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
            })
        };
        Box::pin(RecordBatchStreamAdapter::new(schema, keyed))
    }

    fn keys(&self, batch: &RecordBatch) -> DFResult<UInt64Array> {
        let bits = BITS.min(u64::BITS as usize / self.columns.len().max(1));
        let mut keys = vec![0_u64; batch.num_rows()];
        for (place, column) in self.columns.iter().enumerate() {
            let values = batch.column(batch.schema().index_of(&column.name)?);
            let ranks = column.ranks(values)?;
            for (key, rank) in keys.iter_mut().zip(ranks) {
                *key |= spread(rank >> (BITS - bits), bits, place, self.columns.len());
            }
        }
        Ok(UInt64Array::from(keys))
    }
}

impl ColumnQuantiles {
    /// How many quantiles are smaller than each value. A value that fills several of them gets the
    /// smallest, so that two values that fill half each differ in the first bit.
    fn ranks(&self, values: &ArrayRef) -> DFResult<Vec<u64>> {
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(values))?;
        let last = BOUNDARIES as u64 - 1;
        Ok(rows
            .iter()
            .map(|row| {
                let smaller = self
                    .boundaries
                    .partition_point(|boundary| boundary.row() < row);
                (smaller as u64).min(last)
            })
            .collect())
    }
}

/// Puts the lowest `bits` bits of `rank` where the `place`-th of `columns` has its own.
fn spread(rank: u64, bits: usize, place: usize, columns: usize) -> u64 {
    let mut key = 0;
    for bit in 0..bits {
        if rank >> bit & 1 == 1 {
            key |= 1 << (bit * columns + (columns - 1 - place));
        }
    }
    key
}

/// Every n-th value of a column; n doubles whenever the sample is full.
struct Sample {
    name: String,
    converter: RowConverter,
    values: Vec<OwnedRow>,
    step: usize,
    seen: usize,
}

impl Sample {
    fn new(field: &Field) -> DFResult<Self> {
        // NULLs last, as everywhere in sorted files.
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let kind = SortField::new_with_options(field.data_type().clone(), options);
        Ok(Self {
            name: field.name().clone(),
            converter: RowConverter::new(vec![kind])?,
            values: Vec::new(),
            step: 1,
            seen: 0,
        })
    }

    fn add(&mut self, column: &ArrayRef) -> DFResult<()> {
        let mut next = self.seen.next_multiple_of(self.step) - self.seen;
        while next < column.len() {
            let value = column.slice(next, 1);
            let row = self.converter.convert_columns(&[value])?.row(0).owned();
            self.values.push(row);
            if self.values.len() >= 2 * SAMPLE {
                let mut keep = false;
                self.values.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.step *= 2;
            }
            next = (self.seen + next + 1).next_multiple_of(self.step) - self.seen;
        }
        self.seen += column.len();
        Ok(())
    }

    fn quantiles(mut self) -> ColumnQuantiles {
        self.values.sort_unstable();
        let count = self.values.len();
        let boundaries = match count <= BOUNDARIES {
            true => self.values,
            false => (0..BOUNDARIES)
                .map(|index| self.values[index * count / BOUNDARIES].clone())
                .collect(),
        };
        ColumnQuantiles {
            name: self.name,
            converter: self.converter,
            boundaries,
        }
    }
}
