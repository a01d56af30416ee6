//! The forward pass of an encoder: embeddings, layers of attention and feed-forward blocks, and the head that guesses residues.
//!
//! Tokens of all sequences lie one after another in the linear layers; only the attention sees where a sequence ends. So nothing is padded.

mod forward;
#[cfg(test)]
mod tests;

use crate::{
    ALPHABET, Family, ModelError, Place, Precision, Vocabulary,
    accelerator::Accelerator,
    attention::Attention,
    config::Config,
    embedding::{Embedding, Rotary},
    kernels::{Level, normalise::Norm},
    matrix::{Finish, Matrix},
    scratch::Scratch,
    weights::{Reader, Weights},
};

/// Rows of the last layer that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Every token.
    All,
    /// The first token of each sequence.
    First,
    /// Every token but the first and last of each sequence.
    Residues,
}

/// Where the normalisations stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// After each block, as in BERT.
    After,
    /// Before each block, and once after the last, as in ESM-2.
    Before,
}

struct Layer {
    /// Queries, keys and values side by side.
    parts: Matrix,
    attention_output: Matrix,
    attention_norm: Norm,
    intermediate: Matrix,
    output: Matrix,
    output_norm: Norm,
}

pub(crate) struct Encoder {
    level: Level,
    precision: Precision,
    width: usize,
    order: Order,
    embedding: Embedding,
    rotary: Option<Rotary>,
    attention: Attention,
    layers: Vec<Layer>,
    /// Takes the place of the layers.
    accelerator: Option<Accelerator>,
    last_norm: Option<Norm>,
    head: Matrix,
    head_norm: Norm,
    decoder: Matrix,
}

impl Config {
    pub(crate) fn norm(&self, reader: &mut Reader<'_>, name: &str) -> Result<Norm, ModelError> {
        Ok(Norm {
            weight: reader.floats(&format!("{name}.weight"))?,
            bias: reader.floats(&format!("{name}.bias"))?,
            epsilon: self.epsilon,
        })
    }
}

impl Encoder {
    pub fn load(
        config: &Config,
        weights: &Weights,
        precision: Precision,
        place: Place,
    ) -> Result<Self, ModelError> {
        let level = Level::detect();
        let reader = &mut weights.reader()?;
        let (width, wide) = (config.dimension, config.intermediate);
        // Scores are divided by the square root of a head's width: that is done to what the queries are made with.
        let scale = 1.0 / (config.head() as f32).sqrt();
        let accelerator = match place {
            Place::Cpu => None,
            other => Some(Accelerator::load(config, reader, precision, other)?),
        };
        // The head stays on the CPU, in f32 beside an accelerator.
        let precision = if accelerator.is_some() {
            Precision::F32
        } else {
            precision
        };
        let layer_count = if accelerator.is_some() {
            0
        } else {
            config.layers
        };
        let mut linear = |inputs: usize, names: &[&str]| -> Result<Matrix, ModelError> {
            let (mut rows, mut bias) = (Vec::new(), Vec::new());
            for name in names {
                rows.append(&mut reader.floats(&format!("{name}.weight"))?);
                bias.append(&mut reader.floats(&format!("{name}.bias"))?);
                if name.ends_with(".query") {
                    rows.iter_mut()
                        .chain(&mut bias)
                        .for_each(|number| *number *= scale);
                }
            }
            Ok(Matrix::new(precision, inputs, &rows, &bias))
        };
        let names: Vec<_> = (0..layer_count).map(|index| config.layer(index)).collect();
        let mut matrices = Vec::new();
        for name in &names {
            matrices.push((
                linear(width, &[&name.query, &name.key, &name.value])?,
                linear(width, &[&name.attention_output])?,
                linear(width, &[&name.intermediate])?,
                linear(wide, &[&name.output])?,
            ));
        }
        let [head, head_norm, head_bias] = config.head_names();
        let head = linear(width, &[head])?;
        let mut layers = Vec::new();
        for ((parts, attention_output, intermediate, output), name) in
            matrices.into_iter().zip(&names)
        {
            layers.push(Layer {
                parts,
                attention_output,
                attention_norm: config.norm(reader, &name.attention_norm)?,
                intermediate,
                output,
                output_norm: config.norm(reader, &name.output_norm)?,
            });
        }
        let embedding = Embedding::load(config, reader)?;
        let decoder = decoder(config.family, &embedding, &reader.floats(head_bias)?, width);
        let (order, last_norm, rotary) = match config.family {
            Family::AntiBerty => (Order::After, None, None),
            Family::Esm2 => {
                let positions = config.max_residues.unwrap_or(0) + 2;
                let norm = config.norm(reader, config.outer_norm())?;
                (
                    Order::Before,
                    Some(norm),
                    Some(Rotary::new(positions, config.head())),
                )
            }
        };
        Ok(Self {
            level,
            precision,
            width,
            order,
            embedding,
            rotary,
            attention: Attention {
                level,
                precision: match precision {
                    Precision::Int8 if Precision::Bf16.available() => Precision::Bf16,
                    Precision::Int8 => Precision::F32,
                    other => other,
                },
                heads: config.heads,
                head: config.head(),
            },
            layers,
            accelerator,
            last_norm,
            head,
            head_norm: config.norm(reader, head_norm)?,
            decoder,
        })
    }

    pub fn resident_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(|layer| {
            [
                &layer.parts,
                &layer.attention_output,
                &layer.intermediate,
                &layer.output,
            ]
        });
        let matrices = layers
            .chain([&self.head, &self.decoder])
            .map(Matrix::resident_bytes);
        let rotary = self.rotary.as_ref().map_or(0, Rotary::resident_bytes);
        let accelerated = self
            .accelerator
            .as_ref()
            .map_or(0, Accelerator::resident_bytes);
        accelerated + matrices.sum::<usize>() + self.embedding.resident_bytes() + rotary
    }

    /// Computes sequences (token ids one after another, and where each ends) and hands on the wanted rows of the last layer.
    pub fn hidden(
        &self,
        scratch: &mut Scratch,
        ids: &[u32],
        ends: &[usize],
        keep: Keep,
        result: impl FnOnce(&mut Scratch, &[f32]),
    ) -> Result<(), ModelError> {
        scratch.wanted.clear();
        scratch.wanted_ends.clear();
        let mut start = 0;
        for end in ends {
            match keep {
                Keep::All => scratch.wanted.extend(start..*end),
                Keep::First => scratch.wanted.push(start),
                Keep::Residues => scratch.wanted.extend(start + 1..end - 1),
            }
            scratch.wanted_ends.push(scratch.wanted.len());
            start = *end;
        }
        self.pass(scratch, ids, ends, None)?;
        let hidden = std::mem::take(&mut scratch.hidden);
        result(scratch, &hidden);
        scratch.hidden = hidden;
        Ok(())
    }

    /// Tokens that are computed at once. On the CPU their activations stay in a core's own cache, while each weight that is fetched serves
    /// them all; an accelerator wants more.
    pub fn part_tokens(&self) -> usize {
        if self.accelerator.is_some() {
            16_384
        } else {
            400
        }
    }

    /// Log-probabilities of the amino acids from rows of the last layer: appends 20 numbers a row.
    pub fn log_probs(&self, scratch: &mut Scratch, hidden: &[f32], out: &mut Vec<f32>) {
        let Scratch { panels, other, .. } = scratch;
        panels.fill(self.level, self.head.precision(), hidden, self.width);
        other.resize(hidden.len(), 0.0);
        self.head.multiply(self.level, panels, Finish::Gelu, other);
        self.head_norm.apply_in_place(self.level, other);
        panels.fill(self.level, self.decoder.precision(), other, self.width);
        let first = out.len();
        out.resize(first + hidden.len() / self.width * ALPHABET.len(), 0.0);
        self.decoder
            .multiply(self.level, panels, Finish::Store, &mut out[first..]);
        for row in out[first..].chunks_exact_mut(ALPHABET.len()) {
            let most = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = row.iter().map(|logit| (logit - most).exp()).sum();
            let all = most + sum.ln();
            for logit in row {
                *logit -= all;
            }
        }
    }
}

/// The last layer of the head, which is the table of embeddings again, for the 20 amino acids alone. It is computed in f32.
fn decoder(family: Family, embedding: &Embedding, bias: &[f32], width: usize) -> Matrix {
    let vocabulary = Vocabulary::of(family);
    let ids: Vec<u32> = ALPHABET
        .bytes()
        .map(|residue| vocabulary.id(residue))
        .collect();
    let rows: Vec<f32> = ids
        .iter()
        .flat_map(|id| embedding.token(*id))
        .copied()
        .collect();
    let bias: Vec<f32> = ids.iter().map(|id| bias[*id as usize]).collect();
    Matrix::new(Precision::F32, width, &rows, &bias)
}
