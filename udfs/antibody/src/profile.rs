//! Scoring profiles of the seven loci over the 128 IMGT columns.
//!
//! The consensus tables (`data/consensus`, MIT, see `NOTICE`) and the model of gaps are those of immunum 2.0: a column scores
//! a residue by BLOSUM62 averaged over the column's residues; skipping a column costs more where it is conserved; residues
//! are inserted cheaply only in the middle of a CDR. Scores are integers at 32 units a half bit, so that they fit 16 bits and
//! every implementation of the alignment gives the same sums: the best possible alignment scores about 22,000, and the worst
//! that can occur, 128 mismatches, -16,384.

use std::sync::LazyLock;

use crate::blosum;
use crate::locus::Locus;

/// IMGT positions 1–128.
pub(crate) const COLUMNS: usize = 128;
/// Residue codes: letters from `A` = 0, and [`NO_RESIDUE`].
pub(crate) const CODES: usize = 32;
/// The code that fills lanes behind a sequence's end; scores like an unknown residue.
pub(crate) const NO_RESIDUE: u8 = 31;
/// Score units in a half bit of BLOSUM62.
pub(crate) const SCALE: f32 = 32.0;
/// A match that no alignment takes: columns that a locus does not have.
const NEVER: i16 = -16_000;
/// The turn between the strands D and E of framework 3, where antibodies of the class of VRC03 and 3BNC60 have residues inserted
/// in their heavy chains (Wu et al. 2011, Science 333:1593; Scheid et al. 2011, Science 333:1633). immunum lets residues be
/// inserted nowhere in a framework.
const LOOP: usize = 85;
/// What a letter scores that is no amino acid.
const UNKNOWN: f32 = -4.0;

/// A locus's scores and costs, by column (IMGT position - 1).
pub(crate) struct Profile {
    /// By column, then residue code.
    pub scores: Vec<Scores>,
    /// The cost of skipping a column.
    pub gap: [i16; COLUMNS],
    /// The cost of a residue inserted after a column.
    pub insertion: [i16; COLUMNS],
    /// Columns that no domain of the locus need have: skipping costs nothing.
    pub unoccupied: u128,
    /// Columns that count for the confidence: those that more than nine in ten domains have.
    pub counted: u128,
    /// The last column that the locus has, as a count of columns.
    pub last: u32,
    /// The best scores of the counted columns before a column, summed.
    pub highest: [i32; COLUMNS + 1],
}

/// A column's score of each residue code, whole and split in bytes for byte shuffles.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Scores {
    pub whole: [i16; CODES],
    pub low: [u8; CODES],
    pub high: [u8; CODES],
}

/// The profile of a locus, built on first use.
pub(crate) fn profile(locus: Locus) -> &'static Profile {
    static PROFILES: LazyLock<[Profile; 7]> = LazyLock::new(|| Locus::ALL.map(Profile::build));
    &PROFILES[locus as usize]
}

const fn table(locus: Locus) -> &'static str {
    match locus {
        Locus::Igh => include_str!("../data/consensus/IGH.csv"),
        Locus::Igk => include_str!("../data/consensus/IGK.csv"),
        Locus::Igl => include_str!("../data/consensus/IGL.csv"),
        Locus::Tra => include_str!("../data/consensus/TRA.csv"),
        Locus::Trb => include_str!("../data/consensus/TRB.csv"),
        Locus::Trg => include_str!("../data/consensus/TRG.csv"),
        Locus::Trd => include_str!("../data/consensus/TRD.csv"),
    }
}

/// A line of a consensus table: residues of a column and how often they occur.
struct Consensus {
    position: usize,
    residues: Vec<(u8, f32)>,
    /// How often the most frequent entry occurs, which may be a gap.
    commonest: f32,
    occupancy: f32,
    is_cdr: bool,
}

impl Consensus {
    /// `position,consensus_aas,frequencies,occupancy,region`; entries of a field are separated by `|`, gaps are `-`.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let position = fields.next()?.parse().ok()?;
        let letters = fields.next()?.split('|');
        let shares: Vec<f32> = fields
            .next()?
            .split('|')
            .filter_map(|share| share.parse().ok())
            .collect();
        let occupancy = fields.next()?.parse().ok()?;
        let is_cdr = fields.next()?.trim().starts_with("CDR");
        let residues = letters
            .zip(&shares)
            .filter_map(|(letter, share)| match letter.as_bytes() {
                [letter] if letter.is_ascii_uppercase() => Some((*letter, *share)),
                _ => None,
            })
            .collect();
        Some(Self {
            position,
            residues,
            commonest: shares.first().copied().unwrap_or(0.0),
            occupancy,
            is_cdr,
        })
    }

    /// BLOSUM62 averaged over the column's residues.
    fn score(&self, letter: u8) -> f32 {
        let is_amino_acid = b"ACDEFGHIKLMNPQRSTVWY".contains(&letter);
        let (mut sum, mut total) = (0.0f32, 0.0f32);
        for (residue, share) in &self.residues {
            let score = blosum::SCORES[blosum::row(letter)][blosum::row(*residue)];
            sum += share * f32::from(score);
            total += share;
        }
        if is_amino_acid && total > 0.0 {
            sum / total
        } else {
            UNKNOWN
        }
    }

    fn gap(&self) -> f32 {
        let base = if self.is_cdr { -6.0 } else { -12.0 };
        let conserved = match self.commonest {
            _ if self.occupancy < 0.5 => 1.0,
            share if share >= 0.9 => 3.0,
            share if share >= 0.7 => 2.0,
            _ => 1.0,
        };
        base * self.occupancy * conserved
    }

    /// What a residue costs that is inserted behind the column.
    fn insertion(&self, locus: Locus) -> f32 {
        if locus == Locus::Igh && self.position == LOOP {
            return -8.0;
        }
        let is_middle = matches!(self.position, 32 | 33 | 60 | 61 | 111 | 112);
        if is_middle && self.is_cdr {
            -2.0
        } else {
            -50.0
        }
    }
}

impl Profile {
    fn build(locus: Locus) -> Self {
        let mut profile = Self {
            scores: vec![Scores::new([NEVER; CODES]); COLUMNS],
            gap: [0; COLUMNS],
            insertion: [scaled(-50.0); COLUMNS],
            unoccupied: u128::MAX,
            counted: 0,
            last: 0,
            highest: [0; COLUMNS + 1],
        };
        for consensus in table(locus).lines().filter_map(Consensus::read) {
            let column = consensus.position - 1;
            let mut scores = [scaled(UNKNOWN); CODES];
            for letter in b'A'..=b'Z' {
                scores[usize::from(letter - b'A')] = scaled(consensus.score(letter));
            }
            profile.scores[column] = Scores::new(scores);
            profile.gap[column] = scaled(consensus.gap());
            profile.insertion[column] = scaled(consensus.insertion(locus));
            profile.last = profile.last.max(consensus.position as u32);
            if consensus.gap() != 0.0 {
                profile.unoccupied &= !(1 << column);
            }
            if consensus.occupancy > 0.9 {
                profile.counted |= 1 << column;
            }
        }
        for column in 0..COLUMNS {
            let counts = profile.counted >> column & 1 == 1;
            let best = profile.scores[column].whole.iter().max().copied();
            profile.highest[column + 1] =
                profile.highest[column] + i32::from(best.filter(|_| counts).unwrap_or_default());
        }
        profile
    }

    /// What a residue scores in a column.
    pub(crate) fn score(&self, column: usize, code: u8) -> i32 {
        i32::from(self.scores[column].whole[usize::from(code) % CODES])
    }
}

impl Scores {
    fn new(whole: [i16; CODES]) -> Self {
        Self {
            whole,
            low: whole.map(|score| score.to_le_bytes()[0]),
            high: whole.map(|score| score.to_le_bytes()[1]),
        }
    }
}

fn scaled(score: f32) -> i16 {
    (score * SCALE).round() as i16
}

#[cfg(test)]
mod tests {
    use immunum::ScoringMatrix;

    use super::*;
    use crate::locus::tests::immunum_chain;

    #[test]
    fn the_profiles_are_those_of_immunum_rounded() {
        for locus in Locus::ALL {
            let (ours, theirs) = (profile(locus), ScoringMatrix::load(immunum_chain(locus)));
            let mut columns = 0u128;
            for theirs in &theirs.positions {
                let column = usize::from(theirs.position) - 1;
                columns |= 1 << column;
                for (code, score) in theirs.scores.iter().enumerate() {
                    let code = code as u8;
                    assert_eq!(ours.score(column, code), i32::from(scaled(*score)));
                }
                assert_eq!(ours.gap[column], scaled(theirs.gap_penalty));
                let is_loop = locus == Locus::Igh && theirs.position == LOOP as u8;
                assert_eq!(
                    ours.insertion[column] == scaled(theirs.insertion_penalty),
                    !is_loop
                );
                assert_eq!(
                    ours.counted >> column & 1 == 1,
                    theirs.counts_for_confidence
                );
                assert_eq!(
                    ours.unoccupied >> column & 1 == 1,
                    theirs.gap_penalty == 0.0
                );
            }
            assert_eq!(ours.last, 128 - columns.leading_zeros());
            for column in (0..COLUMNS).filter(|column| columns >> column & 1 == 0) {
                assert_eq!(
                    (ours.gap[column], ours.score(column, 0)),
                    (0, i32::from(NEVER))
                );
            }
        }
    }

    #[test]
    fn sums_of_scores_fit_sixteen_bits() {
        for locus in Locus::ALL {
            let profile = profile(locus);
            let extreme = |better: fn(i16, i16) -> i16| -> i32 {
                let columns = profile.scores.iter().map(|scores| {
                    let known = scores.whole.iter().copied().filter(|score| *score != NEVER);
                    i32::from(known.reduce(better).unwrap_or_default())
                });
                columns.sum()
            };
            assert!(extreme(i16::max) < i32::from(i16::MAX) - 1_000, "{locus}");
            assert!(
                extreme(i16::min) > i32::from(i16::MIN) - i32::from(NEVER),
                "{locus}"
            );
        }
    }
}
