//! The words of the interface: families, precisions, kinds of pooling and of likelihood.

use std::fmt;

/// How a model is built. Each family has its tokens, its layers and its layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// AntiBERTy: a BERT encoder with learned positions, trained on antibody chains
    /// (Ruffolo, Gray and Sulam 2021, arXiv:2112.07782; package `antiberty`).
    AntiBerty,
    /// ESM-2: rotary positions, normalisation before each block, trained on UniRef50
    /// (Lin et al. 2023, doi:10.1126/science.ade2574; layout of Hugging Face `transformers`).
    Esm2,
}

/// What the linear layers and the attention compute in; sums, normalisations and results are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 32-bit floating point: agrees with PyTorch within 1e-4. Every processor has it.
    #[default]
    F32,
    /// bfloat16 products, summed in f32. Needs AVX512_BF16.
    Bf16,
    /// 8-bit integers: weights scaled by output channel, activations by token, as they come. Needs AVX512_VNNI.
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// Whether this processor has the instructions.
    pub fn available(self) -> bool {
        crate::kernels::available(self)
    }

    /// The instructions that this precision needs.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::F32 => "nothing special",
            Self::Bf16 => "AVX512_BF16",
            Self::Int8 => "AVX512_VNNI",
        }
    }
}

/// What stands for a whole sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pooling {
    /// The mean over the residues, without the special tokens.
    #[default]
    Mean,
    /// The vector of the token before the first residue.
    Cls,
}

/// How the likelihood of a residue is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scoring {
    /// Each position masked by itself: as many sequences are computed as there are residues. What the package `antiberty` does
    /// (after Salazar et al. 2020, arXiv:1910.14659).
    #[default]
    Exact,
    /// One pass over the unmasked sequence: the model sees the residue whose likelihood it gives. An approximation, and a high one.
    SinglePass,
}

/// How the residues' log-likelihoods become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// Their mean, as in the package `antiberty`.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AntiBerty => "AntiBERTy",
            Self::Esm2 => "ESM-2",
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
        })
    }
}
