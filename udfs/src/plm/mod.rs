//! `plm_…`: protein language models. Each function has a form that tells why a sequence has no value: `try_plm_…`.
//!
//! | module | |
//! |---|---|
//! | `catalogue` | where models come from: a trait that the engine implements |
//! | `work` | what a call computes within: a token budget, a stop, counts |
//! | `operation` | what the functions have in common: rows in, values and reasons out |
//! | `function` | an operation as a SQL function |
//! | `words` | options that are words |
//! | others | one function each |

mod catalogue;
mod embed;
mod embed_pair;
mod function;
mod infill;
mod mutation_scan;
mod mutation_score;
mod operation;
mod pseudo_log_likelihood;
mod pseudo_perplexity;
mod residue_log_probs;
mod words;
mod work;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

pub use catalogue::{Models, NoModels, Pin, Resolved};
pub use function::Function;
pub use work::{Counts, Work, within, without_computing};

use operation::Operation;

/// What the functions compute.
fn operations() -> Vec<Arc<dyn Operation>> {
    vec![
        Arc::new(embed::Embed),
        Arc::new(embed_pair::EmbedPair),
        Arc::new(infill::Infill),
        Arc::new(mutation_scan::MutationScan),
        Arc::new(mutation_score::MutationScore),
        Arc::new(pseudo_log_likelihood::PseudoLogLikelihood),
        Arc::new(pseudo_perplexity::PseudoPerplexity),
        Arc::new(residue_log_probs::ResidueLogProbs),
    ]
}

/// The functions of this family, whose models come from `models`.
pub fn functions(models: &Arc<dyn Models>) -> Vec<Arc<ScalarUDF>> {
    let both = operations().into_iter().flat_map(|operation| {
        [false, true].map(|is_try| {
            let function = Function::new(Arc::clone(&operation), is_try, Arc::clone(models));
            Arc::new(ScalarUDF::from(function))
        })
    });
    both.collect()
}

/// Whether a function is of this family.
pub fn is_of_family(name: &str) -> bool {
    name.starts_with("plm_") || name.starts_with("try_plm_")
}
