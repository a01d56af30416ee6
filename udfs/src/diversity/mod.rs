//! How diverse a repertoire is, and how far apart two of its members are. These functions have no prefix.

mod gini;
mod hamming;
mod hill;
mod rarefaction;
mod shannon;

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF};

/// The scalar functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![hamming::udf()]
}

/// The aggregate functions of this family.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![
        gini::udaf(),
        hill::udaf(),
        rarefaction::udaf(),
        shannon::udaf(),
    ]
}
