//! Where the encoder starts: vectors of tokens, and how they know their positions.

use crate::{
    Family, ModelError, Vocabulary,
    config::Config,
    kernels::{Level, normalise::Norm},
    weights::Reader,
};

/// Embeddings of tokens, and of positions where they are learned.
pub(crate) struct Embedding {
    width: usize,
    tokens: Vec<f32>,
    /// AntiBERTy: a vector a position (that of the token type added), and the normalisation of the sum.
    learned: Option<(Vec<f32>, Norm)>,
    /// ESM-2: the factor of token dropout.
    dropout: bool,
}

/// In training 80 % of 15 % of the tokens were masks, that is zeros; what is not masked was scaled up for it.
const MASKED_IN_TRAINING: f32 = 0.15 * 0.8;

impl Embedding {
    pub fn load(config: &Config, reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let tokens = reader.floats(&config.embeddings())?;
        let learned = match config.family {
            Family::AntiBerty => {
                let mut positions = reader.floats("bert.embeddings.position_embeddings.weight")?;
                let types = reader.floats("bert.embeddings.token_type_embeddings.weight")?;
                for position in positions.chunks_exact_mut(config.dimension) {
                    for (number, of_type) in position.iter_mut().zip(&types) {
                        *number += of_type;
                    }
                }
                Some((positions, config.norm(reader, config.outer_norm())?))
            }
            Family::Esm2 => None,
        };
        Ok(Self {
            width: config.dimension,
            tokens,
            learned,
            dropout: config.token_dropout,
        })
    }

    pub fn resident_bytes(&self) -> usize {
        4 * (self.tokens.len()
            + self
                .learned
                .as_ref()
                .map_or(0, |(positions, _)| positions.len()))
    }

    /// The vector of a token.
    pub fn token(&self, id: u32) -> &[f32] {
        &self.tokens[id as usize * self.width..][..self.width]
    }

    /// Writes a row a token.
    pub fn fill(&self, level: Level, ids: &[u32], ends: &[usize], out: &mut Vec<f32>) {
        out.clear();
        let mut start = 0;
        for end in ends {
            self.one_sequence(&ids[start..*end], out);
            start = *end;
        }
        if let Some((_, norm)) = &self.learned {
            norm.apply_in_place(level, out);
        }
    }

    fn one_sequence(&self, ids: &[u32], out: &mut Vec<f32>) {
        let first = out.len();
        for id in ids {
            out.extend_from_slice(self.token(*id));
        }
        let rows = &mut out[first..];
        if let Some((positions, _)) = &self.learned {
            for (number, position) in rows.iter_mut().zip(positions) {
                *number += position;
            }
        } else if self.dropout {
            let mask = Vocabulary::ESM2.mask();
            let masks = ids.iter().filter(|id| **id == mask).count();
            let scale = (1.0 - MASKED_IN_TRAINING) / (1.0 - masks as f32 / ids.len() as f32);
            for (row, id) in rows.chunks_exact_mut(self.width).zip(ids) {
                let scale = if *id == mask { 0.0 } else { scale };
                for number in row {
                    *number *= scale;
                }
            }
        }
    }
}

/// Rotary positions (Su et al. 2021, arXiv:2104.09864): cosines and sines, half a head of each a position.
pub(crate) struct Rotary {
    half: usize,
    turns: Vec<(f32, f32)>,
}

impl Rotary {
    /// Turns for so many positions of heads of a width.
    pub fn new(positions: usize, head: usize) -> Self {
        let half = head / 2;
        let speeds: Vec<f32> = (0..half)
            .map(|at| 1.0 / 10_000f32.powf((2 * at) as f32 / head as f32))
            .collect();
        let turns = (0..positions).flat_map(|position| {
            speeds.iter().map(move |speed| {
                let angle = position as f32 * speed;
                (angle.cos(), angle.sin())
            })
        });
        Self {
            half,
            turns: turns.collect(),
        }
    }

    pub fn resident_bytes(&self) -> usize {
        size_of_val(self.turns.as_slice())
    }

    /// Turns the queries and keys of rows of queries, keys and values (3 × `width` numbers each).
    pub fn apply(&self, rows: &mut [f32], ends: &[usize], width: usize) {
        let mut start = 0;
        for end in ends {
            let sequence = &mut rows[start * 3 * width..end * 3 * width];
            for (row, turns) in sequence
                .chunks_exact_mut(3 * width)
                .zip(self.turns.chunks_exact(self.half))
            {
                for head in row[..2 * width].chunks_exact_mut(2 * self.half) {
                    let (left, right) = head.split_at_mut(self.half);
                    for ((left, right), (cos, sin)) in left.iter_mut().zip(right).zip(turns) {
                        (*left, *right) = (*left * cos - *right * sin, *right * cos + *left * sin);
                    }
                }
            }
            start = *end;
        }
    }
}
