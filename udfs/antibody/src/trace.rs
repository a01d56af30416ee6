//! From cells to paths, all lanes of a pass together.
//!
//! The lanes are walked back column by column. Those that stand at the same residue are one mask, which the bits of the cell
//! split into lanes that match, skip or insert; since neighbours in a sorted batch have alike lengths, there are few masks.

use crate::fill::{Cell, End, cell};
use crate::lanes::LANES;
use crate::path::Path;
use crate::profile::{COLUMNS, Profile};

/// A pass whose cells are known.
pub(crate) struct Traced<'a> {
    pub profile: &'a Profile,
    pub residues: &'a [[u8; LANES]],
    pub cells: &'a [Cell],
}

/// Lanes that stand at the same residue, in descending order of residues (counted from 1).
#[derive(Default)]
struct Groups {
    groups: Vec<(u32, u32)>,
}

impl Groups {
    /// Adds lanes behind all that are there, which stand at the same or later residues.
    fn push(&mut self, row: u32, lanes: u32) {
        match self.groups.last_mut() {
            _ if lanes == 0 => {}
            Some((last, mask)) if *last == row => *mask |= lanes,
            _ => self.groups.push((row, lanes)),
        }
    }

    /// Adds a lane anywhere.
    fn join(&mut self, row: u32, lane: usize) {
        let at = self.groups.partition_point(|(other, _)| *other > row);
        match self.groups.get_mut(at) {
            Some((other, mask)) if *other == row => *mask |= 1 << lane,
            _ => self.groups.insert(at, (row, 1 << lane)),
        }
    }
}

/// Reusable memory of the walk.
#[derive(Default)]
pub(crate) struct Walk {
    now: Groups,
    next: Groups,
}

impl Traced<'_> {
    fn cell(&self, row: u32, columns: u32) -> Cell {
        let (row, column) = (row as usize - 1, columns as usize - 1);
        self.cells[cell(self.residues.len(), row, column)]
    }

    /// Columns up to the best cell of a residue.
    fn best_columns(&self, row: u32, lane: usize) -> u32 {
        (1..=COLUMNS as u32)
            .rev()
            .find(|columns| self.cell(row, *columns).best >> lane & 1 == 1)
            .unwrap_or(0)
    }

    /// Drops residues inserted behind the last column or matched to an unoccupied one: they belong to the tail.
    fn trim(&self, lane: usize, path: &mut Path, mut columns: u32) -> u32 {
        let profile = self.profile;
        while path.end > 0 && columns > 0 {
            let cell = self.cell(path.end, columns);
            let unoccupied = profile.unoccupied >> (columns - 1) & 1 == 1;
            let column = columns as usize - 1;
            match (cell.gapped >> lane & 1, cell.inserted >> lane & 1) {
                (0, _) if unoccupied => {
                    path.end -= 1;
                    columns -= 1;
                    path.score -= profile.score(column, self.residues[path.end as usize][lane]);
                }
                (1, 0) if unoccupied => columns -= 1,
                (1, 1) if columns >= profile.last => {
                    path.end -= 1;
                    path.score -= i32::from(profile.insertion[column]);
                }
                _ => break,
            }
        }
        columns
    }

    /// The paths of the lanes that end somewhere; others are left empty.
    pub(crate) fn paths(&self, ends: &[End; LANES], walk: &mut Walk, paths: &mut [Path; LANES]) {
        let mut last = [0u32; LANES];
        let mut first = [0u32; LANES];
        let mut joining = [0u32; COLUMNS + 1];
        for (lane, end) in ends.iter().enumerate() {
            let path = &mut paths[lane];
            path.clear();
            if end.rows == 0 {
                continue;
            }
            path.end = u32::from(end.rows);
            path.score = i32::from(end.score);
            let columns = self.best_columns(path.end, lane);
            last[lane] = self.trim(lane, path, columns);
            joining[last[lane] as usize] |= 1 << lane;
        }
        let mut occupied = [0u32; COLUMNS];
        walk.now.groups.clear();
        for columns in (1..=COLUMNS as u32).rev() {
            for lane in bits(joining[columns as usize]) {
                walk.now.join(paths[lane].end, lane);
            }
            walk.next.groups.clear();
            occupied[columns as usize - 1] = self.step(columns, walk, paths, &mut first);
            std::mem::swap(&mut walk.now, &mut walk.next);
        }
        for (row, lanes) in &walk.now.groups {
            for lane in bits(*lanes) {
                paths[lane].start = *row;
            }
        }
        for (lane, occupied) in transposed(&occupied).into_iter().enumerate() {
            let path = &mut paths[lane];
            if path.end > 0 {
                path.occupied = occupied;
                path.insertions.reverse();
                path.rate(self.profile, first[lane], last[lane], |row| {
                    self.residues[row as usize][lane]
                });
            }
        }
    }

    /// Takes all lanes that stand at a column to the one before it; returns those that match it.
    fn step(
        &self,
        columns: u32,
        walk: &mut Walk,
        paths: &mut [Path; LANES],
        first: &mut [u32; LANES],
    ) -> u32 {
        let mut occupied = 0;
        // Lanes that have inserted the residue behind `carried.0` and stand there still at this column.
        let mut carried = (0, 0);
        let mut at = 0;
        loop {
            let group = match walk.now.groups.get(at) {
                Some((row, lanes)) if carried.1 == 0 || *row == carried.0 => {
                    at += 1;
                    (*row, lanes | carried.1)
                }
                None if carried.1 == 0 => break,
                _ => carried,
            };
            let (row, lanes) = group;
            carried = (0, 0);
            if row == 0 {
                for lane in bits(lanes) {
                    first[lane] = columns;
                }
                continue;
            }
            let cell = self.cell(row, columns);
            let matching = lanes & !cell.gapped;
            let inserting = lanes & cell.gapped & cell.inserted;
            occupied |= matching;
            walk.next.push(row, lanes & cell.gapped & !cell.inserted);
            walk.next.push(row - 1, matching);
            for lane in bits(inserting) {
                match paths[lane].insertions.last_mut() {
                    Some((column, count)) if u32::from(*column) == columns => *count += 1,
                    _ => paths[lane].insertions.push((columns as u8, 1)),
                }
            }
            carried = (row - 1, inserting);
        }
        occupied
    }
}

/// The lanes of a mask.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        (mask != 0).then(|| {
            mask &= mask - 1;
            lane as usize
        })
    })
}

/// Lanes by column to columns by lane.
fn transposed(columns: &[u32; COLUMNS]) -> [u128; LANES] {
    let mut lanes = [0u128; LANES];
    for (part, columns) in columns.chunks_exact(LANES).enumerate() {
        let mut block = [0u32; LANES];
        block.copy_from_slice(columns);
        // Swaps the off-diagonal halves of ever smaller squares (Warren, Hacker's Delight, 7-3).
        let (mut width, mut mask) = (16, 0x0000_ffffu32);
        while width != 0 {
            for row in (0..LANES).filter(|row| row & width == 0) {
                let swapped = (block[row] >> width ^ block[row + width]) & mask;
                block[row + width] ^= swapped;
                block[row] ^= swapped << width;
            }
            width >>= 1;
            mask ^= mask << width;
        }
        for (lane, bits) in lanes.iter_mut().zip(block) {
            *lane |= u128::from(bits) << (LANES * part);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_change_places_across_the_diagonal() {
        let columns: [u32; COLUMNS] =
            std::array::from_fn(|column| (column as u32).wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995);
        for (lane, bits) in transposed(&columns).into_iter().enumerate() {
            for (column, word) in columns.iter().enumerate() {
                assert_eq!(bits >> column & 1, u128::from(word >> lane & 1));
            }
        }
    }
}
