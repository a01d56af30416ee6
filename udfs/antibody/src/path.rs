//! The course of an alignment through columns and residues, and how sure it is.

use crate::profile::{COLUMNS, Profile};

/// The best alignment of a stretch of residues to a locus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path {
    /// First aligned residue, 0-based.
    pub start: u32,
    /// One past the last aligned residue.
    pub end: u32,
    /// Columns that hold a residue, by bit.
    pub occupied: u128,
    /// Residues inserted behind columns, as (columns before, residues), ascending. Those behind column 0 have no column
    /// before them that holds a residue.
    pub insertions: Vec<(u8, u16)>,
    /// The score, in units of [`SCALE`](crate::profile::SCALE).
    pub score: i32,
    /// What the counted columns score.
    pub matched: i32,
    /// The best that they could score.
    pub highest: i32,
}

impl Path {
    /// Share of the best possible score over the counted columns, 0–1.
    pub(crate) fn confidence(&self) -> f32 {
        if self.highest > 0 {
            (self.matched as f32 / self.highest as f32).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Empties the path, its memory kept.
    pub(crate) fn clear(&mut self) {
        let mut insertions = std::mem::take(&mut self.insertions);
        insertions.clear();
        *self = Self {
            insertions,
            ..Self::default()
        };
    }

    /// The row of the residue that a column holds, or would hold.
    pub(crate) fn row(&self, column: u32) -> u32 {
        let inserted = self.insertions.iter();
        let inserted = inserted.filter(|(columns, _)| u32::from(*columns) <= column);
        let inserted: u32 = inserted.map(|(_, count)| u32::from(*count)).sum();
        self.start + inserted + (self.occupied & below(column)).count_ones()
    }

    /// Whether a column holds a residue.
    pub(crate) const fn has(&self, column: u32) -> bool {
        self.occupied >> column & 1 == 1
    }

    /// Fills in `matched` and `highest` of a path between columns `from` and `to`: the score less that of the columns which do
    /// not count and of the insertions.
    pub(crate) fn rate(&mut self, profile: &Profile, from: u32, to: u32, code: impl Fn(u32) -> u8) {
        let mut matched = self.score;
        for (column, count) in &self.insertions {
            let cost = profile.insertion[usize::from(*column).clamp(1, COLUMNS) - 1];
            matched -= i32::from(cost) * i32::from(*count);
        }
        let mut rest = below(to) & !below(from) & !profile.counted;
        let mut insertions = self.insertions.iter().peekable();
        let mut inserted = 0;
        while rest != 0 {
            let column = rest.trailing_zeros();
            rest &= rest - 1;
            while let Some((_, count)) =
                insertions.next_if(|(before, _)| u32::from(*before) <= column)
            {
                inserted += u32::from(*count);
            }
            matched -= if self.occupied >> column & 1 == 1 {
                let row = self.start + inserted + (self.occupied & below(column)).count_ones();
                profile.score(column as usize, code(row))
            } else {
                i32::from(profile.gap[column as usize])
            };
        }
        self.matched = matched;
        self.highest = profile.highest[to as usize] - profile.highest[from as usize];
    }
}

/// The columns before `column`.
pub(crate) const fn below(column: u32) -> u128 {
    match 1u128.checked_shl(column) {
        Some(bit) => bit - 1,
        None => u128::MAX,
    }
}
