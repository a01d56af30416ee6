//! `ab_…`: antibody V domains and the names of their genes.

mod align;
mod allele;
mod batch;
mod cdr1;
mod cdr2;
mod cdr3;
mod cdr_lengths;
mod chain;
mod domains;
mod gene;
mod identity;
mod index;
mod isotype;
mod junction;
mod liabilities;
mod locus;
mod mutate;
mod number;
mod receptor_hash;
mod regions;
mod residue;
mod subgroup;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// Those that align their sequences.
pub const ALIGNING: [&str; 15] = [
    "ab_align",
    "ab_cdr1",
    "ab_cdr2",
    "ab_cdr3",
    "ab_cdr_lengths",
    "ab_chain",
    "ab_domains",
    "ab_identity",
    "ab_index",
    "ab_junction",
    "ab_liabilities",
    "ab_locus",
    "ab_number",
    "ab_regions",
    "ab_residue",
];

/// The functions of this family.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        align::udf(),
        allele::udf(),
        cdr1::udf(),
        cdr2::udf(),
        cdr3::udf(),
        cdr_lengths::udf(),
        chain::udf(),
        domains::udf(),
        gene::udf(),
        identity::udf(),
        index::udf(),
        isotype::udf(),
        junction::udf(),
        liabilities::udf(),
        locus::udf(),
        mutate::udf(),
        number::udf(),
        receptor_hash::udf(),
        regions::udf(),
        residue::udf(),
        subgroup::udf(),
    ]
}
