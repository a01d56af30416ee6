//! `plm_embed(seq, model [, pooling])`: a sequence as a vector.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::Pooling;

use super::operation::{Input, Job, Operation, Outcome, of_model, one_pass};
use super::words::Words;

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The embedding of an amino acid sequence: the last hidden states of a protein language model, pooled over the sequence. Returns a list of as many 32-bit numbers as the model has dimensions (512 for AntiBERTy), which `cosine_distance` and `inner_product` compare; with the pooling `residues` a list of such lists, one a residue. The sequence is read as given: pass `v_domain_aa` for V domains. NULL where the model cannot read it (`try_plm_embed` says why): empty, more residues than it has positions for (510 for AntiBERTy), anything that is neither a letter nor the mask `_`. Letters that the model does not know count as unknown residues. Models are added by `paratope model pull antiberty` or `CREATE MODEL`; `name` means the newest version in full precision.",
    syntax_example = "plm_embed(seq, model [, pooling])",
    sql_example = r#"```sql
> SELECT arrow_typeof(plm_embed('EVQLVESGGGLVQPGGSLRLSCAAS', 'antiberty')) AS embedding;
+---------------------------------------+
| embedding                             |
+---------------------------------------+
| FixedSizeList(512 x non-null Float32) |
+---------------------------------------+
> SELECT array_length(r) AS residues, array_length(r[1]) AS numbers FROM (SELECT plm_embed('EVQLV', 'antiberty', 'residues') AS r);
+----------+---------+
| residues | numbers |
+----------+---------+
| 5        | 512     |
+----------+---------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence, either case. `_` is a masked residue."
    ),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(
        name = "pooling",
        description = "`mean` over the residues, special tokens left out (default), `cls` (the vector of the token before the first residue) or `residues` (a vector for each)."
    ),
    related_udf(name = "plm_embed_pair"),
    related_udf(name = "try_plm_embed")
)]
#[derive(Debug)]
pub(super) struct Embed;

const POOLING: Words = Words {
    name: "pooling",
    known: &["mean", "cls", "residues"],
};

impl Operation for Embed {
    fn name(&self) -> &'static str {
        "plm_embed"
    }

    fn options(&self) -> &'static [Words] {
        &[POOLING]
    }

    fn value_type(&self, dimension: usize, words: &[&'static str]) -> DataType {
        let vector = vector_type(dimension);
        match words {
            ["residues"] => DataType::List(Arc::new(Field::new_list_field(vector, false))),
            _ => vector,
        }
    }

    fn tokens(&self, residues: u64, _: &[&'static str]) -> u64 {
        one_pass(residues)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let (indices, sequences, reasons) = job.checked(inputs.iter().map(|input| input.text));
        let values = match job.words {
            ["residues"] => of_residues(job, inputs.len(), &indices, &sequences)?,
            words => {
                let pooling = match words {
                    ["cls"] => Pooling::Cls,
                    _ => Pooling::Mean,
                };
                let width = job.model.description().dimension;
                let vectors = pooled(job, &sequences, pooling)?;
                let mut rows = vec![0.0; width * inputs.len()];
                let mut is_valid = vec![false; inputs.len()];
                for (index, vector) in indices.iter().zip(vectors.chunks_exact(width)) {
                    rows[index * width..(index + 1) * width].copy_from_slice(vector);
                    is_valid[*index] = true;
                }
                vector_array(rows, width, Some(is_valid.into()))?
            }
        };
        Ok(Outcome { values, reasons })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// A vector of a model.
pub(super) fn vector_type(dimension: usize) -> DataType {
    DataType::FixedSizeList(number(), i32::try_from(dimension).unwrap_or(i32::MAX))
}

fn number() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float32, false))
}

/// Rows of numbers as vectors.
pub(super) fn vector_array(
    rows: Vec<f32>,
    width: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let width = i32::try_from(width)
        .map_err(|_| exec_datafusion_err!("vectors of {width} numbers are too long"))?;
    let numbers = Arc::new(Float32Array::from(rows));
    Ok(Arc::new(FixedSizeListArray::try_new(
        number(),
        width,
        numbers,
        nulls,
    )?))
}

/// The vectors of sequences, in their order.
pub(super) fn pooled(job: &Job<'_>, sequences: &[&[u8]], pooling: Pooling) -> Result<Vec<f32>> {
    let width = job.model.description().dimension;
    let mut vectors = vec![0.0; width * sequences.len()];
    let mut computed = Vec::new();
    job.in_batches(sequences, |indices, batch| {
        computed.clear();
        job.model
            .embed(batch, pooling, &mut computed)
            .map_err(of_model)?;
        for (index, vector) in indices.iter().zip(computed.chunks_exact(width)) {
            vectors[index * width..(index + 1) * width].copy_from_slice(vector);
        }
        Ok(())
    })?;
    Ok(vectors)
}

fn of_residues(
    job: &Job<'_>,
    rows: usize,
    indices: &[usize],
    sequences: &[&[u8]],
) -> Result<ArrayRef> {
    let width = job.model.description().dimension;
    let mut each: Vec<Vec<f32>> = vec![Vec::new(); rows];
    let (mut computed, mut lengths) = (Vec::new(), Vec::new());
    job.in_batches(sequences, |batch_indices, batch| {
        computed.clear();
        lengths.clear();
        job.model
            .embed_residues(batch, &mut computed, &mut lengths)
            .map_err(of_model)?;
        let mut rest = computed.as_slice();
        for (index, length) in batch_indices.iter().zip(&lengths) {
            let (vectors, later) = rest.split_at(length * width);
            each[indices[*index]] = vectors.to_vec();
            rest = later;
        }
        Ok(())
    })?;
    lists(each, width)
}

/// A list of vectors for each row, NULL where there is none.
pub(super) fn lists(rows: Vec<Vec<f32>>, width: usize) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len() / width));
    let is_valid: Vec<bool> = rows.iter().map(|row| !row.is_empty()).collect();
    let vectors = vector_array(rows.concat(), width, None)?;
    let item = Arc::new(Field::new_list_field(vectors.data_type().clone(), false));
    Ok(Arc::new(ListArray::try_new(
        item,
        offsets,
        vectors,
        Some(is_valid.into()),
    )?))
}
