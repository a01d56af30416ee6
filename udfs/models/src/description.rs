//! What a folder holds, from its configuration and the headers of its tensors: known before a weight is read.

use std::path::Path;

use crate::{Family, ModelError, Precision, config::Config, weights::Weights};

/// The 20 amino acids in the order of the columns of log-probabilities, for every family.
pub const ALPHABET: &str = "ACDEFGHIKLMNPQRSTVWY";

/// The most bytes of weights that a model may have: 32 GiB, in whatever type they are stored.
pub const MAX_WEIGHT_BYTES: u64 = 32 << 30;

/// A model as its folder describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its family.
    pub family: Family,
    /// Numbers in the embedding of a residue or a sequence.
    pub dimension: usize,
    /// Layers of the encoder.
    pub layers: usize,
    /// Heads of the attention in each layer.
    pub heads: usize,
    /// The most residues of a sequence; longer ones are [`crate::SequenceError::TooLong`]. AntiBERTy has 512 learned positions, two of
    /// them for special tokens: 510. ESM-2 has none, but was trained on at most 1,024 tokens: 1,022. None: no limit.
    pub max_residues: Option<usize>,
    /// Numbers among the weights of the encoder and of the head that gives log-probabilities.
    pub parameters: u64,
    /// Bytes of these weights as they are stored.
    pub weight_bytes: u64,
    /// The columns of [`crate::Model::log_probs`], a letter each: [`ALPHABET`].
    pub alphabet: &'static str,
}

impl Description {
    /// Reads `config.json` and the headers of the tensors, but no weights.
    ///
    /// The folder holds `config.json` and either `model.safetensors` or `pytorch_model.bin`: the layout of Hugging Face for ESM-2, the
    /// folder `AntiBERTy_md_smooth` of the wheel for AntiBERTy (its `vocab.txt`, if there, must be AntiBERTy's).
    ///
    /// # Errors
    /// A file that is missing or cut off, a family, setting or type that is not known, a tensor that is missing or of another shape, a
    /// pickle that would run code, more weights than [`MAX_WEIGHT_BYTES`]: each before memory is spent.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let config = Config::read(folder)?;
        let weights = Weights::open(folder)?;
        Self::of(&config, &weights)
    }

    /// The description of a model whose files are open; checks every tensor.
    pub(crate) fn of(config: &Config, weights: &Weights) -> Result<Self, ModelError> {
        let (parameters, weight_bytes) = weights.check(&config.tensors())?;
        Ok(Self {
            family: config.family,
            dimension: config.dimension,
            layers: config.layers,
            heads: config.heads,
            max_residues: config.max_residues,
            parameters,
            weight_bytes,
            alphabet: ALPHABET,
        })
    }

    /// About how much memory the weights take once they are loaded in a precision, in bytes.
    pub fn resident_estimate(&self, precision: Precision) -> u64 {
        self.parameters
            * match precision {
                Precision::F32 => 4,
                Precision::Bf16 => 2,
                Precision::Int8 => 1,
            }
    }
}
