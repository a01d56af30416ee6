//! `dna_…`: nucleotide sequences.

mod reverse_complement;
mod translate;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// The functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![reverse_complement::udf(), translate::udf()]
}
