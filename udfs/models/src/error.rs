//! What can be wrong with a model, and with a sequence: one is told once and stops the work, the other is a value of its row.

use std::path::{Path, PathBuf};

use crate::{Family, Precision};

/// Why a model cannot be read or run. Every message names the file and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file is not there or cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `config.json` does not say what is needed, or says what this crate does not compute.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The configuration.
        path: PathBuf,
        /// Which setting, and what was expected.
        reason: String,
    },
    /// `config.json` names a family that is not among [`Family`].
    #[error("{}: model family '{found}' is not known (known: bert of AntiBERTy, esm of ESM-2)", path.display())]
    UnknownFamily {
        /// The configuration.
        path: PathBuf,
        /// Its `model_type`.
        found: String,
    },
    /// The file of weights is cut off or not what its name says.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is missing, or has another shape or type than the configuration asks for.
    #[error("{}: tensor '{tensor}' {reason}", path.display())]
    Tensor {
        /// The file of weights.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A PyTorch file whose pickle does more than describe tensors. Nothing of it was executed.
    #[error(
        "{}: refused, because this pickle would run code when PyTorch loads it ({what}); nothing of it was executed. \
         Save the weights as model.safetensors",
        path.display()
    )]
    Code {
        /// The file of weights.
        path: PathBuf,
        /// The function or instruction that describes no tensor.
        what: String,
    },
    /// More weights than [`crate::MAX_WEIGHT_BYTES`].
    #[error("{}: a model of {bytes} bytes is above the limit of {limit} bytes", path.display())]
    TooLarge {
        /// The folder or file.
        path: PathBuf,
        /// Bytes that the configuration or the file asks for.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// This processor lacks the instructions of a precision.
    #[error("this processor cannot compute in {precision}: it needs {needs}")]
    Unavailable {
        /// What was asked for.
        precision: Precision,
        /// The missing instructions.
        needs: &'static str,
    },
    /// What was asked of a model that its family does not do.
    #[error("models of the family {family} have no {what}")]
    Unsupported {
        /// The model's family.
        family: Family,
        /// What was asked for.
        what: &'static str,
    },
    /// A sequence of the batch cannot be computed. [`crate::Model::check`] finds it beforehand, row by row.
    #[error("sequence {index} of the batch: {source}")]
    Sequence {
        /// 0-based index in the batch.
        index: usize,
        /// What is wrong with it.
        source: SequenceError,
    },
    /// The accelerator, or the library that drives it, failed.
    #[error("device: {0}")]
    Device(String),
}

/// Why one sequence cannot be computed: an error value of its row, never the end of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// No residues.
    #[error("the sequence is empty")]
    Empty,
    /// More residues than the model has positions for.
    #[error("{residues} residues are more than the {limit} that the model reads")]
    TooLong {
        /// Residues of the sequence.
        residues: usize,
        /// The most that the model reads.
        limit: usize,
    },
    /// A byte that is neither a letter nor the mask `_`: a gap, a stop, white space.
    #[error("'{}' at position {position} is no residue", byte.escape_ascii())]
    NotAResidue {
        /// The byte.
        byte: u8,
        /// Its 1-based position.
        position: usize,
    },
    /// A residue outside of the 20 amino acids where its likelihood was asked for.
    #[error("'{}' at position {position} is none of the 20 amino acids, so it has no likelihood", byte.escape_ascii())]
    NotAnAminoAcid {
        /// The byte.
        byte: u8,
        /// Its 1-based position.
        position: usize,
    },
    /// A position that the sequence does not have.
    #[error("position {position} is outside of a sequence of {residues} residues")]
    NoSuchPosition {
        /// 1-based.
        position: usize,
        /// Residues of the sequence.
        residues: usize,
    },
}

impl ModelError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn config(path: &Path, reason: impl Into<String>) -> Self {
        Self::Config {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn weights(path: &Path, reason: impl Into<String>) -> Self {
        Self::Weights {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn tensor(path: &Path, tensor: &str, reason: impl Into<String>) -> Self {
        Self::Tensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            reason: reason.into(),
        }
    }
}
