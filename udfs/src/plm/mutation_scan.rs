//! `plm_mutation_scan(seq, model [, method])`: every substitution of a sequence, scored.

use std::collections::HashMap;
use std::sync::Arc;

use antibody::{Scheme, numberer};
use arrow::array::{ArrayRef, Float32Builder, Int32Builder, ListArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::ALPHABET;

use super::operation::{Input, Job, Operation, Outcome};
use super::pseudo_log_likelihood::by_method;
use super::words::{METHOD, SINGLE_PASS, Words};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "All single substitutions of a sequence with their scores, as `plm_mutation_score` has them: a list of `{index, position, wild_type, mutant, score}`, 19 for each residue, in the order of the sequence. `index` is 1-based in the given sequence, `position` the IMGT position in its first V domain, NULL outside of it. Residues that are none of the 20 amino acids are left out. The method `exact` costs a pass over the sequence for each residue, `single_pass` one. NULL where the model cannot read the sequence; `try_plm_mutation_scan` says why. `unnest` makes rows of the list.",
    syntax_example = "plm_mutation_scan(seq, model [, method])",
    sql_example = r#"```sql
> SELECT array_length(scan) AS substitutions, scan[1]['index'] AS i, scan[1]['wild_type'] AS wild_type, scan[1]['mutant'] AS mutant, scan[1]['position'] AS imgt
  FROM (SELECT plm_mutation_scan('EVQLV', 'antiberty', 'single_pass') AS scan);
+---------------+---+-----------+--------+------+
| substitutions | i | wild_type | mutant | imgt |
+---------------+---+-----------+--------+------+
| 95            | 1 | E         | A      |      |
+---------------+---+-----------+--------+------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(name = "method", description = "`exact` (default) or `single_pass`."),
    related_udf(name = "plm_mutation_score"),
    related_udf(name = "try_plm_mutation_scan")
)]
#[derive(Debug)]
pub(super) struct MutationScan;

impl Operation for MutationScan {
    fn name(&self) -> &'static str {
        "plm_mutation_scan"
    }

    fn options(&self) -> &'static [Words] {
        &[METHOD]
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::List(item())
    }

    fn tokens(&self, residues: u64, words: &[&'static str]) -> u64 {
        by_method(residues, words)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let (indices, sequences, reasons) = job.checked(inputs.iter().map(|input| input.text));
        let mut tables: Vec<Vec<f32>> = vec![Vec::new(); inputs.len()];
        let mut is_read = vec![false; inputs.len()];
        for index in &indices {
            is_read[*index] = true;
        }
        if job.words.last() == Some(&SINGLE_PASS) {
            job.single_pass(&sequences, |at, table| {
                let scored = scorable(sequences[at]);
                let rows = scored.flat_map(|position| &table[20 * position..20 * (position + 1)]);
                tables[indices[at]] = rows.copied().collect();
            })?;
        } else {
            for (index, sequence) in indices.iter().zip(&sequences) {
                let positions: Vec<usize> = scorable(sequence).collect();
                tables[*index] = job.masked(sequence, &positions)?;
            }
        }
        let mut scan = Scan::default();
        for ((input, table), is_read) in inputs.iter().zip(&tables).zip(is_read) {
            let sequence = match is_read {
                true => input.text.as_bytes(),
                false => &[],
            };
            scan.append(sequence, table, is_read);
        }
        Ok(Outcome {
            values: scan.finish()?,
            reasons,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Where the residues are that have a likelihood, 0-based.
fn scorable(sequence: &[u8]) -> impl Iterator<Item = usize> {
    let residues = sequence.iter().enumerate();
    residues.filter_map(|(position, residue)| models::column(*residue).map(|_| position))
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("index", DataType::Int32, true),
        Field::new("position", DataType::Utf8, true),
        Field::new("wild_type", DataType::Utf8, true),
        Field::new("mutant", DataType::Utf8, true),
        Field::new("score", DataType::Float32, true),
    ])
}

/// The result under construction.
#[derive(Default)]
struct Scan {
    index: Int32Builder,
    position: StringBuilder,
    wild_type: StringBuilder,
    mutant: StringBuilder,
    score: Float32Builder,
    lengths: Vec<usize>,
    is_read: Vec<bool>,
}

impl Scan {
    /// `table` has 20 numbers for each residue that has a likelihood.
    fn append(&mut self, sequence: &[u8], table: &[f32], is_read: bool) {
        let imgt: HashMap<usize, String> = match numberer().number(sequence, Scheme::Imgt) {
            Ok(numbering) => numbering
                .indices(sequence)
                .map(|(position, index)| (index, position.to_string()))
                .collect(),
            Err(_) => HashMap::new(),
        };
        let mut length = 0;
        for (at, row) in scorable(sequence).zip(table.chunks_exact(20)) {
            let wild_type = sequence[at].to_ascii_uppercase();
            let there = models::column(wild_type).map_or(0.0, |column| row[column]);
            for (mutant, score) in ALPHABET.bytes().zip(row) {
                if mutant == wild_type {
                    continue;
                }
                self.index.append_option(i32::try_from(at + 1).ok());
                self.position.append_option(imgt.get(&(at + 1)));
                self.wild_type
                    .append_value(char::from(wild_type).encode_utf8(&mut [0; 4]));
                self.mutant
                    .append_value(char::from(mutant).encode_utf8(&mut [0; 4]));
                self.score.append_value(score - there);
                length += 1;
            }
        }
        self.lengths.push(length);
        self.is_read.push(is_read);
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.index.finish()),
            Arc::new(self.position.finish()),
            Arc::new(self.wild_type.finish()),
            Arc::new(self.mutant.finish()),
            Arc::new(self.score.finish()),
        ];
        let substitutions = StructArray::try_new(fields(), columns, None)?;
        Ok(Arc::new(ListArray::try_new(
            item(),
            OffsetBuffer::from_lengths(self.lengths),
            Arc::new(substitutions),
            Some(NullBuffer::from(self.is_read)),
        )?))
    }
}
