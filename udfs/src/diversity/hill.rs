//! `hill(count, q)`: effective number of clones.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, plan_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::args;
use crate::clone_sizes::{self, Counts};

/// The function, for registration.
pub fn udaf() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Hill {
        signature: Signature::coercible(
            vec![args::integer_type(), args::number_type()],
            Volatility::Immutable,
        ),
    }))
}

#[user_doc(
    doc_section(label = "Diversity Functions"),
    description = "Hill number of order q, the effective number of clones, (Σ p^q)^(1/(1−q)) (Hill 1973, Ecology 54:427; Jost 2006, Oikos 113:363). q = 0 is the number of clones, q = 1 (the limit) exp of Shannon's entropy, q = 2 the inverse of Simpson's concentration, q = infinity the inverse of the largest share. Counts of 0 and NULL are no clones; a negative count is an error. NULL where there is none. With DISTINCT each size counts once.",
    syntax_example = "hill(count, q)",
    sql_example = r#"```sql
> SELECT hill(n, 0) AS clones, round(hill(n, 1), 4) AS shannon, round(hill(n, 2), 4) AS simpson FROM (VALUES (8), (4), (2), (2)) AS clones(n);
+--------+---------+---------+
| clones | shannon | simpson |
+--------+---------+---------+
| 4.0    | 3.3636  | 2.9091  |
+--------+---------+---------+
```"#,
    argument(
        name = "count",
        description = "Size of a clone, an integer, such as `duplicate_count`: one row a clone."
    ),
    argument(
        name = "q",
        description = "Order, a constant of at least 0; the larger, the more large clones count. `'Infinity'::double` is allowed."
    ),
    related_udf(name = "shannon"),
    related_udf(name = "gini"),
    related_udf(name = "rarefaction")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hill {
    signature: Signature,
}

impl AggregateUDFImpl for Hill {
    fn name(&self) -> &str {
        "hill"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let q = clone_sizes::constant(&args, self.name(), "the order q")?;
        if q.is_nan() || q < 0.0 {
            return plan_err!("hill: the order q is at least 0, not {q}");
        }
        Ok(clone_sizes::accumulator(&args, hill, q))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(clone_sizes::state_fields(&args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The Hill number of order `q`.
fn hill(counts: &Counts, q: f64) -> Option<f64> {
    let members = counts.members();
    // Shares are taken relative to the largest, so that no power of one overflows or vanishes.
    let largest = counts.iter().map(|(size, _)| size as f64).last()? / members;
    if q == 0.0 {
        return Some(counts.richness());
    }
    if q.is_infinite() {
        return Some(1.0 / largest);
    }
    let shares = counts
        .iter()
        .map(|(size, clones)| (size as f64 / members, clones as f64));
    if (q - 1.0).abs() < NEAR_ONE {
        let entropy: f64 = shares
            .map(|(share, clones)| -clones * share * share.ln())
            .sum();
        return Some(entropy.exp());
    }
    let sum: f64 = shares
        .map(|(share, clones)| clones * (share / largest).powf(q))
        .sum();
    Some(((sum.ln() + q * largest.ln()) / (1.0 - q)).exp())
}

/// Orders this close to 1 take the limit: there the formula divides by almost nothing.
const NEAR_ONE: f64 = 1e-7;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sizes: &[u64], q: f64) -> f64 {
        hill(&Counts::of(sizes), q).unwrap_or(f64::NAN)
    }

    #[test]
    fn orders_have_their_known_meanings() {
        let sizes = [8, 4, 2, 2];
        for (q, expected) in [
            (0.0, 4.0),
            (1.0, (1.75 * 2f64.ln()).exp()),
            (2.0, 256.0 / 88.0),
            (f64::INFINITY, 2.0),
        ] {
            assert!((of(&sizes, q) - expected).abs() < 1e-12, "order {q}");
        }
    }

    #[test]
    fn numbers_fall_with_the_order_and_do_not_overflow() {
        let sizes = [1_000_000_000, 500, 3, 1];
        let orders = [0.0, 0.5, 0.999_999, 1.0, 1.000_001, 3.0, 300.0, 1e6];
        let numbers = orders.map(|q| of(&sizes, q));
        assert!(numbers.is_sorted_by(|a, b| a + 1e-9 >= *b), "{numbers:?}");
        assert!(
            numbers
                .iter()
                .all(|number| (1.0..=4.000_001).contains(number))
        );
        assert!((of(&[7, 7, 7], 1e6) - 3.0).abs() < 1e-9);
    }
}
