//! Clone sizes under aggregation: what all measures of diversity are computed from.
//!
//! How often each size occurs is kept, rather than sums: partial results merge exactly, whatever the order, and measures that
//! need all sizes have them. A repertoire of a million clones has some hundreds of different sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, UInt64Type};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue, exec_err, plan_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, ColumnarValue};

/// How many clones there are of each size; no size is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    clones: BTreeMap<u64, u64>,
}

impl Counts {
    /// Adds clones of a size; clones without members are none.
    pub(crate) fn add(&mut self, size: u64, clones: u64) {
        if size > 0 && clones > 0 {
            *self.clones.entry(size).or_default() += clones;
        }
    }

    /// Each size with the number of its clones, smallest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.clones.iter().map(|(size, clones)| (*size, *clones))
    }

    /// Members of all clones; 0 where there is none.
    pub(crate) fn members(&self) -> f64 {
        self.iter()
            .map(|(size, clones)| size as f64 * clones as f64)
            .sum()
    }

    /// How many clones there are.
    pub(crate) fn richness(&self) -> f64 {
        self.iter().map(|(_, clones)| clones as f64).sum()
    }

    #[cfg(test)]
    pub(crate) fn of(sizes: &[u64]) -> Self {
        let mut counts = Self::default();
        sizes.iter().for_each(|size| counts.add(*size, 1));
        counts
    }
}

/// A measure of diversity with its parameter, where it has one.
pub(crate) type Measure = fn(&Counts, f64) -> Option<f64>;

/// Collects clone sizes and applies a measure to them.
#[derive(Debug)]
struct Tally {
    name: String,
    counts: Counts,
    /// Each size counts once (`DISTINCT`).
    is_distinct: bool,
    measure: Measure,
    parameter: f64,
}

/// The accumulator of a measure.
pub(crate) fn accumulator(
    args: &AccumulatorArgs,
    measure: Measure,
    parameter: f64,
) -> Box<dyn Accumulator> {
    Box::new(Tally {
        name: args.name.to_owned(),
        counts: Counts::default(),
        is_distinct: args.is_distinct,
        measure,
        parameter,
    })
}

/// The partial results of a measure: sizes, and how many clones have each.
pub(crate) fn state_fields(args: &StateFieldsArgs) -> Vec<FieldRef> {
    ["sizes", "clones"]
        .into_iter()
        .map(|part| {
            let item = Field::new_list_field(DataType::UInt64, true);
            Arc::new(Field::new_list(
                format_state_name(args.name, part),
                item,
                true,
            ))
        })
        .collect()
}

/// The constant that a call has as its second argument, as `Float64`.
///
/// # Errors
/// An argument that is no constant, or NULL.
pub(crate) fn constant(args: &AccumulatorArgs, function: &str, what: &str) -> Result<f64> {
    let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let value = match args
        .exprs
        .get(1)
        .map(|argument| argument.evaluate(&nothing))
    {
        Some(Ok(ColumnarValue::Scalar(value))) => value.cast_to(&DataType::Float64)?,
        _ => return plan_err!("{function}: {what} must be a constant, the same for all rows"),
    };
    match value {
        ScalarValue::Float64(Some(value)) => Ok(value),
        _ => plan_err!("{function}: {what} must be a number, not NULL"),
    }
}

impl Accumulator for Tally {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(sizes) = values
            .first()
            .and_then(|sizes| sizes.as_primitive_opt::<Int64Type>())
        else {
            return exec_err!("{}: counts are integers", self.name);
        };
        for size in sizes.iter().flatten() {
            match u64::try_from(size) {
                Ok(size) => self.counts.add(size, 1),
                Err(_) => return exec_err!("{}: a count cannot be negative: {size}", self.name),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.is_distinct {
            for clones in self.counts.clones.values_mut() {
                *clones = 1;
            }
        }
        let is_empty = self.counts.clones.is_empty();
        let value = (!is_empty).then(|| (self.measure)(&self.counts, self.parameter));
        Ok(ScalarValue::Float64(value.flatten()))
    }

    fn size(&self) -> usize {
        // A tree's nodes hold eleven entries and are half full or more.
        size_of_val(self) + self.name.len() + self.counts.clones.len() * 4 * size_of::<u64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |values: UInt64Array| {
            SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar()
        };
        Ok(vec![
            list(self.counts.iter().map(|(size, _)| Some(size)).collect()),
            list(self.counts.iter().map(|(_, clones)| Some(clones)).collect()),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists: Vec<_> = states
            .iter()
            .filter_map(|state| state.as_list_opt::<i32>())
            .collect();
        let [sizes, clones] = lists.as_slice() else {
            return exec_err!("{}: a partial result of two lists expected", self.name);
        };
        for row in (0..sizes.len()).filter(|row| sizes.is_valid(*row) && clones.is_valid(*row)) {
            let (sizes, clones) = (sizes.value(row), clones.value(row));
            let pairs = sizes
                .as_primitive::<UInt64Type>()
                .iter()
                .zip(clones.as_primitive::<UInt64Type>());
            for (size, clones) in pairs {
                self.counts.add(size.unwrap_or(0), clones.unwrap_or(0));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::Int64Array;

    use super::*;

    fn tally(is_distinct: bool) -> Tally {
        Tally {
            name: "richness".to_owned(),
            counts: Counts::default(),
            is_distinct,
            measure: |counts, _| Some(counts.richness()),
            parameter: 0.0,
        }
    }

    fn sizes(values: &[Option<i64>]) -> [ArrayRef; 1] {
        [Arc::new(Int64Array::from(values.to_vec()))]
    }

    #[test]
    fn partial_results_merge_to_the_whole() {
        let mut whole = tally(false);
        let mut merged = tally(false);
        for part in [vec![Some(3), None, Some(1)], vec![], vec![Some(0), Some(3)]] {
            whole.update_batch(&sizes(&part)).unwrap();
            let mut partial = tally(false);
            partial.update_batch(&sizes(&part)).unwrap();
            let state = partial.state().unwrap();
            let arrays: Vec<ArrayRef> = state
                .iter()
                .map(|value| value.to_array().unwrap())
                .collect();
            merged.merge_batch(&arrays).unwrap();
        }
        assert_eq!(merged.counts, whole.counts);
        assert_eq!(whole.counts, Counts::of(&[1, 3, 3]));
        assert_eq!(merged.evaluate().unwrap(), ScalarValue::Float64(Some(3.0)));
    }

    #[test]
    fn distinct_sizes_count_once() {
        let mut distinct = tally(true);
        distinct
            .update_batch(&sizes(&[Some(3), Some(3), Some(1)]))
            .unwrap();
        assert_eq!(
            distinct.evaluate().unwrap(),
            ScalarValue::Float64(Some(2.0))
        );
    }

    #[test]
    fn nothing_has_no_diversity_and_negative_counts_are_refused() {
        let mut nothing = tally(false);
        nothing.update_batch(&sizes(&[None, Some(0)])).unwrap();
        assert_eq!(nothing.evaluate().unwrap(), ScalarValue::Float64(None));
        let refused = nothing.update_batch(&sizes(&[Some(-1)])).unwrap_err();
        assert!(refused.to_string().contains("negative: -1"), "{refused}");
    }
}
