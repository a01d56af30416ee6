//! `rarefaction(count, depth)`: clones expected in a smaller sample.

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
    Arc::new(AggregateUDF::from(Rarefaction {
        signature: Signature::coercible(
            vec![args::integer_type(), args::integer_type()],
            Volatility::Immutable,
        ),
    }))
}

#[user_doc(
    doc_section(label = "Diversity Functions"),
    description = "Rarefaction: the number of clones expected in a random sample of `depth` members drawn without replacement, Σ [1 − C(N − xᵢ, depth) / C(N, depth)] (Hurlbert 1971, Ecology 52:577). Makes samples of different size comparable. NULL where depth exceeds the number of members: rarefaction does not extrapolate. Counts of 0 and NULL are no clones; a negative count is an error. NULL where there is none. With DISTINCT each size counts once.",
    syntax_example = "rarefaction(count, depth)",
    sql_example = r#"```sql
> SELECT round(rarefaction(n, 4), 4) AS of_4, rarefaction(n, 16) AS of_all, rarefaction(n, 17) AS beyond FROM (VALUES (8), (4), (2), (2)) AS clones(n);
+--------+--------+--------+
| of_4   | of_all | beyond |
+--------+--------+--------+
| 2.5896 | 4.0    |        |
+--------+--------+--------+
```"#,
    argument(
        name = "count",
        description = "Size of a clone, an integer, such as `duplicate_count`: one row a clone."
    ),
    argument(
        name = "depth",
        description = "Members drawn, a constant integer of at least 0."
    ),
    related_udf(name = "shannon"),
    related_udf(name = "hill"),
    related_udf(name = "gini")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rarefaction {
    signature: Signature,
}

impl AggregateUDFImpl for Rarefaction {
    fn name(&self) -> &str {
        "rarefaction"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let depth = clone_sizes::constant(&args, self.name(), "the depth")?;
        if depth < 0.0 {
            return plan_err!("rarefaction: the depth is at least 0, not {depth}");
        }
        Ok(clone_sizes::accumulator(&args, rarefaction, depth))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(clone_sizes::state_fields(&args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Clones expected among `depth` members.
fn rarefaction(counts: &Counts, depth: f64) -> Option<f64> {
    let members = counts.members();
    if depth > members {
        return None;
    }
    let expected = counts
        .iter()
        .map(|(size, clones)| clones as f64 * (1.0 - missed(members, size as f64, depth)));
    Some(expected.sum())
}

/// The chance that no member of a clone of `size` is drawn: a product over the members of the clone, or over the draws,
/// whichever are fewer. It ends where the product no longer changes the result.
fn missed(members: f64, size: f64, depth: f64) -> f64 {
    const NEGLIGIBLE: f64 = 1e-18;
    let (fewer, more) = (size.min(depth), size.max(depth));
    let mut chance = 1.0;
    let mut step = 0.0;
    while step < fewer && chance > NEGLIGIBLE {
        chance *= ((members - more - step) / (members - step)).max(0.0);
        step += 1.0;
    }
    chance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sizes: &[u64], depth: f64) -> Option<f64> {
        rarefaction(&Counts::of(sizes), depth)
    }

    #[test]
    fn a_sample_of_one_has_one_clone_and_the_whole_has_all() {
        let sizes = [8, 4, 2, 2];
        assert_eq!(of(&sizes, 0.0), Some(0.0));
        assert!(of(&sizes, 1.0).is_some_and(|clones| (clones - 1.0).abs() < 1e-12));
        assert_eq!(of(&sizes, 16.0), Some(4.0));
        assert_eq!(of(&sizes, 17.0), None);
    }

    #[test]
    fn it_is_what_counting_all_samples_gives() {
        // Of clones of 3 and 2: ten pairs of members, of which three and one are of one clone.
        let expected = (4.0 + 2.0 * 6.0) / 10.0;
        assert!(of(&[3, 2], 2.0).is_some_and(|clones| (clones - expected).abs() < 1e-12));
    }

    #[test]
    fn large_repertoires_take_no_time_and_stay_in_range() {
        let mut sizes: Vec<u64> = (1..2_000).collect();
        sizes.push(1_000_000_000);
        let clones = of(&sizes, 500_000_000.0).unwrap_or(f64::NAN);
        assert!(clones > 1_990.0 && clones <= 2_000.0, "{clones}");
        let few = of(&sizes, 1_000.0).unwrap_or(f64::NAN);
        assert!((1.0..10.0).contains(&few), "{few}");
    }
}
