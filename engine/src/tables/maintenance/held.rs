//! Rows held in memory and their order.
//!
//! What is sorted is where rows lie: wide rows move once, when they leave.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayData, RecordBatch};
use datafusion::arrow::compute::{SortOptions, interleave_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::error::Result as DFResult;

use crate::tables::write::as_stored;

/// First bytes of a key, compared before the key itself is looked up.
const PREFIX: usize = 16;

/// Rows that came so far.
pub struct Held {
    /// Columns by which they are sorted, ascending, NULLs last.
    keys: Vec<usize>,
    converter: RowConverter,
    /// What they become when they leave.
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    values: Vec<Rows>,
    /// Buffers seen: a page that was read serves several batches.
    buffers: HashSet<usize>,
    bytes: usize,
}

impl Held {
    /// None. Rows will have the columns of `read`, and of `schema` when they leave.
    ///
    /// # Errors
    /// A key that is no column or has no order.
    pub fn new(read: &SchemaRef, schema: SchemaRef, keys: &[String]) -> DFResult<Self> {
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let keys = keys
            .iter()
            .map(|key| read.index_of(key))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = keys
            .iter()
            .map(|key| SortField::new_with_options(read.field(*key).data_type().clone(), options))
            .collect();
        Ok(Self {
            keys,
            converter: RowConverter::new(fields)?,
            schema,
            batches: Vec::new(),
            values: Vec::new(),
            buffers: HashSet::new(),
            bytes: 0,
        })
    }

    /// Memory they take, keys included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Takes rows.
    ///
    /// # Errors
    /// Keys of another type than announced.
    pub fn push(&mut self, batch: RecordBatch) -> DFResult<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| Arc::clone(batch.column(*key)))
            .collect();
        let values = self.converter.convert_columns(&keys)?;
        self.bytes += values.size() + batch.num_rows() * size_of::<Place>();
        for column in batch.columns() {
            self.count(&column.to_data());
        }
        self.values.push(values);
        self.batches.push(batch);
        Ok(())
    }

    fn count(&mut self, data: &ArrayData) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        for buffer in data.buffers().iter().chain(nulls) {
            if self.buffers.insert(buffer.data_ptr().as_ptr().addr()) {
                self.bytes += buffer.capacity();
            }
        }
        for child in data.child_data() {
            self.count(child);
        }
    }

    /// Takes all rows out.
    pub fn take(&mut self) -> Taken {
        self.buffers.clear();
        self.bytes = 0;
        Taken {
            schema: Arc::clone(&self.schema),
            batches: std::mem::take(&mut self.batches),
            values: std::mem::take(&mut self.values),
        }
    }
}

/// Rows that are not in order yet.
pub struct Taken {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    values: Vec<Rows>,
}

impl Taken {
    /// Puts them in order. It takes a while.
    pub fn ordered(self) -> Ordered {
        let values = self.values;
        let mut places: Vec<Place> = Vec::with_capacity(values.iter().map(Rows::num_rows).sum());
        for (batch, rows) in values.iter().enumerate() {
            places.extend(rows.iter().enumerate().map(|(row, key)| Place {
                prefix: prefix(key.as_ref()),
                batch: index(batch),
                row: index(row),
            }));
        }
        let key = |place: &Place| values[place.batch as usize].row(place.row as usize);
        // Equal rows stay in the order in which they came.
        places.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| (a.batch, a.row).cmp(&(b.batch, b.row)))
        });
        Ordered {
            batches: self.batches,
            places: places
                .iter()
                .map(|place| (place.batch, place.row))
                .collect(),
            schema: self.schema,
        }
    }
}

struct Place {
    prefix: u128,
    batch: u32,
    row: u32,
}

/// Batches and rows of what fits into memory are far fewer.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; PREFIX];
    let length = key.len().min(PREFIX);
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// Rows in order.
pub struct Ordered {
    batches: Vec<RecordBatch>,
    places: Vec<(u32, u32)>,
    schema: SchemaRef,
}

impl Ordered {
    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Those of a range, as they are stored.
    ///
    /// # Errors
    /// A value that does not fit its column.
    pub fn rows(&self, range: Range<usize>) -> DFResult<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let places: Vec<(usize, usize)> = self.places[range]
            .iter()
            .map(|(batch, row)| (*batch as usize, *row as usize))
            .collect();
        as_stored(&interleave_record_batch(&batches, &places)?, &self.schema)
    }

    /// The first of which `is_before` is false, of rows of which it is true at first and false then.
    pub fn partition_point(&self, is_before: impl Fn(&RecordBatch, usize) -> bool) -> usize {
        self.places.partition_point(|(batch, row)| {
            is_before(&self.batches[*batch as usize], *row as usize)
        })
    }
}
