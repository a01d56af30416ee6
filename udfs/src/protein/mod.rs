//! `protein_…`: any polypeptide.

mod aromaticity;
mod charge;
mod extinction_coefficient;
mod gravy;
mod hash;
mod identity;
mod instability_index;
mod isoelectric_point;
mod mass;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// The functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        aromaticity::udf(),
        charge::udf(),
        extinction_coefficient::udf(),
        gravy::udf(),
        hash::udf(),
        identity::udf(),
        instability_index::udf(),
        isoelectric_point::udf(),
        mass::udf(),
    ]
}
