//! IMGT numbering of an alignment: which positions hold residues, and how many are inserted where.
//!
//! Frameworks keep the columns of the alignment. In a CDR only the number of residues counts: IMGT fills it from both ends,
//! and inserts in its middle when it is full (Lefranc et al. 2003, Dev Comp Immunol 27:55).

use std::ops::Range;

use crate::path::{Path, below};
use crate::position::Position;

/// Insertion codes A–Z.
pub(crate) const CODES: u16 = 26;

/// Residues inserted at a position, coded `A`, `B`, … in the order of the chain; in reverse before IMGT's 33, 61 and 112.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insertions {
    /// The IMGT position.
    pub position: u8,
    /// How many; beyond 26 there are no codes.
    pub count: u16,
}

/// A CDR: its IMGT positions, the order in which they are left empty, and where residues are inserted.
struct Cdr {
    first: u8,
    last: u8,
    /// The two middle positions; insertions go behind the first and before the second, the second first.
    middle: (u8, u8),
    /// Which positions 0, 1, 2, … residues take.
    filled: [u128; 14],
}

impl Cdr {
    /// `emptied` lists all positions but the first, in the order in which they are left empty.
    const fn new(first: u8, last: u8, middle: (u8, u8), emptied: &[u8]) -> Self {
        let capacity = (last - first + 1) as usize;
        let mut filled = [0u128; 14];
        let mut positions = below(last as u32) & !below(first as u32 - 1);
        let mut count = capacity;
        filled[count] = positions;
        let mut at = 0;
        while at < emptied.len() {
            positions &= !(1 << (emptied[at] - 1));
            count -= 1;
            filled[count] = positions;
            at += 1;
        }
        Self {
            first,
            last,
            middle,
            filled,
        }
    }

    const fn capacity(&self) -> u32 {
        (self.last - self.first + 1) as u32
    }
}

/// CDR1, CDR2 and CDR3.
static CDRS: [Cdr; 3] = [
    Cdr::new(
        27,
        38,
        (32, 33),
        &[33, 32, 34, 31, 35, 30, 36, 29, 37, 28, 38],
    ),
    Cdr::new(56, 65, (60, 61), &[61, 60, 62, 59, 63, 58, 64, 57, 65]),
    Cdr::new(
        105,
        117,
        (111, 112),
        &[111, 112, 110, 113, 109, 114, 108, 115, 107, 116, 106, 117],
    ),
];

/// IMGT positions of the seven regions, FR1 to FR4, as bits: position 1 is bit 0.
const REGIONS: [Range<u32>; 7] = [0..26, 26..38, 38..55, 55..65, 65..104, 104..117, 117..128];

/// A domain in IMGT numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Numbered {
    /// First residue, 0-based.
    pub start: u32,
    /// Positions that hold a residue, by bit.
    pub occupied: u128,
    /// Residues in each region.
    pub lengths: [u32; 7],
}

/// Numbers an alignment; its insertions go to the end of `insertions`, in the order of positions.
///
/// Residues inserted before the first that has a column belong to no position: the domain begins behind them.
pub(crate) fn number(path: &Path, insertions: &mut Vec<Insertions>) -> Numbered {
    let mut numbered = Numbered {
        start: path.start,
        occupied: path.occupied,
        lengths: [0; 7],
    };
    for (length, region) in numbered.lengths.iter_mut().zip(&REGIONS) {
        let positions = below(region.end) & !below(region.start);
        *length = (path.occupied & positions).count_ones();
    }
    let first = insertions.len();
    for (columns, count) in &path.insertions {
        let before = path.occupied & below(u32::from(*columns));
        if before == 0 {
            numbered.start += u32::from(*count);
            continue;
        }
        // An inserted residue belongs to the last position before it that holds one.
        let position = 128 - before.leading_zeros();
        let region = REGIONS
            .iter()
            .position(|region| position <= region.end)
            .unwrap_or(REGIONS.len() - 1);
        numbered.lengths[region] += u32::from(*count);
        if region % 2 == 1 {
            continue;
        }
        match insertions[first..].last_mut() {
            Some(last) if u32::from(last.position) == position => last.count += count,
            _ => insertions.push(Insertions {
                position: position as u8,
                count: *count,
            }),
        }
    }
    for (cdr, region) in CDRS.iter().zip([1, 3, 5]) {
        let length = numbered.lengths[region];
        let capacity = cdr.capacity();
        let range = &REGIONS[region];
        numbered.occupied &= !(below(range.end) & !below(range.start));
        numbered.occupied |= cdr.filled[length.min(capacity) as usize];
        if let Some(extra) = length.checked_sub(capacity).filter(|extra| *extra > 0) {
            let (left, right) = (extra / 2, extra.div_ceil(2));
            let at = first
                + insertions[first..]
                    .partition_point(|insertions| insertions.position < cdr.middle.0);
            for (position, count) in [(cdr.middle.1, right), (cdr.middle.0, left)] {
                if count > 0 {
                    let count = u16::try_from(count).unwrap_or(u16::MAX);
                    insertions.insert(at, Insertions { position, count });
                }
            }
        }
    }
    numbered
}

/// Whether IMGT has a position for every residue.
pub(crate) fn has_codes(insertions: &[Insertions]) -> bool {
    insertions.iter().all(|inserted| inserted.count <= CODES)
}

/// The positions of a domain's residues in order, each with its count of inserted residues before and behind it.
pub(crate) fn walk<'a>(
    occupied: u128,
    insertions: &'a [Insertions],
) -> impl Iterator<Item = (u8, u16)> + 'a {
    let mut rest = occupied;
    let mut insertions = insertions.iter().peekable();
    std::iter::from_fn(move || {
        let position = rest.trailing_zeros() as u8 + 1;
        (rest != 0).then(|| {
            rest &= rest - 1;
            let inserted = insertions.next_if(|inserted| inserted.position == position);
            (position, inserted.map_or(0, |inserted| inserted.count))
        })
    })
}

/// Appends the positions of a domain's residues; those without a code get none, so check [`has_codes`] before.
pub(crate) fn positions(occupied: u128, insertions: &[Insertions], positions: &mut Vec<Position>) {
    for (position, count) in walk(occupied, insertions) {
        let number = u16::from(position);
        let codes = (0..count.min(CODES)).map(|index| b'A' + index as u8);
        if matches!(position, 33 | 61 | 112) {
            positions.extend(codes.rev().map(|code| Position::inserted(number, code)));
            positions.push(Position::new(number));
        } else {
            positions.push(Position::new(number));
            positions.extend(codes.map(|code| Position::inserted(number, code)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions of a CDR of so many residues, as text.
    fn filled(cdr: usize, length: u16) -> String {
        let cdr = &CDRS[cdr];
        let taken = u16::from(cdr.last - cdr.first + 1).min(length);
        let occupied =
            (below(u32::from(cdr.first) - 1 + u32::from(taken))) & !below(u32::from(cdr.first) - 1);
        let extra = length - taken;
        let path = Path {
            occupied,
            insertions: (extra > 0)
                .then_some((cdr.first, extra))
                .into_iter()
                .collect(),
            ..Path::default()
        };
        let mut insertions = Vec::new();
        let numbered = number(&path, &mut insertions);
        let mut found = Vec::new();
        positions(numbered.occupied, &insertions, &mut found);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        texts.join(" ")
    }

    #[test]
    fn cdrs_are_filled_from_both_ends_as_imgt_publishes() {
        // Lefranc et al. 2003, tables of CDR lengths.
        assert_eq!(filled(0, 5), "27 28 29 37 38");
        assert_eq!(filled(0, 8), "27 28 29 30 35 36 37 38");
        assert_eq!(filled(0, 13), "27 28 29 30 31 32 33A 33 34 35 36 37 38");
        assert_eq!(filled(0, 14), "27 28 29 30 31 32 32A 33A 33 34 35 36 37 38");
        assert_eq!(filled(1, 3), "56 57 65");
        assert_eq!(filled(1, 8), "56 57 58 59 62 63 64 65");
        assert_eq!(filled(1, 11), "56 57 58 59 60 61A 61 62 63 64 65");
        assert_eq!(filled(1, 12), "56 57 58 59 60 60A 61A 61 62 63 64 65");
        assert_eq!(filled(2, 1), "105");
        assert_eq!(filled(2, 2), "105 117");
        assert_eq!(filled(2, 5), "105 106 107 116 117");
        assert_eq!(
            filled(2, 12),
            "105 106 107 108 109 110 112 113 114 115 116 117"
        );
        assert_eq!(
            filled(2, 14),
            "105 106 107 108 109 110 111 112A 112 113 114 115 116 117"
        );
        assert_eq!(
            filled(2, 17),
            "105 106 107 108 109 110 111 111A 111B 112B 112A 112 113 114 115 116 117"
        );
    }
}
