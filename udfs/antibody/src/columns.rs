//! The fixed list of IMGT columns that makes V domains comparable position by position.

use std::sync::LazyLock;

use crate::position::Position;

/// The number of columns: 111 + 12 + 12 + 17.
pub const ALIGNED_COLUMNS: usize = 152;

/// The columns in the order of the chain: 1–111, 111A–111L, 112L–112A, 112–128.
///
/// IMGT unique numbering (Lefranc et al. 2003) with room for a CDR3 of 37 residues, the insertions 111A–111L and 112L–112A that
/// KA-Search's canonical alignment has (Olsen et al. 2023, Sci Rep 13:11612). Insertions elsewhere (32A, 60A, 73A, …), which few
/// domains have, have no column. The list does not change: stored alignments (`imgt_aligned_aa`) stay comparable.
pub fn aligned_columns() -> &'static [Position] {
    static COLUMNS: LazyLock<Vec<Position>> = LazyLock::new(|| {
        (1..=111)
            .map(Position::new)
            .chain((b'A'..=b'L').map(|code| Position::inserted(111, code)))
            .chain(
                (b'A'..=b'L')
                    .rev()
                    .map(|code| Position::inserted(112, code)),
            )
            .chain((112..=128).map(Position::new))
            .collect()
    });
    &COLUMNS
}

/// The index of a position's column, if it has one.
pub(crate) fn column(position: Position) -> Option<usize> {
    match (position.number, position.insertion) {
        (number @ 1..=111, None) => Some(usize::from(number) - 1),
        (111, Some(code @ b'A'..=b'L')) => Some(111 + usize::from(code - b'A')),
        (112, Some(code @ b'A'..=b'L')) => Some(123 + usize::from(b'L' - code)),
        (number @ 112..=128, None) => Some(135 + usize::from(number) - 112),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_finds_itself() {
        assert_eq!(aligned_columns().len(), ALIGNED_COLUMNS);
        for (index, position) in aligned_columns().iter().enumerate() {
            assert_eq!(column(*position), Some(index), "{position}");
        }
        assert_eq!(column(Position::inserted(32, b'A')), None);
        assert_eq!(column(Position::inserted(111, b'M')), None);
    }
}
