//! `plm_pseudo_log_likelihood(seq, model [, reduction [, method]])`: how likely a model finds a sequence.

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::{Reduction, log_likelihood};

use super::operation::{
    Input, Job, Operation, Outcome, masked_passes, not_an_amino_acid, one_pass,
};
use super::words::{METHOD, SINGLE_PASS, Words};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The pseudo-log-likelihood of a sequence: the mean over its residues of the natural logarithm of the probability that the model gives to the residue that is there, among the 20 amino acids, when it sees all others (Salazar et al. 2020; as the package `antiberty` has it). At most 0; nearer to 0 is likelier. The method `exact` masks one position at a time and costs a pass over the sequence for each residue; `single_pass` costs one pass in which the model sees the residue that it judges: an approximation, and a high one. NULL where the model cannot read the sequence and where a letter is none of the 20; `try_plm_pseudo_log_likelihood` says why.",
    syntax_example = "plm_pseudo_log_likelihood(seq, model [, reduction [, method]])",
    sql_example = r#"```sql
> SELECT plm_pseudo_log_likelihood('EVQLVESGGGLVQPGG', 'antiberty') < 0 AS below_0;
+---------+
| below_0 |
+---------+
| true    |
+---------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(
        name = "reduction",
        description = "`mean` (default) or `sum` over the residues."
    ),
    argument(name = "method", description = "`exact` (default) or `single_pass`."),
    related_udf(name = "plm_pseudo_perplexity"),
    related_udf(name = "try_plm_pseudo_log_likelihood")
)]
#[derive(Debug)]
pub(super) struct PseudoLogLikelihood;

const REDUCTION: Words = Words {
    name: "reduction",
    known: &["mean", "sum"],
};

impl Operation for PseudoLogLikelihood {
    fn name(&self) -> &'static str {
        "plm_pseudo_log_likelihood"
    }

    fn options(&self) -> &'static [Words] {
        &[REDUCTION, METHOD]
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::Float64
    }

    fn tokens(&self, residues: u64, words: &[&'static str]) -> u64 {
        by_method(residues, words)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let reduction = match job.words {
            ["sum", ..] => Reduction::Sum,
            _ => Reduction::Mean,
        };
        likelihoods(job, inputs, reduction, |value| value)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Tokens of a row, by the last option.
pub(super) fn by_method(residues: u64, words: &[&'static str]) -> u64 {
    match words.last() {
        Some(&SINGLE_PASS) => one_pass(residues),
        _ => masked_passes(residues),
    }
}

/// Pseudo-log-likelihoods, by the method that the last option names, and what is made of each.
pub(super) fn likelihoods(
    job: &Job<'_>,
    inputs: &[Input<'_>],
    reduction: Reduction,
    finish: impl Fn(f64) -> f64,
) -> Result<Outcome> {
    let (indices, sequences, mut reasons) = job.checked(inputs.iter().map(|input| input.text));
    let mut values: Vec<Option<f64>> = vec![None; inputs.len()];
    let mut kept = (Vec::new(), Vec::new());
    for (index, sequence) in indices.into_iter().zip(sequences) {
        match not_an_amino_acid(sequence) {
            Some(reason) => reasons[index] = Some(reason),
            None => {
                kept.0.push(index);
                kept.1.push(sequence);
            }
        }
    }
    let (indices, sequences) = kept;
    if job.words.last() == Some(&SINGLE_PASS) {
        job.single_pass(&sequences, |at, table| {
            let value = log_likelihood(sequences[at], table, reduction);
            values[indices[at]] = Some(finish(value));
        })?;
    } else {
        for (index, sequence) in indices.iter().zip(&sequences) {
            let positions: Vec<usize> = (0..sequence.len()).collect();
            let table = job.masked(sequence, &positions)?;
            values[*index] = Some(finish(log_likelihood(sequence, &table, reduction)));
        }
    }
    Ok(Outcome {
        values: Arc::new(Float64Array::from(values)),
        reasons,
    })
}
