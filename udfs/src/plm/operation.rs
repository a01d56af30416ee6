//! What the functions have in common: sequences are checked, computed in micro-batches of like length that can be stopped, and
//! each row gets a value or a reason.

use std::fmt::{Debug, Display};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, exec_datafusion_err};
use datafusion_expr::Documentation;
use models::batches::Batches;
use models::{Model, SequenceError};

use super::words::Words;
use super::work::Work;

/// What one row gives: its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Input<'a> {
    /// The first.
    pub text: &'a str,
    /// The second, where the function has two.
    pub second: &'a str,
}

/// A value a row, NULL where there is a reason.
pub(super) struct Outcome {
    /// The values.
    pub values: ArrayRef,
    /// Why there is none.
    pub reasons: Vec<Option<String>>,
}

/// One function over models.
pub(super) trait Operation: Debug + Send + Sync + 'static {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// How many texts of a row stand before the model.
    fn texts(&self) -> usize {
        1
    }

    /// Options behind the model.
    fn options(&self) -> &'static [Words] {
        &[]
    }

    /// The type of a value, for a model with embeddings of so many numbers.
    fn value_type(&self, dimension: usize, words: &[&'static str]) -> DataType;

    /// Tokens that a row costs whose texts have so many residues together.
    fn tokens(&self, residues: u64, words: &[&'static str]) -> u64;

    /// The values of rows that differ from each other.
    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome>;

    /// For users.
    fn documentation(&self) -> Option<&Documentation>;

    /// Arguments, up to the model, of a call that has no value, and the reason.
    fn refused(&self) -> (&'static str, &'static str) {
        ("''", "empty: the sequence is empty")
    }
}

/// Tokens of one pass over so many residues.
pub(super) fn one_pass(residues: u64) -> u64 {
    residues + 2
}

/// Tokens of a pass for each residue.
pub(super) fn masked_passes(residues: u64) -> u64 {
    residues.saturating_mul(one_pass(residues))
}

/// What a call computes with.
pub(super) struct Job<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its options, each a word.
    pub words: &'a [&'static str],
    /// What it is part of.
    pub work: &'a Work,
}

impl Job<'_> {
    /// Computes sequences in micro-batches; `compute` gets their indices and the sequences.
    pub fn in_batches(
        &self,
        sequences: &[&[u8]],
        mut compute: impl FnMut(&[usize], &[&[u8]]) -> Result<()>,
    ) -> Result<()> {
        let tokens: Vec<usize> = sequences
            .iter()
            .map(|sequence| self.model.tokens(sequence.len()))
            .collect();
        let plan = Batches::plan(&tokens, self.work.batch_tokens());
        for batch in plan.iter() {
            self.work.check()?;
            let members: Vec<&[u8]> = batch.iter().map(|index| sequences[*index]).collect();
            compute(batch, &members)?;
            self.work
                .count_batch(batch.iter().map(|index| tokens[*index]).sum());
        }
        Ok(())
    }

    /// Log-probabilities (20 a position) at positions of a sequence, each masked by itself.
    pub fn masked(&self, sequence: &[u8], positions: &[usize]) -> Result<Vec<f32>> {
        let tokens = self.model.tokens(sequence.len());
        let at_once = (self.work.batch_tokens() / tokens).max(1);
        let mut table = Vec::with_capacity(20 * positions.len());
        for some in positions.chunks(at_once) {
            self.work.check()?;
            self.model
                .masked_log_probs(sequence, some, &mut table)
                .map_err(of_model)?;
            self.work.count_batch(tokens * some.len());
        }
        Ok(table)
    }

    /// Log-probabilities (20 a residue) of each sequence in one pass; `each` gets its index and its table.
    pub fn single_pass(
        &self,
        sequences: &[&[u8]],
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let mut tables = Vec::new();
        self.in_batches(sequences, |indices, batch| {
            tables.clear();
            self.model.log_probs(batch, &mut tables).map_err(of_model)?;
            let mut rest = tables.as_slice();
            for (index, sequence) in indices.iter().zip(batch) {
                let (table, later) = rest.split_at(20 * sequence.len());
                each(*index, table);
                rest = later;
            }
            Ok(())
        })
    }

    /// The sequences that the model reads, by index, and why it does not read the others.
    pub fn checked<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
    ) -> (Vec<usize>, Vec<&'t [u8]>, Vec<Option<String>>) {
        let (mut indices, mut sequences, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for (index, text) in texts.enumerate() {
            match self.model.check(text.as_bytes()) {
                Ok(()) => {
                    indices.push(index);
                    sequences.push(text.as_bytes());
                    reasons.push(None);
                }
                Err(error) => reasons.push(Some(reason(&error))),
            }
        }
        (indices, sequences, reasons)
    }
}

/// Why a sequence has no value: a stable word, and what it means here.
pub(super) fn reason(error: &SequenceError) -> String {
    let code = match error {
        SequenceError::Empty => "empty",
        SequenceError::TooLong { .. } => "too_long",
        SequenceError::NotAResidue { .. } => "not_a_residue",
        SequenceError::NotAnAminoAcid { .. } => "not_an_amino_acid",
        SequenceError::NoSuchPosition { .. } => "no_residue",
        _ => "not_computed",
    };
    format!("{code}: {error}")
}

/// A letter that is none of the 20 amino acids, where a likelihood is asked for.
pub(super) fn not_an_amino_acid(sequence: &[u8]) -> Option<String> {
    let index = sequence
        .iter()
        .position(|residue| models::column(*residue).is_none())?;
    Some(reason(&SequenceError::NotAnAminoAcid {
        byte: sequence[index],
        position: index + 1,
    }))
}

/// A model that fails fails the query: it is no property of a row.
pub(super) fn of_model(error: impl Display) -> DataFusionError {
    exec_datafusion_err!("{error}")
}
