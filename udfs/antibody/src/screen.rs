//! A guess at a stretch's locus from its words of three residues, far cheaper than an alignment.
//!
//! A word counts for a locus by how well it fits the best three neighbouring columns of the profile. The guess only saves
//! work: it is taken where one locus leads clearly and the alignment to it is then good; otherwise all loci are aligned.

use std::sync::LazyLock;

use crate::locus::Locus;
use crate::profile::{COLUMNS, SCALE, profile};

/// With this confidence in the locus that the screen has chosen, the others are not tried.
pub(crate) const SURE: f32 = 0.65;
/// The share of the leader's points by which it must lead, in percent.
const LEAD: u32 = 10;
/// Points below this, in half bits, are what any word has somewhere.
const NOISE: f32 = 7.0;

/// Bits of a residue code.
const BITS: usize = 5;
const WORDS: usize = 1 << (3 * BITS);

/// Points of each word for each locus, in the order of [`Locus::ALL`].
static POINTS: LazyLock<Vec<[u8; 8]>> = LazyLock::new(|| {
    let mut points = vec![[0; 8]; WORDS];
    for locus in Locus::ALL {
        let profile = profile(locus);
        for (word, points) in points.iter_mut().enumerate() {
            let letters = [word >> (2 * BITS), word >> BITS & 31, word & 31];
            if letters.iter().any(|letter| *letter >= 26) {
                continue;
            }
            let fit = |column: usize| -> i32 {
                let pairs = letters.iter().zip(column..);
                pairs
                    .map(|(letter, column)| profile.score(column, *letter as u8))
                    .sum()
            };
            let best = (0..COLUMNS - 2).map(fit).max().unwrap_or(0);
            let best = best as f32 / SCALE - NOISE;
            points[locus as usize] = (best * 8.0).clamp(0.0, 255.0) as u8;
        }
    }
    points
});

/// The locus among `loci` that leads clearly, if one does.
pub(crate) fn locus(codes: &[u8], loci: &[Locus]) -> Option<Locus> {
    let points = points(codes);
    let mut leader: Option<(Locus, u32)> = None;
    let mut second = 0;
    for locus in loci {
        let points = u32::from(points[*locus as usize]);
        match leader {
            Some((_, most)) if points <= most => second = second.max(points),
            _ => {
                second = leader.map_or(0, |(_, most)| most);
                leader = Some((*locus, points));
            }
        }
    }
    let (locus, most) = leader?;
    (most * (100 - LEAD) > second * 100).then_some(locus)
}

/// The sum of all words' points.
fn points(codes: &[u8]) -> [u16; 8] {
    let table: &[[u8; 8]] = &POINTS;
    let Ok(table) = <&[[u8; 8]; WORDS]>::try_from(table) else {
        return [0; 8];
    };
    let mut sums = [0u16; 8];
    let mut word = WORDS - 1;
    for code in codes {
        word = (word << BITS | usize::from(*code)) & (WORDS - 1);
        for (sum, points) in sums.iter_mut().zip(table[word]) {
            *sum = sum.saturating_add(u16::from(points));
        }
    }
    sums
}
