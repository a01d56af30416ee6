//! `ab_…`: antibody V domains.

mod cdr1;
mod cdr2;
mod cdr3;
mod chain;
mod domains;
mod junction;
mod locus;
mod number;
mod regions;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// The functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        cdr1::udf(),
        cdr2::udf(),
        cdr3::udf(),
        chain::udf(),
        domains::udf(),
        junction::udf(),
        locus::udf(),
        number::udf(),
        regions::udf(),
    ]
}
