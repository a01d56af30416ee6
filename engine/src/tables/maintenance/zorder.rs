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
use datafusion::arrow::row::{OwnedRow, Row, RowConverter, SortField};
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
    /// Places in the order of the rows sampled, ascending.
    places: Vec<u64>,
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
        // Samples have the same rows, as columns are equally long.
        let mut rows: Vec<Vec<OwnedRow>> = Vec::new();
        let mut columns = Vec::new();
        for sample in samples {
            let (values, quantiles) = sample.quantiles();
            rows.push(values);
            columns.push(quantiles);
        }
        let sampled = rows.first().map_or(0, Vec::len);
        let mut places = vec![0; sampled];
        for (index, (column, values)) in columns.iter().zip(&rows).enumerate() {
            let ranks = values.iter().map(|value| column.rank(value.row()));
            interleave(&mut places, ranks, index, columns.len());
        }
        places.sort_unstable();
        Ok(Self { columns, places })
    }

    /// Where to cut the order to have so many pieces of about as many rows: their first keys, but for the first piece.
    pub fn boundaries(&self, pieces: usize) -> Vec<u64> {
        let mut boundaries: Vec<u64> = (1..pieces)
            .filter_map(|piece| self.places.get(self.places.len() * piece / pieces))
            .copied()
            .collect();
        boundaries.dedup();
        boundaries
    }

    /// The schema of rows with their place in the order as a last column, [`KEY`].
    pub fn keyed_schema(rows: &SchemaRef) -> SchemaRef {
        let mut fields: Vec<_> = rows.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(KEY, DataType::UInt64, false)));
        Arc::new(Schema::new(fields))
    }

    /// The rows with their place in the order as a last column, [`KEY`].
    pub fn keyed(self: &Arc<Self>, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = Self::keyed_schema(&rows.schema());
        let keyed = {
            let schema = Arc::clone(&schema);
            let quantiles = Arc::clone(self);
            rows.map(move |batch| {
                let batch = batch?;
                let mut columns = batch.columns().to_vec();
                columns.push(Arc::new(quantiles.keys(&batch)?));
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
            })
        };
        Box::pin(RecordBatchStreamAdapter::new(schema, keyed))
    }

    fn keys(&self, batch: &RecordBatch) -> DFResult<UInt64Array> {
        let mut keys = vec![0_u64; batch.num_rows()];
        for (place, column) in self.columns.iter().enumerate() {
            let values = batch.column(batch.schema().index_of(&column.name)?);
            let ranks = column.ranks(values)?;
            interleave(&mut keys, ranks.into_iter(), place, self.columns.len());
        }
        Ok(UInt64Array::from(keys))
    }
}

impl ColumnQuantiles {
    fn ranks(&self, values: &ArrayRef) -> DFResult<Vec<u64>> {
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(values))?;
        Ok(rows.iter().map(|row| self.rank(row)).collect())
    }

    /// How many quantiles are smaller than a value. A value that fills several of them gets the
    /// smallest, so that two values that fill half each differ in the first bit.
    fn rank(&self, value: Row<'_>) -> u64 {
        let last = BOUNDARIES as u64 - 1;
        let smaller = self
            .boundaries
            .partition_point(|boundary| boundary.row() < value);
        (smaller as u64).min(last)
    }
}

/// Adds the bits of the `place`-th of `columns` to keys.
fn interleave(keys: &mut [u64], ranks: impl Iterator<Item = u64>, place: usize, columns: usize) {
    let bits = BITS.min(u64::BITS as usize / columns.max(1));
    for (key, rank) in keys.iter_mut().zip(ranks) {
        *key |= spread(rank >> (BITS - bits), bits, place, columns);
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

    /// The values as they came, and quantiles of them.
    fn quantiles(self) -> (Vec<OwnedRow>, ColumnQuantiles) {
        let mut sorted: Vec<&OwnedRow> = self.values.iter().collect();
        sorted.sort_unstable();
        let count = sorted.len();
        let boundaries = match count <= BOUNDARIES {
            true => sorted.into_iter().cloned().collect(),
            false => (0..BOUNDARIES)
                .map(|index| sorted[index * count / BOUNDARIES].clone())
                .collect(),
        };
        let quantiles = ColumnQuantiles {
            name: self.name,
            converter: self.converter,
            boundaries,
        };
        (self.values, quantiles)
    }
}
