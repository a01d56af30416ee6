//! A loaded model: what the SQL functions call.

use std::path::Path;

use crate::{
    Description, ModelError, Place, Pooling, Precision, SequenceError, Vocabulary,
    config::Config,
    encoder::{Encoder, Keep},
    scratch::{self, Scratch},
    weights::Weights,
};

/// A model in memory, ready to compute. Shared between threads behind an `Arc`; nothing in it changes.
///
/// Every method computes on the calling thread alone and keeps its working memory for the thread's next call (a few MiB, whatever the
/// batch: long batches are computed a few sequences at a time). Sequences are ragged: nothing is padded, so their order and the size of
/// a batch change neither results nor, beyond about [`crate::batches::TOKEN_BUDGET`] tokens, speed.
///
/// Residues are letters in either case; a letter that the model has no token for (such as `X` for AntiBERTy) is its unknown token, `_`
/// is its mask. Anything else is a [`SequenceError`].
pub struct Model {
    description: Description,
    vocabulary: Vocabulary,
    precision: Precision,
    encoder: Encoder,
}

impl Model {
    /// Loads the model of a folder ([`Description::read`] says of which files). Weights are packed for this processor once; what need
    /// not be packed stays mapped from the file, which must not change while the model lives.
    ///
    /// # Errors
    /// Whatever [`Description::read`] refuses, and a precision that this processor cannot compute in.
    pub fn load(folder: &Path, precision: Precision) -> Result<Self, ModelError> {
        Self::load_on(folder, precision, Place::Cpu)
    }

    /// [`Model::load`], for a place of choice. On a device only f32 and bf16 are to be had, and a batch is padded to its longest sequence.
    ///
    /// # Errors
    /// As [`Model::load`], and what the device's library reports.
    pub fn load_on(folder: &Path, precision: Precision, place: Place) -> Result<Self, ModelError> {
        if place == Place::Cpu && !precision.available() {
            return Err(ModelError::Unavailable {
                precision,
                needs: precision.needs(),
            });
        }
        let config = Config::read(folder)?;
        let weights = Weights::open(folder)?;
        let description = Description::of(&config, &weights)?;
        let encoder = Encoder::load(&config, &weights, precision, place)?;
        Ok(Self {
            vocabulary: Vocabulary::of(config.family),
            description,
            precision,
            encoder,
        })
    }

    /// What the model is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What its linear layers compute in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Memory that the weights take, in bytes, without the working memory of threads.
    pub fn resident_bytes(&self) -> usize {
        self.encoder.resident_bytes()
    }

    /// Whether a sequence can be computed.
    ///
    /// # Errors
    /// No residues, more than [`Description::max_residues`], or a byte that is neither a letter nor `_`.
    pub fn check(&self, sequence: &[u8]) -> Result<(), SequenceError> {
        if sequence.is_empty() {
            return Err(SequenceError::Empty);
        }
        if let Some(limit) = self.description.max_residues
            && sequence.len() > limit
        {
            return Err(SequenceError::TooLong {
                residues: sequence.len(),
                limit,
            });
        }
        match sequence
            .iter()
            .position(|byte| !byte.is_ascii_alphabetic() && *byte != b'_')
        {
            Some(index) => Err(SequenceError::NotAResidue {
                byte: sequence[index],
                position: index + 1,
            }),
            None => Ok(()),
        }
    }

    /// What a sequence of so many residues costs, in tokens: its residues and a special token at each end.
    pub fn tokens(&self, residues: usize) -> usize {
        residues + 2
    }

    /// An embedding a sequence: appends `batch.len()` × [`Description::dimension`] numbers to `out`, row by row. They are the encoder's
    /// last hidden states (after the last normalisation), pooled.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses; then `out` is as it was.
    pub fn embed(
        &self,
        batch: &[&[u8]],
        pooling: Pooling,
        out: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let width = self.description.dimension;
        let keep = match pooling {
            Pooling::Mean => Keep::All,
            Pooling::Cls => Keep::First,
        };
        self.each_part(batch, keep, |_, part, hidden| {
            if pooling == Pooling::Cls {
                out.extend_from_slice(hidden);
                return;
            }
            let mut at = 0;
            for sequence in part {
                let rows = &hidden[(at + 1) * width..(at + 1 + sequence.len()) * width];
                let row = out.len();
                out.resize(row + width, 0.0);
                mean(rows, &mut out[row..]);
                at += self.tokens(sequence.len());
            }
        })
    }

    /// An embedding a residue: appends Σ `lengths` × [`Description::dimension`] numbers to `out` and the residues of each sequence to
    /// `lengths`. Special tokens are left out.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses; then `out` and `lengths` are as they were.
    pub fn embed_residues(
        &self,
        batch: &[&[u8]],
        out: &mut Vec<f32>,
        lengths: &mut Vec<usize>,
    ) -> Result<(), ModelError> {
        let width = self.description.dimension;
        self.each_part(batch, Keep::Residues, |_, _, hidden| {
            debug_assert_eq!(hidden.len() % width, 0);
            out.extend_from_slice(hidden);
        })?;
        lengths.extend(batch.iter().map(|sequence| sequence.len()));
        Ok(())
    }

    /// Natural log-probabilities of the 20 amino acids at each residue, in one pass over the sequence as it is, nothing masked (but for
    /// residues given as `_`): appends Σ residues × 20 numbers to `out`. Columns are [`Description::alphabet`]; special tokens and
    /// letters beyond the 20 are left out before the softmax, so the probabilities of a row sum to one.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses; then `out` is as it was.
    pub fn log_probs(&self, batch: &[&[u8]], out: &mut Vec<f32>) -> Result<(), ModelError> {
        self.each_part(batch, Keep::Residues, |scratch, _, hidden| {
            self.encoder.log_probs(scratch, hidden, out);
        })
    }

    /// Natural log-probabilities of the 20 amino acids at some positions, each masked by itself: appends `positions.len()` × 20 numbers to
    /// `out`. Positions are 0-based; columns as in [`Model::log_probs`]. Costs about a pass over the sequence a position.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses, or a position outside of it; then `out` is as it was.
    pub fn masked_log_probs(
        &self,
        sequence: &[u8],
        positions: &[usize],
        out: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        self.check(sequence).map_err(of_sequence)?;
        if let Some(outside) = positions.iter().find(|at| **at >= sequence.len()) {
            return Err(of_sequence(SequenceError::NoSuchPosition {
                position: outside + 1,
                residues: sequence.len(),
            }));
        }
        let mut ids = Vec::new();
        self.vocabulary.encode_into(sequence, &mut ids);
        scratch::with(|scratch| {
            let (mask, encoder) = (self.vocabulary.mask(), &self.encoder);
            encoder.masked(scratch, &ids, positions, mask, |scratch, hidden| {
                encoder.log_probs(scratch, hidden, out);
            })
        })
    }

    /// Fills each masked residue with the amino acid that is likeliest given all others, all masks at once, as `fill_masks` of the package
    /// `antiberty` does. A mask is `_`, `*`, `<mask>` or `[MASK]`; what is not masked comes back as it was given.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses, its masks counted as a residue each.
    pub fn infill(&self, sequence_with_masks: &[u8]) -> Result<Vec<u8>, ModelError> {
        let mut sequence = crate::likelihood::with_plain_masks(sequence_with_masks);
        let mut table = Vec::new();
        self.log_probs(&[&sequence], &mut table)?;
        for (residue, row) in sequence.iter_mut().zip(table.chunks_exact(20)) {
            if *residue == b'_' {
                *residue = crate::likelihood::likeliest(row);
            }
        }
        Ok(sequence)
    }

    /// Checks a batch, then computes it a few sequences at a time and hands on the kept rows of each part.
    fn each_part(
        &self,
        batch: &[&[u8]],
        keep: Keep,
        mut result: impl FnMut(&mut Scratch, &[&[u8]], &[f32]),
    ) -> Result<(), ModelError> {
        for (index, sequence) in batch.iter().enumerate() {
            self.check(sequence)
                .map_err(|source| ModelError::Sequence { index, source })?;
        }
        scratch::with(|scratch| {
            let (mut ids, mut ends) = (Vec::new(), Vec::new());
            let mut rest = batch;
            while !rest.is_empty() {
                ids.clear();
                ends.clear();
                for sequence in rest {
                    if !ids.is_empty()
                        && ids.len() + self.tokens(sequence.len()) > self.encoder.part_tokens()
                    {
                        break;
                    }
                    self.vocabulary.encode_into(sequence, &mut ids);
                    ends.push(ids.len());
                }
                let (part, later) = rest.split_at(ends.len());
                self.encoder
                    .hidden(scratch, &ids, &ends, keep, |scratch, hidden| {
                        result(scratch, part, hidden);
                    })?;
                rest = later;
            }
            Ok(())
        })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("description", &self.description)
            .field("precision", &self.precision())
            .finish_non_exhaustive()
    }
}

fn of_sequence(source: SequenceError) -> ModelError {
    ModelError::Sequence { index: 0, source }
}

fn mean(rows: &[f32], out: &mut [f32]) {
    let count = rows.len() / out.len();
    for row in rows.chunks_exact(out.len()) {
        for (sum, value) in out.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let share = 1.0 / count as f32;
    for sum in out {
        *sum *= share;
    }
}
