//! Scoring matrices of several loci laid side by side, so that one pass aligns a sequence to all of them.
//!
//! The numbers are immunum's (position-specific BLOSUM62 scores and gap costs from consensus sequences); only their layout
//! is ours: for each residue and column, the loci's values are neighbours in memory, one lane each. Antibody loci and T cell
//! receptor loci make a profile each, because most sequences need only the first.

use std::sync::LazyLock;

use immunum::ScoringMatrix;

use crate::locus::Locus;

/// Four values fill a 128-bit vector.
pub(crate) const LANES: usize = 4;
/// The longest matrix: IMGT positions 1–128.
pub(crate) const COLUMNS: usize = 128;
/// A score that no alignment survives: pads short matrices and the lane without a locus.
const NEVER: f32 = -1e9;

/// One value a locus.
pub(crate) type Lanes = [f32; LANES];

/// Scores and costs by column, a lane a locus.
pub(crate) struct Profile {
    /// By residue (`A` = 0), then column.
    pub scores: Vec<[Lanes; COLUMNS]>,
    /// The cost of skipping a column.
    pub gap: [Lanes; COLUMNS],
    /// The cost of a residue inserted after a column.
    pub insertion: [Lanes; COLUMNS],
    /// The lanes: loci and immunum's matrices, for what is looked up once an alignment.
    pub lanes: Vec<(Locus, ScoringMatrix)>,
}

/// The antibody loci's profile, built on first use.
pub(crate) fn antibodies() -> &'static Profile {
    static PROFILE: LazyLock<Profile> =
        LazyLock::new(|| Profile::build(&[Locus::Igh, Locus::Igk, Locus::Igl]));
    &PROFILE
}

/// The T cell receptor loci's profile, built on first use.
pub(crate) fn receptors() -> &'static Profile {
    static PROFILE: LazyLock<Profile> =
        LazyLock::new(|| Profile::build(&[Locus::Tra, Locus::Trb, Locus::Trg, Locus::Trd]));
    &PROFILE
}

impl Profile {
    fn build(loci: &[Locus]) -> Self {
        let lanes: Vec<(Locus, ScoringMatrix)> = loci
            .iter()
            .take(LANES)
            .map(|locus| (*locus, ScoringMatrix::load(immunum_chain(*locus))))
            .collect();
        let mut profile = Self {
            scores: vec![[[NEVER; LANES]; COLUMNS]; 26],
            gap: [[NEVER; LANES]; COLUMNS],
            insertion: [[NEVER; LANES]; COLUMNS],
            lanes: Vec::new(),
        };
        for (lane, (_, matrix)) in lanes.iter().enumerate() {
            for (column, position) in matrix.positions.iter().take(COLUMNS).enumerate() {
                for (letter, score) in position.scores.iter().enumerate() {
                    profile.scores[letter][column][lane] = *score;
                }
                profile.gap[column][lane] = position.gap_penalty;
                profile.insertion[column][lane] = position.insertion_penalty;
            }
        }
        profile.lanes = lanes;
        profile
    }
}

/// immunum's name for a locus.
pub(crate) const fn immunum_chain(locus: Locus) -> immunum::Chain {
    match locus {
        Locus::Igh => immunum::Chain::IGH,
        Locus::Igk => immunum::Chain::IGK,
        Locus::Igl => immunum::Chain::IGL,
        Locus::Tra => immunum::Chain::TRA,
        Locus::Trb => immunum::Chain::TRB,
        Locus::Trg => immunum::Chain::TRG,
        Locus::Trd => immunum::Chain::TRD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matrix_fits_the_columns() {
        let lanes = antibodies().lanes.iter().chain(&receptors().lanes);
        for (_, matrix) in lanes {
            assert!(matrix.positions.len() <= COLUMNS);
            assert!(matrix.positions.len() > 100);
        }
    }
}
