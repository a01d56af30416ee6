//! How alike two polypeptides are, by global alignment.

use crate::blosum::{SCORES, row};
use crate::hash::canonical;

/// Opening a gap costs this, its first residue included, in half units of BLOSUM62 scores.
const OPEN: i64 = 20;
/// Each further residue of a gap costs this, in half units.
const EXTEND: i64 = 1;

/// The share of identical residues of two polypeptides, 0–1.
///
/// Global alignment (Needleman & Wunsch 1970, J Mol Biol 48:443; affine gaps after Gotoh 1982, J Mol Biol 162:705) with
/// BLOSUM62, gap opening 10 and extension 0.5, gaps at the ends free: EMBOSS `needle`'s defaults. The denominator is the
/// length of the alignment, gaps at the ends included, so that a fragment of a protein is not identical to it. Of equally good
/// alignments the one with most identities, then the shortest, counts, which makes the measure symmetric. `X` equals nothing.
/// White space, gaps and one final `*` are ignored. `None` where a sequence is empty, longer than 10,000 residues or holds
/// bytes that are no letters or `*`.
pub fn identity(a: &[u8], b: &[u8]) -> Option<f64> {
    let (a, b) = (residues(a)?, residues(b)?);
    if a == b {
        let known = a.iter().filter(|residue| **residue != b'X').count();
        return Some(known as f64 / a.len() as f64);
    }
    let best = align(&a, &b);
    Some(best.identical() as f64 / best.columns() as f64)
}

fn residues(seq: &[u8]) -> Option<Vec<u8>> {
    let residues = canonical(seq);
    let is_fit = (1..=MAX_RESIDUES).contains(&residues.len())
        && residues
            .iter()
            .all(|residue| residue.is_ascii_uppercase() || *residue == b'*');
    is_fit.then(|| residues.into_owned())
}

/// Score, identities and columns of an alignment in one number, in this order of weight, so that adding and comparing
/// alignments is adding and comparing numbers. Columns count downwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Merit(i64);

/// The longest polypeptides that are compared: the alignment takes time by the square of the length.
const MAX_RESIDUES: usize = 10_000;
/// Room for identities and for columns: twice [`MAX_RESIDUES`] and more.
const ROOM: u32 = 16;
const WORST: Merit = Merit(i64::MIN / 2);

impl Merit {
    const fn new(score: i64, identical: i64, columns: i64) -> Self {
        Self((score << (2 * ROOM)) + (identical << ROOM) - columns)
    }

    const fn plus(self, other: Merit) -> Self {
        Self(self.0 + other.0)
    }

    const fn columns(self) -> i64 {
        -self.0 & ((1 << ROOM) - 1)
    }

    const fn identical(self) -> i64 {
        ((self.0 + self.columns()) >> ROOM) & ((1 << ROOM) - 1)
    }
}

/// The best alignment.
fn align(a: &[u8], b: &[u8]) -> Merit {
    const PENALTY: [Merit; 2] = [Merit::new(-OPEN, 0, 1), Merit::new(-EXTEND, 0, 1)];
    const FREE: [Merit; 2] = [Merit::new(0, 0, 1); 2];
    let columns: Vec<(u8, usize)> = b.iter().map(|residue| (*residue, row(*residue))).collect();
    // What ends with a pair, with a residue of `a` alone, with a residue of `b` alone; one cell a residue of `b` and one
    // before them.
    let unpaired = |count: usize| Merit::new(0, 0, count as i64);
    let mut pair = vec![WORST; b.len() + 1];
    let mut above = vec![WORST; b.len() + 1];
    let mut left: Vec<Merit> = (0..=b.len()).map(unpaired).collect();
    pair[0] = unpaired(0);
    left[0] = WORST;
    for (i, residue) in a.iter().enumerate() {
        let scores = &SCORES[row(*residue)];
        let best = |pair: Merit, above: Merit, left: Merit| pair.max(above).max(left);
        let mut diagonal = best(pair[0], above[0], left[0]);
        pair[0] = WORST;
        above[0] = unpaired(i + 1);
        left[0] = WORST;
        let is_last = i + 1 == a.len();
        let [open_left, extend_left] = if is_last { FREE } else { PENALTY };
        for (j, (other, column)) in columns.iter().enumerate() {
            let j = j + 1;
            let [open_above, extend_above] = if j == b.len() { FREE } else { PENALTY };
            let identical = residue == other && *residue != b'X';
            let matched = Merit::new(2 * i64::from(scores[*column]), i64::from(identical), 1);
            let next_diagonal = best(pair[j], above[j], left[j]);
            let next_above = pair[j]
                .max(left[j])
                .plus(open_above)
                .max(above[j].plus(extend_above));
            pair[j] = diagonal.plus(matched);
            above[j] = next_above;
            left[j] = pair[j - 1]
                .max(above[j - 1])
                .plus(open_left)
                .max(left[j - 1].plus(extend_left));
            diagonal = next_diagonal;
        }
    }
    let end = b.len();
    pair[end].max(above[end]).max(left[end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_counted_over_the_whole_alignment() {
        for (a, b, expected) in [
            ("HEAGAWGHEE", "HEAGAWGHEE", 1.0),
            ("heagawghee", "HEA-GAWGHEE*", 1.0),
            // A substitution, and a fragment.
            ("HEAGAWGHEE", "HEAGAWGHEK", 0.9),
            ("HEAGAWGHEE", "HEAGA", 0.5),
            ("MKVLAAGIWWWWEDKLKKD", "MKVLAAGIEDKLKKD", 15.0 / 19.0),
            ("G", "G", 1.0),
        ] {
            let (forward, backward) = (
                identity(a.as_bytes(), b.as_bytes()),
                identity(b.as_bytes(), a.as_bytes()),
            );
            assert_eq!(forward, Some(expected), "{a} {b}");
            assert_eq!(backward, forward, "{b} {a}");
        }
    }

    #[test]
    fn x_equals_nothing() {
        assert_eq!(identity(b"GXG", b"GXG"), Some(2.0 / 3.0));
        assert_eq!(identity(b"WWXWW", b"WWXWWK"), Some(4.0 / 6.0));
        assert_eq!(identity(b"X", b"X"), Some(0.0));
    }

    #[test]
    fn what_cannot_be_aligned_has_no_identity() {
        let long = vec![b'G'; MAX_RESIDUES + 1];
        for seq in [b"".as_slice(), b"-", b"EV1", b"\xff", &long] {
            assert_eq!(identity(seq, b"EVQ"), None);
            assert_eq!(identity(b"EVQ", seq), None);
        }
    }

    #[test]
    fn the_longest_sequences_do_not_overflow() {
        let (a, b) = (vec![b'W'; 10_000], vec![b'G'; 3_000]);
        assert_eq!(identity(&a, &b), Some(0.0));
        let c = [vec![b'W'; 3_000], vec![b'G'; 1]].concat();
        assert_eq!(identity(&a, &c), Some(3_000.0 / 10_001.0));
    }
}
