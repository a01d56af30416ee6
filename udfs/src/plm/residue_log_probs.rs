//! `plm_residue_log_probs(seq, model [, method])`: what a model expects at each residue.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::embed::{lists, vector_type};
use super::operation::{Input, Job, Operation, Outcome, masked_passes, one_pass};
use super::words::{SINGLE_PASS, Words};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "Natural log-probabilities of the 20 amino acids at each residue: a list with a list of 20 numbers for each, in the order `ACDEFGHIKLMNPQRSTVWY`. Special tokens and other letters are left out, so that the probabilities of a residue sum to 1. The method `single_pass` reads the sequence once, as it is (a residue given as `_` is masked); `exact` masks each position by itself and costs a pass for each. NULL where the model cannot read the sequence; `try_plm_residue_log_probs` says why.",
    syntax_example = "plm_residue_log_probs(seq, model [, method])",
    sql_example = r#"```sql
> SELECT array_length(p) AS residues, array_length(p[1]) AS amino_acids, p[1][4] < 0 AS is_log
  FROM (SELECT plm_residue_log_probs('EVQLV', 'antiberty') AS p);
+----------+-------------+--------+
| residues | amino_acids | is_log |
+----------+-------------+--------+
| 5        | 20          | true   |
+----------+-------------+--------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence, either case. `_` is a masked residue."
    ),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(name = "method", description = "`single_pass` (default) or `exact`."),
    related_udf(name = "plm_mutation_scan"),
    related_udf(name = "try_plm_residue_log_probs")
)]
#[derive(Debug)]
pub(super) struct ResidueLogProbs;

const METHOD: Words = Words {
    name: "method",
    known: &[SINGLE_PASS, "exact"],
};

impl Operation for ResidueLogProbs {
    fn name(&self) -> &'static str {
        "plm_residue_log_probs"
    }

    fn options(&self) -> &'static [Words] {
        &[METHOD]
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::List(Arc::new(Field::new_list_field(vector_type(20), false)))
    }

    fn tokens(&self, residues: u64, words: &[&'static str]) -> u64 {
        match words {
            ["exact"] => masked_passes(residues),
            _ => one_pass(residues),
        }
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let (indices, sequences, reasons) = job.checked(inputs.iter().map(|input| input.text));
        let mut tables: Vec<Vec<f32>> = vec![Vec::new(); inputs.len()];
        if job.words == ["exact"] {
            for (index, sequence) in indices.iter().zip(&sequences) {
                let positions: Vec<usize> = (0..sequence.len()).collect();
                tables[*index] = job.masked(sequence, &positions)?;
            }
        } else {
            job.single_pass(&sequences, |at, table| {
                tables[indices[at]] = table.to_vec();
            })?;
        }
        Ok(Outcome {
            values: lists(tables, 20)?,
            reasons,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
