//! Which residues of the declared sequence were observed.
//!
//! Observed residues keep their order and each stands for one declared residue; what is left over was not observed. That
//! is a global alignment with gaps on one side only. Names decide; where they leave a choice (which `GLY` of `GLY GLY GLY`
//! is missing) gaps go where the author's numbers leave room for them, else where neighbouring Cα lie further apart than a
//! peptide bond allows.

use super::component::Component;

/// Cost of a residue whose name is not the declared one.
const MISMATCH: u32 = 10;
/// Cost of a gap where the chain is not broken.
const GAP: u32 = 6;
/// Cost of going on without a gap where the chain is broken or the numbers jump.
const UNBROKEN: u32 = 2;
/// Cost of a gap of another length than the numbers say.
const UNNUMBERED: u32 = 1;
/// Cells of the alignment, four bytes each; beyond that the first fit is taken.
const MOST_CELLS: usize = 16 << 20;
/// Share of mismatches, in percent, above which the declared sequence is that of something else.
const MOST_MISMATCHES: usize = 10;

/// An observed residue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Its name.
    pub(super) component: Component,
    /// Whether the chain is broken between it and the one before.
    pub(super) is_broken: bool,
    /// How many residues are missing before it by the author's numbers, where these say so.
    pub(super) missing: Option<usize>,
}

/// For each observed residue the index of the declared one, increasing; `None` where the two do not belong together.
pub(super) fn align(seen: &[Seen], declared: &[Component]) -> Option<Vec<usize>> {
    let slack = declared.len().checked_sub(seen.len())?;
    let indices = match seen.len().checked_mul(slack + 1) {
        Some(cells) if cells <= MOST_CELLS => best(seen, declared, slack),
        _ => first_fit(seen, declared)?,
    };
    let mismatches = seen
        .iter()
        .zip(&indices)
        .filter(|(seen, index)| declared[**index] != seen.component)
        .count();
    (mismatches * 100 <= seen.len() * MOST_MISMATCHES).then_some(indices)
}

/// The cheapest alignment. Residue `i` can only stand at `i..=i + slack`, so that a row has `slack + 1` cells: how many
/// declared residues were skipped up to it.
fn best(seen: &[Seen], declared: &[Component], slack: usize) -> Vec<usize> {
    let width = slack + 1;
    // The cost of the best way by which so many were skipped; gaps at the beginning are free.
    let mut costs = vec![0u32; width];
    let mut next = vec![0u32; width];
    // For the way back, row by row: how many were skipped up to the residue before.
    let mut sources = vec![0u32; seen.len() * width];
    for (i, residue) in seen.iter().enumerate() {
        let is_jump = residue.missing.is_some_and(|missing| missing > 0);
        let (stay, gap) = match (i, residue.is_broken) {
            (0, _) => (0, 0),
            (_, true) => (UNBROKEN, UNNUMBERED),
            (_, false) => (if is_jump { UNBROKEN } else { 0 }, GAP),
        };
        // The cheapest with fewer skipped, and how many that were.
        let mut least: Option<(u32, usize)> = None;
        for skipped in 0..width {
            let staying = costs[skipped].saturating_add(stay);
            let (mut cost, mut from) = (staying, skipped);
            if let Some((before, at)) = least
                && before.saturating_add(gap) < staying
            {
                (cost, from) = (before.saturating_add(gap), at);
            }
            // A gap of just the length that the numbers say costs nothing.
            if let Some(at) = residue
                .missing
                .and_then(|missing| skipped.checked_sub(missing))
                && is_jump
                && costs[at] < cost
            {
                (cost, from) = (costs[at], at);
            }
            if least.is_none_or(|(before, _)| costs[skipped] < before) {
                least = Some((costs[skipped], skipped));
            }
            let differs = declared[i + skipped] != residue.component;
            next[skipped] = cost.saturating_add(if differs { MISMATCH } else { 0 });
            sources[i * width + skipped] = from as u32;
        }
        std::mem::swap(&mut costs, &mut next);
    }
    // What is skipped at the end is free too.
    let mut skipped = (0..width)
        .min_by_key(|skipped| costs[*skipped])
        .unwrap_or(0);
    let mut indices = vec![0; seen.len()];
    for i in (0..seen.len()).rev() {
        indices[i] = i + skipped;
        skipped = sources[i * width + skipped] as usize;
    }
    indices
}

/// Each residue at the next declared one of its name.
fn first_fit(seen: &[Seen], declared: &[Component]) -> Option<Vec<usize>> {
    let mut next = 0;
    seen.iter()
        .map(|residue| {
            let found = declared[next..]
                .iter()
                .position(|name| *name == residue.component)?;
            next += found + 1;
            Some(next - 1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn names(letters: &str) -> Vec<Component> {
        letters
            .chars()
            .map(|letter| Component::new(&letter.to_string()).unwrap())
            .collect()
    }

    /// `|` marks a break.
    fn seen(letters: &str) -> Vec<Seen> {
        let mut is_broken = false;
        let mut all = Vec::new();
        for letter in letters.chars() {
            if letter == '|' {
                is_broken = true;
                continue;
            }
            all.push(Seen {
                component: names(&letter.to_string())[0],
                is_broken,
                missing: None,
            });
            is_broken = false;
        }
        all
    }

    fn aligned(observed: &str, declared: &str) -> Option<Vec<usize>> {
        align(&seen(observed), &names(declared))
    }

    #[test]
    fn what_is_left_over_was_not_observed() {
        assert_eq!(aligned("ABCDEF", "ABCDEF").unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(aligned("CDE", "ABCDEF").unwrap(), [2, 3, 4]);
        assert_eq!(aligned("AB|EF", "ABCDEF").unwrap(), [0, 1, 4, 5]);
        assert_eq!(aligned("ABEF", "ABCDEF").unwrap(), [0, 1, 4, 5]);
        assert_eq!(aligned("", "ABC").unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn breaks_decide_where_names_leave_a_choice() {
        assert_eq!(aligned("AGG|GB", "AGGGGGB").unwrap(), [0, 1, 2, 5, 6]);
        assert_eq!(aligned("AG|GGB", "AGGGGGB").unwrap(), [0, 1, 4, 5, 6]);
        assert_eq!(
            aligned("HH|HHTHH", "HHHHHTHH").unwrap(),
            [0, 1, 3, 4, 5, 6, 7]
        );
        assert_eq!(aligned("GGG", "GGGGG").unwrap(), [0, 1, 2]);
    }

    #[test]
    fn numbers_decide_where_breaks_leave_a_choice() {
        let mut observed = seen("AG|G|GB");
        assert_eq!(
            align(&observed, &names("AGGGGGGB")).unwrap(),
            [0, 1, 3, 6, 7]
        );
        observed[2].missing = Some(2);
        observed[3].missing = Some(1);
        assert_eq!(
            align(&observed, &names("AGGGGGGB")).unwrap(),
            [0, 1, 4, 6, 7]
        );
    }

    #[test]
    fn a_residue_that_differs_keeps_its_place_and_a_foreign_sequence_is_refused() {
        let declared = "ABCDEFABCDEFABCDEF";
        let mut expected: Vec<usize> = (0..17).collect();
        assert_eq!(aligned("ABXDEFABCDEFABCDE", declared).unwrap(), expected);
        expected = (1..18).collect();
        assert_eq!(aligned("BCDXFABCDEFABCDEF", declared).unwrap(), expected);
        assert_eq!(aligned("KLMNOP", declared), None);
        assert_eq!(
            aligned("ABCDEFG", "ABCDEF"),
            None,
            "more observed than declared"
        );
    }

    #[test]
    fn beyond_the_limit_the_first_fit_is_taken() {
        let declared = names(&"AB".repeat(8_000));
        let observed: Vec<Seen> = seen(&"A".repeat(8_000));
        let indices = align(&observed, &declared).unwrap();
        assert!(indices.iter().enumerate().all(|(i, index)| *index == 2 * i));
    }
}
