//! How the rows of a batch are shared out among threads: in their order where each costs about the same, and for language
//! models by length, as many as make a micro-batch, equal ones together.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, UInt32Array};
use datafusion::arrow::array::{ArrayAccessor, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result;

use super::calls::is_expensive_physical;
use super::models::ModelCall;

/// Rows that one thread aligns without a pause: as many as fill the lanes of the kernel well, and take a few milliseconds.
const ALIGNED_ROWS: usize = 2_048;
/// The same of language models, whatever the tokens.
const ROWS: usize = 256;

/// The rows of a batch, shared out.
pub(super) enum Shares {
    /// In their order.
    Slices(RecordBatch),
    /// By index.
    Picked {
        batch: RecordBatch,
        shares: Vec<UInt32Array>,
    },
}

impl Shares {
    /// Shares out a batch of which `calls` are computed, in micro-batches of about so many tokens.
    pub fn new(batch: RecordBatch, calls: &[ModelCall], tokens: usize) -> Self {
        match weights(&batch, calls) {
            Some(weights) => Self::Picked {
                shares: picked(&weights, tokens as u64),
                batch,
            },
            None => Self::Slices(batch),
        }
    }

    /// How many there are: at least one.
    pub fn len(&self) -> usize {
        match self {
            Self::Slices(batch) => batch.num_rows().div_ceil(ALIGNED_ROWS).max(1),
            Self::Picked { shares, .. } => shares.len(),
        }
    }

    /// The rows of one.
    pub fn get(&self, index: usize) -> Result<RecordBatch> {
        match self {
            Self::Slices(batch) => {
                let start = index * ALIGNED_ROWS;
                Ok(batch.slice(start, ALIGNED_ROWS.min(batch.num_rows() - start)))
            }
            Self::Picked { batch, shares } => Ok(take_record_batch(batch, &shares[index])?),
        }
    }

    /// What was computed of each, in the order of the batch.
    pub fn gather(
        &self,
        schema: &SchemaRef,
        mut computed: Vec<RecordBatch>,
    ) -> Result<RecordBatch> {
        let all = match computed.len() {
            1 => computed.remove(0),
            _ => concat_batches(schema, &computed)?,
        };
        match self {
            Self::Slices(_) => Ok(all),
            Self::Picked { batch, shares } => {
                let mut places = vec![0_u32; batch.num_rows()];
                let rows = shares.iter().flat_map(|share| share.values());
                for (place, row) in (0..).zip(rows) {
                    places[*row as usize] = place;
                }
                if places.is_sorted() {
                    return Ok(all);
                }
                Ok(take_record_batch(&all, &UInt32Array::from(places))?)
            }
        }
    }
}

/// What a row costs, and what is the same of rows that are computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    tokens: u64,
    key: u64,
}

/// Of each row; none where nothing costs tokens, or where that cannot be told beforehand.
fn weights(batch: &RecordBatch, calls: &[ModelCall]) -> Option<Vec<Weight>> {
    if calls.is_empty() || batch.num_rows() < 2 {
        return None;
    }
    let mut weights = vec![Weight { tokens: 0, key: 0 }; batch.num_rows()];
    for call in calls {
        let mut residues = vec![Some(0_u64); batch.num_rows()];
        let mut hashes = vec![DefaultHasher::new(); batch.num_rows()];
        for text in call.texts() {
            if is_expensive_physical(&text) {
                return None;
            }
            let values = text.evaluate(batch).ok()?;
            let values = values.into_array(batch.num_rows()).ok()?;
            each_text(&values, |row, text| match text {
                Some(text) => {
                    residues[row] = residues[row].map(|sum| sum + text.len() as u64);
                    text.hash(&mut hashes[row]);
                }
                None => residues[row] = None,
            })?;
        }
        for ((weight, residues), hash) in weights.iter_mut().zip(residues).zip(hashes) {
            if let Some(residues) = residues {
                weight.tokens += call.tokens(residues);
                weight.key = weight.key.rotate_left(1) ^ hash.finish();
            }
        }
    }
    Some(weights)
}

/// Calls `each` with the text of every row; none where the column is none of text.
pub(super) fn each_text(
    column: &ArrayRef,
    mut each: impl FnMut(usize, Option<&str>),
) -> Option<()> {
    fn all<'a, A: ArrayAccessor<Item = &'a str>>(
        texts: A,
        each: &mut impl FnMut(usize, Option<&str>),
    ) {
        for row in 0..texts.len() {
            each(row, texts.is_valid(row).then(|| texts.value(row)));
        }
    }
    match column.data_type() {
        DataType::Utf8 => all(column.as_string::<i32>(), &mut each),
        DataType::LargeUtf8 => all(column.as_string::<i64>(), &mut each),
        DataType::Utf8View => all(column.as_string_view(), &mut each),
        DataType::Dictionary(_, value) => return each_text(&cast(column, value).ok()?, each),
        DataType::Null => (0..column.len()).for_each(|row| each(row, None)),
        _ => return None,
    }
    Some(())
}

/// Rows by length, longest first, so that what ends last is short.
fn picked(weights: &[Weight], tokens: u64) -> Vec<UInt32Array> {
    let mut order: Vec<u32> = (0..weights.len() as u32).collect();
    order.sort_by_key(|row| std::cmp::Reverse(weights[*row as usize]));
    let mut shares: Vec<Vec<u32>> = Vec::new();
    let (mut filled, mut last) = (0, None);
    for row in order {
        let weight = weights[row as usize];
        // One that is equal to the row before it costs nothing.
        let is_equal = last == Some(weight);
        let cost = if is_equal { 0 } else { weight.tokens };
        let fits = |share: &Vec<u32>| share.len() < ROWS && (filled + cost <= tokens || is_equal);
        match shares.last_mut().filter(|share| fits(share)) {
            Some(share) => {
                share.push(row);
                filled += cost;
            }
            None => {
                shares.push(vec![row]);
                filled = weight.tokens;
            }
        }
        last = Some(weight);
    }
    shares.into_iter().map(UInt32Array::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    fn weights_of(rows: &[(u64, u64)]) -> Vec<Weight> {
        rows.iter()
            .map(|(tokens, key)| Weight {
                tokens: *tokens,
                key: *key,
            })
            .collect()
    }

    fn rows(shares: &[UInt32Array]) -> Vec<Vec<u32>> {
        shares.iter().map(|share| share.values().to_vec()).collect()
    }

    #[test]
    fn equal_rows_are_in_one_share_and_cost_once() {
        let weights = weights_of(&[(10, 1), (30, 2), (10, 1), (10, 3), (10, 1)]);
        let shares = picked(&weights, 30);
        assert_eq!(rows(&shares), [vec![1], vec![3, 0, 2, 4]]);
    }

    #[test]
    fn a_row_beyond_the_budget_is_a_share_of_its_own() {
        let weights = weights_of(&[(5, 1), (500, 2), (5, 3)]);
        assert_eq!(rows(&picked(&weights, 20)), [vec![1], vec![2, 0]]);
    }

    #[test]
    fn what_was_computed_comes_back_in_the_order_of_the_rows() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![3, 1, 2]));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let shares = Shares::Picked {
            shares: vec![vec![2_u32, 0].into(), vec![1_u32].into()],
            batch: batch.clone(),
        };
        let computed = (0..shares.len()).map(|index| shares.get(index).unwrap());
        let gathered = shares.gather(&batch.schema(), computed.collect()).unwrap();
        let numbers = gathered.column(0).as_primitive::<Int64Type>();
        assert_eq!(numbers.values().to_vec(), [3, 1, 2]);
    }
}
