//! Why a sequence could not be numbered: a value for the row, never a failure of the query.

use crate::locus::Locus;
use crate::scheme::Scheme;
use crate::{MAX_RESIDUES, MIN_RESIDUES};

/// Why a sequence has no numbering. [`code`](Self::code) is what SQL shows in the field `error`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberingError {
    /// No residues at all.
    #[error("the sequence is empty")]
    Empty,
    /// Fewer residues than [`MIN_RESIDUES`].
    #[error("{residues} residues are too few for a V domain; at least {MIN_RESIDUES} are needed")]
    TooShort {
        /// Residues in the longest stretch.
        residues: usize,
    },
    /// More residues than [`MAX_RESIDUES`].
    #[error("the sequence is too long; at most {MAX_RESIDUES} residues are searched")]
    TooLong,
    /// A byte that is neither a residue nor a gap, white space or `*`.
    #[error("byte {offset} is not an amino acid")]
    NotAminoAcids {
        /// 1-based offset of the first such byte.
        offset: usize,
    },
    /// Nothing in the sequence looks like a V domain.
    #[error("no V domain found (best confidence {confidence:.2})")]
    NoVDomain {
        /// Confidence of the best alignment, 0–1.
        confidence: f32,
    },
    /// The V domain is interrupted by a stop codon (`*`).
    #[error("a stop codon interrupts the V domain")]
    StopCodon,
    /// The scheme has no codes for so many insertions, so that some residues would have no position of their own.
    #[error("{scheme} has no positions for all residues of this domain")]
    TooManyInsertions {
        /// The scheme that was asked for.
        scheme: Scheme,
    },
    /// The scheme does not number this locus.
    #[error("{scheme} numbering is not defined here for {locus}; use imgt")]
    SchemeUnsupported {
        /// The scheme that was asked for.
        scheme: Scheme,
        /// The locus that was found.
        locus: Locus,
    },
}

impl NumberingError {
    /// A stable snake_case reason, such as `no_v_domain`.
    pub const fn code(&self) -> &'static str {
        match self {
            NumberingError::Empty => "empty",
            NumberingError::TooShort { .. } => "too_short",
            NumberingError::TooLong => "too_long",
            NumberingError::NotAminoAcids { .. } => "not_amino_acids",
            NumberingError::NoVDomain { .. } => "no_v_domain",
            NumberingError::StopCodon => "stop_codon",
            NumberingError::TooManyInsertions { .. } => "too_many_insertions",
            NumberingError::SchemeUnsupported { .. } => "scheme_unsupported",
        }
    }
}
