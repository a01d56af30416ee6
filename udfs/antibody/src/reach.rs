//! Framework 4 where the alignment has lost it.
//!
//! An inserted residue costs two half bits, so that some fifty of them cost more than framework 4 is worth, and the alignment
//! ends at the second cysteine, 104. That loses the CDR3 of cattle's ultralong heavy chains (Wang et al. 2013, Cell 153:1379).
//! And a short tail is not clipped (up to 50 half bits), so that an alignment may run into a linker, its CDR3 too long.
//! Where an alignment reaches a cysteine at 104 and ends without framework 4's `[FW]GxG` (118–121), that is looked for behind 104;
//! what lies between is CDR3. immunum, whose alignment this is otherwise, leaves such domains as they are.

use crate::path::{Path, below};
use crate::profile::Profile;

/// The longest CDR3 that is looked behind. Cattle's have up to some 70 residues; the framework 4 of a next domain is farther.
const LONGEST: usize = 96;
/// Columns of 104, 118 and those behind it.
const CYSTEINE: u32 = 103;
const FRAMEWORK4: u32 = 117;
/// An alignment that reaches this column has ended where a domain does.
const NEAR_END: u32 = 125;
/// Of the best possible score of framework 4, the share that is enough.
const ENOUGH: f32 = 0.5;

/// The path with framework 4, if it lacks it and one is found.
pub(crate) fn framework4(path: &Path, profile: &Profile, codes: &[u8]) -> Option<Path> {
    if !path.has(CYSTEINE) || path.occupied & !below(NEAR_END) != 0 {
        return None;
    }
    let letter = |column: u32| {
        let code = codes.get(path.row(column) as usize).copied();
        code.filter(|_| path.has(column))
            .map(|code| code.wrapping_add(b'A'))
    };
    if matches!(
        [FRAMEWORK4, FRAMEWORK4 + 1, FRAMEWORK4 + 3].map(letter),
        [Some(b'F' | b'W'), Some(b'G'), Some(b'G')]
    ) {
        return None;
    }
    let cysteine = path.row(CYSTEINE) as usize;
    if codes.get(cysteine) != Some(&(b'C' - b'A')) {
        return None;
    }
    let behind = codes.get(cysteine + 1..)?;
    let tail = profile.counted & !below(FRAMEWORK4);
    let columns = tail.count_ones();
    let best = (0..behind.len().min(LONGEST + 1))
        .filter_map(|length| Some((length, score(profile, behind.get(length..)?, columns)?)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best });
    let (length, _) = best?;
    let mut reached = path.clone();
    reached.occupied &= below(CYSTEINE + 1);
    reached
        .insertions
        .retain(|(columns, _)| u32::from(*columns) <= CYSTEINE);
    reached.occupied |= below(CYSTEINE + 1 + length.min(13) as u32) & !below(CYSTEINE + 1);
    if let Some(extra) = length.checked_sub(13).filter(|extra| *extra > 0) {
        reached.insertions.push((111, extra as u16));
    }
    reached.occupied |= below(FRAMEWORK4 + columns) & !below(FRAMEWORK4);
    reached.end = (cysteine + 1 + length) as u32 + columns;
    rate(&mut reached, profile, codes);
    Some(reached)
}

/// What framework 4 scores at the head of some residues, if it is one.
fn score(profile: &Profile, codes: &[u8], columns: u32) -> Option<i32> {
    let codes = codes.get(..columns as usize)?;
    let letter = |at: usize| codes[at].wrapping_add(b'A');
    let is_motif = b"FW".contains(&letter(0)) && letter(1) == b'G' && letter(3) == b'G';
    let scores = (FRAMEWORK4 as usize..).zip(codes);
    let score: i32 = scores
        .map(|(column, code)| profile.score(column, *code))
        .sum();
    let first = FRAMEWORK4 as usize;
    let best = profile.highest[first + columns as usize] - profile.highest[first];
    (is_motif && score as f32 >= ENOUGH * best as f32).then_some(score)
}

/// Scores a path anew, its CDR3 by the cost of its insertions only.
fn rate(path: &mut Path, profile: &Profile, codes: &[u8]) {
    let first = path.occupied.trailing_zeros();
    let last = u128::BITS - path.occupied.leading_zeros();
    (path.score, path.matched) = (0, 0);
    path.highest = profile.highest[last as usize] - profile.highest[first as usize];
    for column in first..last {
        let cost = if path.has(column) {
            let row = path.row(column) as usize;
            profile.score(column as usize, codes.get(row).copied().unwrap_or_default())
        } else {
            i32::from(profile.gap[column as usize])
        };
        path.score += cost;
        if profile.counted >> column & 1 == 1 {
            path.matched += cost;
        }
    }
    for (columns, count) in &path.insertions {
        let cost = profile.insertion[usize::from((*columns).max(1)) - 1];
        path.score += i32::from(cost) * i32::from(*count);
    }
}
