//! `shannon(count)`: entropy of clone sizes.

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
    Arc::new(AggregateUDF::from(Shannon {
        signature: Signature::coercible(vec![args::integer_type()], Volatility::Immutable),
    }))
}

#[user_doc(
    doc_section(label = "Diversity Functions"),
    description = "Shannon entropy of clone sizes in nats, −Σ p ln p (Shannon 1948, Bell Syst Tech J 27:379): 0 for a single clone, ln n for n equal ones. `exp(shannon(count))` is the effective number of clones, `hill(count, 1)`. Counts of 0 and NULL are no clones; a negative count is an error. NULL where there is none. With DISTINCT each size counts once.",
    syntax_example = "shannon(count)",
    sql_example = r#"```sql
> SELECT round(shannon(n), 4) AS shannon FROM (VALUES (8), (4), (2), (2)) AS clones(n);
+---------+
| shannon |
+---------+
| 1.213   |
+---------+
```"#,
    argument(
        name = "count",
        description = "Size of a clone, an integer, such as `duplicate_count`: one row a clone."
    ),
    related_udf(name = "hill"),
    related_udf(name = "gini"),
    related_udf(name = "rarefaction")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Shannon {
    signature: Signature,
}

impl AggregateUDFImpl for Shannon {
    fn name(&self) -> &str {
        "shannon"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(clone_sizes::accumulator(&args, shannon, 0.0))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(clone_sizes::state_fields(&args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Entropy in nats.
fn shannon(counts: &Counts, _parameter: f64) -> Option<f64> {
    let members = counts.members();
    let sum: f64 = counts
        .iter()
        .map(|(size, clones)| {
            let share = size as f64 / members;
            -(clones as f64) * share * share.ln()
        })
        .sum();
    // A single clone has -0.
    Some(sum + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_clones_have_the_logarithm_of_their_number() {
        let of = |sizes: &[u64]| shannon(&Counts::of(sizes), 0.0).unwrap_or(f64::NAN);
        assert!((of(&[5, 5, 5]) - 3f64.ln()).abs() < 1e-12);
        assert_eq!(of(&[1_000_000]), 0.0);
        assert!((of(&[8, 4, 2, 2]) - 1.75 * 2f64.ln()).abs() < 1e-12);
    }
}
