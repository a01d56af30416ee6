//! The recurrence of the alignment, for 32 sequences at once against one profile.
//!
//! Semi-global: residues before and behind the domain cost nothing, nor do columns before its first and behind its last
//! residue. A cell's score is the best of matching a residue to a column, skipping the column, and inserting the residue; of
//! equal ones the first. [`scalar`](crate::scalar) states the same plainly, for one sequence; the tests compare the two.
//!
//! Columns are the outer loop, in tiles of four whose scores stay in registers, and residues the inner one: between tiles
//! only the last column's scores go through memory, 64 bytes a residue. When the alignment is to be traced, each cell leaves
//! three bits a lane.

use crate::lanes::{LANES, Lanes, Row};
use crate::profile::{COLUMNS, Profile, SCALE};

/// Columns whose scores stay in registers.
pub(crate) const TILE: usize = 4;
/// A tail is clipped when the alignment scores better by more than this without it (immunum's 50 half bits).
pub(crate) const CLIP: i32 = 50 * SCALE as i32;

/// What the cells of a residue and a column leave: a bit a lane.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cell {
    /// The column was skipped or the residue inserted, rather than matched.
    pub gapped: u32,
    /// The better gap is an inserted residue, rather than a skipped column.
    pub inserted: u32,
    /// The best cell of its residue so far.
    pub best: u32,
}

/// Where an alignment ends and what it scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Residues up to and with the last.
    pub rows: u16,
    /// The score, in units of [`SCALE`].
    pub score: i16,
}

/// A pass over the cells.
pub(crate) struct Fill<'a> {
    pub profile: &'a Profile,
    /// Residue codes by residue, then lane.
    pub residues: &'a [[u8; LANES]],
    /// How many residues each lane has.
    pub lengths: &'a [u16; LANES],
    /// Receives each residue's best score. As long as `residues`.
    pub best: &'a mut [Row],
    /// Scratch, as long as `residues`.
    pub boundary: &'a mut [Row],
    /// Receives the cells by tile, residue and column; unused where nothing is to be traced.
    pub cells: &'a mut [Cell],
    /// Receives where each lane's alignment ends, its tail clipped.
    pub ends: &'a mut [End; LANES],
}

/// The index of a cell.
#[inline(always)]
pub(crate) fn cell(rows: usize, row: usize, column: usize) -> usize {
    (column / TILE * rows + row) * TILE + column % TILE
}

/// Runs a pass. `TRACED` asks for cells.
#[inline(always)]
pub(crate) fn fill<L: Lanes, const TRACED: bool>(lanes: L, work: Fill<'_>) {
    let rows = work.residues.len();
    let worst = lanes.splat(i16::MIN);
    let zero = lanes.splat(0);
    for (best, boundary) in work.best.iter_mut().zip(work.boundary.iter_mut()) {
        lanes.store(best, worst);
        lanes.store(boundary, zero);
    }
    for tile in 0..COLUMNS / TILE {
        let cells = if TRACED {
            work.cells
                .get_mut(tile * rows * TILE..(tile + 1) * rows * TILE)
        } else {
            None
        };
        let cells = cells.unwrap_or_default();
        fill_tile::<L, TRACED>(
            lanes,
            work.profile,
            tile,
            work.residues,
            work.best,
            work.boundary,
            cells,
        );
    }
    let slots = ends(work.best, work.lengths, &L::SLOTS);
    for (end, slot) in work.ends.iter_mut().zip(L::SLOTS) {
        *end = slots[usize::from(slot)];
    }
}

#[inline(always)]
fn fill_tile<L: Lanes, const TRACED: bool>(
    lanes: L,
    profile: &Profile,
    tile: usize,
    residues: &[[u8; LANES]],
    best: &mut [Row],
    boundary: &mut [Row],
    cells: &mut [Cell],
) {
    let zero = lanes.splat(0);
    let mut gap = [zero; TILE];
    let mut insertion = [zero; TILE];
    let mut table = [lanes.table(&profile.scores[tile * TILE]); TILE];
    for column in 0..TILE {
        gap[column] = lanes.splat(profile.gap[tile * TILE + column]);
        insertion[column] = lanes.splat(profile.insertion[tile * TILE + column]);
        table[column] = lanes.table(&profile.scores[tile * TILE + column]);
    }
    let mut above = [zero; TILE];
    let mut corner = zero;
    let mut cells = cells.chunks_exact_mut(TILE);
    for ((codes, best), boundary) in residues.iter().zip(best).zip(boundary) {
        let codes = lanes.residues(codes);
        let mut left = lanes.load(boundary);
        let mut diagonal = corner;
        corner = left;
        let mut highest = lanes.load(best);
        let mut written = [Cell::default(); TILE];
        for column in 0..TILE {
            let matched = lanes.add(diagonal, lanes.lookup(table[column], codes));
            let inserted = lanes.add(above[column], insertion[column]);
            let skipped = lanes.add(left, gap[column]);
            let score = lanes.max(lanes.max(matched, inserted), skipped);
            if TRACED {
                written[column] = Cell {
                    gapped: lanes.greater(score, matched),
                    inserted: lanes.greater(inserted, skipped),
                    best: lanes.greater(score, highest),
                };
            }
            highest = lanes.max(highest, score);
            diagonal = above[column];
            above[column] = score;
            left = score;
        }
        lanes.store(boundary, left);
        lanes.store(best, highest);
        if TRACED && let Some(cells) = cells.next() {
            cells.copy_from_slice(&written);
        }
    }
}

/// Where each slot's alignment ends: behind its last residue, unless it scores better by more than [`CLIP`] without its tail;
/// then at the best residue, the first of equal ones.
#[inline(always)]
fn ends(best: &[Row], lengths: &[u16; LANES], slots: &[u8; LANES]) -> [End; LANES] {
    let mut length = [0i16; LANES];
    for (lane, slot) in slots.iter().enumerate() {
        length[usize::from(*slot)] = lengths[lane] as i16;
    }
    let mut whole = [i16::MIN; LANES];
    let mut top = [i16::MIN; LANES];
    let mut at = [0i16; LANES];
    for (row, scores) in (1i16..).zip(best) {
        for slot in 0..LANES {
            let score = scores.0[slot];
            whole[slot] = if row == length[slot] {
                score
            } else {
                whole[slot]
            };
            let is_better = (row < length[slot]) & (score > top[slot]);
            top[slot] = if is_better { score } else { top[slot] };
            at[slot] = if is_better { row } else { at[slot] };
        }
    }
    let mut ends = [End {
        rows: 0,
        score: i16::MIN,
    }; LANES];
    for slot in 0..LANES {
        let is_clipped = i32::from(top[slot]) > i32::from(whole[slot]) + CLIP;
        ends[slot] = if is_clipped {
            End {
                rows: at[slot] as u16,
                score: top[slot],
            }
        } else {
            End {
                rows: length[slot] as u16,
                score: whole[slot],
            }
        };
    }
    ends
}
