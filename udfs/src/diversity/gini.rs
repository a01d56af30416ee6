//! `gini(count)`: how unequal clone sizes are.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::args;
use crate::clone_sizes::{self, Counts};

/// The function, for registration.
pub fn udaf() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Gini {
        signature: Signature::coercible(vec![args::integer_type()], Volatility::Immutable),
    }))
}

#[user_doc(
    doc_section(label = "Diversity Functions"),
    description = "Gini coefficient of clone sizes, 0–1 (Gini 1912): 0 where all clones are equal, near 1 where one holds nearly all, Σ (2i − n − 1) xᵢ / (n Σ xᵢ) over sizes in ascending order. Only clones that were seen count; there is no correction for small samples. Counts of 0 and NULL are no clones; a negative count is an error. NULL where there is none. With DISTINCT each size counts once.",
    syntax_example = "gini(count)",
    sql_example = r#"```sql
> SELECT gini(n) AS unequal, gini(1) AS equal FROM (VALUES (8), (4), (2), (2)) AS clones(n);
+---------+-------+
| unequal | equal |
+---------+-------+
| 0.3125  | 0.0   |
+---------+-------+
```"#,
    argument(
        name = "count",
        description = "Size of a clone, an integer, such as `duplicate_count`: one row a clone."
    ),
    related_udf(name = "shannon"),
    related_udf(name = "hill"),
    related_udf(name = "rarefaction")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Gini {
    signature: Signature,
}

impl AggregateUDFImpl for Gini {
    fn name(&self) -> &str {
        "gini"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(clone_sizes::accumulator(&args, gini, 0.0))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(clone_sizes::state_fields(&args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The Gini coefficient.
fn gini(counts: &Counts, _parameter: f64) -> Option<f64> {
    let richness = counts.richness();
    let mut before = 0.0;
    let mut sum = 0.0;
    for (size, clones) in counts.iter() {
        let clones = clones as f64;
        // Ranks of equal sizes are as many numbers in a row: their mean stands for each.
        let mean_rank = before + (clones + 1.0) / 2.0;
        sum += (2.0 * mean_rank - richness - 1.0) * size as f64 * clones;
        before += clones;
    }
    // Equal clones may leave a little below 0, or -0.
    Some((sum / (richness * counts.members())).max(0.0) + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_clones_have_none_and_a_dominant_one_nearly_all() {
        let of = |sizes: &[u64]| gini(&Counts::of(sizes), 0.0).unwrap_or(f64::NAN);
        assert_eq!(of(&[5, 5, 5]), 0.0);
        assert_eq!(of(&[7]), 0.0);
        assert_eq!(of(&[2, 8, 2, 4]), 0.3125);
        assert!((of(&[1, 3]) - 0.25).abs() < 1e-12);
        let mut dominated = vec![1; 99];
        dominated.push(1_000_000);
        assert!(of(&dominated) > 0.98);
    }
}
