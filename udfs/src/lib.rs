//! SQL faces of Paratope's functions: the kernels of [`antibody`] on Arrow arrays.
//!
//! The SQL name is the address: `protein_mass(seq)` is in `src/protein/mass.rs` and tested by
//! `tests/slt/protein/mass.slt`. A new function is one such file and one entry in its family's list. Names without a prefix
//! (`shannon`, `hamming`) are in [`diversity`].
//!
//! What all of them promise: a NULL sequence gives NULL; a sequence that makes no sense gives NULL (and a reason, where the
//! result has a field `error`), never a failed query; a wrong option (a scheme that does not exist) fails at once and names
//! the known ones; the type of the result does not depend on how the argument is encoded, and text is `Utf8`.

pub mod ab;
mod args;
mod clone_sizes;
pub mod diversity;
pub mod dna;
pub mod plm;
pub mod protein;
pub mod vector;

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF};

pub use antibody;
pub use models;

/// Every scalar function that is ours, family by family; protein language models come from `models`.
pub fn all(models: &Arc<dyn plm::Models>) -> Vec<Arc<ScalarUDF>> {
    [
        ab::functions(),
        protein::functions(),
        dna::functions(),
        plm::functions(models),
        diversity::functions(),
    ]
    .concat()
}

/// Whether a function costs so much for each row that spreading few rows over many machines pays: it aligns sequences, or
/// asks a language model.
pub fn is_expensive(name: &str) -> bool {
    ab::ALIGNING.contains(&name) || plm::is_of_family(name)
}

/// Every aggregate function.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    diversity::aggregates()
}
