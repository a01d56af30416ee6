//! `plm_mutation_score(seq, mutations, model [, method])`: how much likelier a substitution is than what is there.

use std::sync::Arc;

use antibody::Mutation;
use arrow::array::Float64Array;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::operation::{Input, Job, Operation, Outcome, one_pass, reason};
use super::words::{METHOD, SINGLE_PASS, Words};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The score of substitutions: the natural logarithm of the probability of the new residue divided by that of the residue that is there, the position masked (masked marginals, Meier et al. 2021). Above 0 the model prefers the new residue. Scores of several substitutions, separated by commas, are added up, each seen in the sequence as given. Indices are 1-based in the given sequence. NULL where a substitution does not fit the sequence or the model cannot read it; `try_plm_mutation_score` says why.",
    syntax_example = "plm_mutation_score(seq, mutations, model [, method])",
    sql_example = r#"```sql
> SELECT plm_mutation_score('EVQLVESGG', 'E1E', 'antiberty') AS same, plm_mutation_score('EVQLVESGG', 'S1A', 'antiberty') AS wrong;
+------+-------+
| same | wrong |
+------+-------+
| 0.0  |       |
+------+-------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(
        name = "mutations",
        description = "Substitutions such as `'S31A'` or `'S31A,T28D'`, either case."
    ),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(
        name = "method",
        description = "`exact` (default): each position masked by itself; `single_pass`: nothing masked, one pass."
    ),
    related_udf(name = "plm_mutation_scan"),
    related_udf(name = "ab_mutate"),
    related_udf(name = "try_plm_mutation_score")
)]
#[derive(Debug)]
pub(super) struct MutationScore;

impl Operation for MutationScore {
    fn name(&self) -> &'static str {
        "plm_mutation_score"
    }

    fn texts(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [Words] {
        &[METHOD]
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::Float64
    }

    /// Of one substitution.
    fn tokens(&self, residues: u64, _: &[&'static str]) -> u64 {
        one_pass(residues)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let (indices, sequences, mut reasons) = job.checked(inputs.iter().map(|input| input.text));
        let mut values: Vec<Option<f64>> = vec![None; inputs.len()];
        let mut kept: Vec<(usize, &[u8], Vec<Substitution>)> = Vec::new();
        for (index, sequence) in indices.into_iter().zip(sequences) {
            match substitutions(sequence, inputs[index].second) {
                Ok(list) => kept.push((index, sequence, list)),
                Err(reason) => reasons[index] = Some(reason),
            }
        }
        if job.words.last() == Some(&SINGLE_PASS) {
            let sequences: Vec<&[u8]> = kept.iter().map(|(_, sequence, _)| *sequence).collect();
            job.single_pass(&sequences, |at, table| {
                let (index, _, list) = &kept[at];
                let each = list
                    .iter()
                    .map(|it| it.score(&table[20 * it.at..20 * (it.at + 1)]));
                values[*index] = Some(each.sum::<f64>() + 0.0);
            })?;
        } else {
            for (index, sequence, list) in &kept {
                let positions: Vec<usize> = list.iter().map(|it| it.at).collect();
                let table = job.masked(sequence, &positions)?;
                let each = list.iter().zip(table.chunks_exact(20));
                let score: f64 = each.map(|(it, row)| it.score(row)).sum();
                values[*index] = Some(score + 0.0);
            }
        }
        Ok(Outcome {
            values: Arc::new(Float64Array::from(values)),
            reasons,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn refused(&self) -> (&'static str, &'static str) {
        ("'EVQLV', 'S1A'", "wrong_wild_type: S1A, but 1 is E")
    }
}

/// A substitution that fits its sequence.
struct Substitution {
    /// 0-based.
    at: usize,
    /// Columns of log-probabilities.
    from: usize,
    to: usize,
}

impl Substitution {
    fn score(&self, row: &[f32]) -> f64 {
        f64::from(row[self.to]) - f64::from(row[self.from])
    }
}

fn substitutions(sequence: &[u8], text: &str) -> Result<Vec<Substitution>, String> {
    let of_mutation = |error: antibody::MutationError| format!("{}: {error}", error.code());
    antibody::mutate(sequence, text, None).map_err(of_mutation)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let each = text.split(',').map(|part| {
        let mutation: Mutation = part.parse().map_err(of_mutation)?;
        let column = |residue: u8| {
            models::column(residue).ok_or_else(|| {
                reason(&models::SequenceError::NotAnAminoAcid {
                    byte: residue,
                    position: mutation.number,
                })
            })
        };
        Ok(Substitution {
            at: mutation.number - 1,
            from: column(mutation.wild_type)?,
            to: column(mutation.replacement)?,
        })
    });
    each.collect()
}
