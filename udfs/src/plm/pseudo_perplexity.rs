//! `plm_pseudo_perplexity(seq, model [, method])`: how much a sequence surprises a model.

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::Reduction;

use super::operation::{Input, Job, Operation, Outcome};
use super::pseudo_log_likelihood::{by_method, likelihoods};
use super::words::{METHOD, Words};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The pseudo-perplexity of a sequence: e to the power of minus its mean `plm_pseudo_log_likelihood`. From 1 (the model is certain of every residue) upwards; 20 is a guess among the amino acids. The method `exact` costs a pass over the sequence for each residue, `single_pass` one pass in which the model sees the residues that it judges, and gives lower numbers. NULL as in `plm_pseudo_log_likelihood`; `try_plm_pseudo_perplexity` says why.",
    syntax_example = "plm_pseudo_perplexity(seq, model [, method])",
    sql_example = r#"```sql
> SELECT plm_pseudo_perplexity('EVQLVESGGGLVQPGG', 'antiberty', 'single_pass') > 1 AS above_1;
+---------+
| above_1 |
+---------+
| true    |
+---------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(name = "method", description = "`exact` (default) or `single_pass`."),
    related_udf(name = "plm_pseudo_log_likelihood"),
    related_udf(name = "try_plm_pseudo_perplexity")
)]
#[derive(Debug)]
pub(super) struct PseudoPerplexity;

impl Operation for PseudoPerplexity {
    fn name(&self) -> &'static str {
        "plm_pseudo_perplexity"
    }

    fn options(&self) -> &'static [Words] {
        &[METHOD]
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::Float64
    }

    fn tokens(&self, residues: u64, words: &[&'static str]) -> u64 {
        by_method(residues, words)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        likelihoods(job, inputs, Reduction::Mean, |mean| (-mean).exp())
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
