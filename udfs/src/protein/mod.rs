//! `protein_…`: any polypeptide.

mod hash;
mod mass;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// The functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![hash::udf(), mass::udf()]
}
