//! How the files of a scan are shared out among threads, and where files are cut.
//!
//! Threads take the next piece when they are done with one. DataFusion by itself makes one piece of bytes for each thread;
//! but a query that reads one short column costs by the row, and rows are not equally wide: with heavy chains twice
//! as wide as light ones, one of two threads had 1.2 of 2 million rows. Many small pieces even that out.

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;

use super::files::Rows;
use crate::tables::layout::ROW_GROUP_ROWS;

/// Pieces for each thread; the last ones finish at different moments, by at most the time of one.
const PIECES_PER_THREAD: u64 = 8;
/// Smaller pieces are not worth being opened.
const LEAST_BYTES: u64 = 1 << 20;
/// Where it is not known how many rows a file has, smaller pieces hold less than a row group, of which nothing can be shared.
const LEAST_BYTES_BLINDLY: u64 = 16 << 20;

/// Groups, one for each of `threads` (fewer where there is little to read), of files cut into pieces.
pub fn groups(files: Vec<PartitionedFile>, threads: usize) -> Vec<FileGroup> {
    let bytes: u64 = files.iter().map(|file| file.object_meta.size).sum();
    let pieces = PIECES_PER_THREAD * threads.max(1) as u64;
    let most = bytes.div_ceil(pieces);
    let pieces = files.into_iter().flat_map(|file| {
        let least = match rows(&file) {
            Some(_) => LEAST_BYTES,
            None => LEAST_BYTES_BLINDLY,
        };
        let cut = cut(&file, most.max(least));
        let whole = cut.len() == 1;
        cut.into_iter().map(move |piece| PartitionedFile {
            range: (!whole).then_some(piece.range).or(file.range.clone()),
            ..file.clone()
        })
    });
    FileGroup::new(pieces.collect()).split_files(threads)
}

/// Rows of a file, where its table knows.
pub fn rows(file: &PartitionedFile) -> Option<usize> {
    file.extension().map(|Rows(rows)| *rows)
}

/// A piece of a file.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where it lies.
    pub range: FileRange,
    /// Its share of the rows, as far as is known.
    pub share: f64,
}

/// A file in pieces of about `most` bytes.
///
/// A row group is read with the piece in which it begins. So pieces have the middles of row groups for their borders, as far as
/// those can be told from the number of rows: then each holds the row groups that it is meant to.
pub fn cut(file: &PartitionedFile, most: u64) -> Vec<Piece> {
    let end = i64::try_from(file.object_meta.size).unwrap_or(i64::MAX);
    let whole = file.range.clone().unwrap_or(FileRange { start: 0, end });
    let bytes = whole.end - whole.start;
    let count = u64::try_from(bytes)
        .unwrap_or(0)
        .div_ceil(most.max(1))
        .max(1);
    let known = rows(file).filter(|rows| *rows > 0 && file.range.is_none());
    let Some(rows) = known else {
        let border = |number: u64| {
            let before = i128::from(bytes) * i128::from(number) / i128::from(count);
            whole.start + i64::try_from(before).unwrap_or(bytes)
        };
        let piece = |number: u64| Piece {
            range: FileRange {
                start: border(number),
                end: border(number + 1),
            },
            share: 1.0 / count as f64,
        };
        return (0..count).map(piece).collect();
    };
    let row_groups = rows.div_ceil(ROW_GROUP_ROWS) as u64;
    let count = count.min(row_groups);
    let first = |number: u64| number * row_groups / count;
    let size = bytes as f64 * ROW_GROUP_ROWS as f64 / rows as f64;
    let border = |number: u64| match number {
        0 => 0,
        _ if number == count => end,
        _ => (size * (first(number) as f64 - 0.5)) as i64,
    };
    let rows_before = |number: u64| rows.min(first(number) as usize * ROW_GROUP_ROWS);
    let piece = |number: u64| Piece {
        range: FileRange {
            start: border(number),
            end: border(number + 1),
        },
        share: (rows_before(number + 1) - rows_before(number)) as f64 / rows as f64,
    };
    (0..count).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file's name, and the range of it.
    type Named = (String, Option<(i64, i64)>);

    fn ranges(files: &[(&str, u64)], threads: usize) -> Vec<Vec<Named>> {
        let files = files
            .iter()
            .map(|(name, size)| PartitionedFile::new(*name, *size))
            .collect();
        let described = |file: &PartitionedFile| {
            let range = file.range.as_ref().map(|range| (range.start, range.end));
            (file.object_meta.location.to_string(), range)
        };
        groups(files, threads)
            .iter()
            .map(|group| group.iter().map(described).collect())
            .collect()
    }

    #[test]
    fn small_files_stay_whole() {
        let found = ranges(&[("a", 5), ("b", 16 * MIB), ("empty", 0)], 2);
        let files: Vec<_> = found.concat();
        let whole = |name: &str| (name.to_string(), None);
        assert_eq!(files, vec![whole("a"), whole("b"), whole("empty")]);
    }

    #[test]
    fn the_pieces_of_a_large_file_are_all_of_it() {
        let size = 1000 * MIB + 7;
        let pieces = ranges(&[("a", size)], 4).concat();
        assert_eq!(pieces.len(), 32);
        let mut end = 0;
        for (_, range) in pieces {
            let (from, to) = range.unwrap();
            assert_eq!(from, end);
            assert!(to > from);
            end = to;
        }
        assert_eq!(u64::try_from(end).unwrap(), size);
    }

    #[test]
    fn no_files_are_no_groups() {
        assert!(ranges(&[], 4).is_empty());
    }

    #[test]
    fn a_piece_holds_the_beginnings_of_its_row_groups() {
        let size = 240 * (3 * ROW_GROUP_ROWS + 10_000) as u64;
        let file =
            PartitionedFile::new("a", size).with_extension(Rows(3 * ROW_GROUP_ROWS + 10_000));
        for (most, row_groups) in [
            (1 << 20, vec![1, 1, 1, 1]),
            (size / 2, vec![2, 2]),
            (size, vec![4]),
        ] {
            let pieces = cut(&file, most);
            let shares: f64 = pieces.iter().map(|piece| piece.share).sum();
            assert!((shares - 1.0).abs() < 1e-9, "{shares}");
            assert_eq!(pieces.len(), row_groups.len());
            assert_eq!(pieces[pieces.len() - 1].range.end as u64, size);
            // Row groups are not all equally large.
            for drift in [-5_000_000, 0, 5_000_000] {
                let begins = (0..4).map(|number| {
                    let begin = (number * ROW_GROUP_ROWS * 240) as i64 + drift;
                    begin.max(0).min(size as i64 - 1)
                });
                let begins: Vec<i64> = begins.collect();
                let within = |piece: &Piece| {
                    begins
                        .iter()
                        .filter(|at| piece.range.contains(**at))
                        .count()
                };
                let held: Vec<usize> = pieces.iter().map(within).collect();
                assert_eq!(held, row_groups, "{most} {drift}");
            }
        }
    }

    #[test]
    fn a_file_of_one_row_group_stays_whole() {
        for rows in [0, 100, ROW_GROUP_ROWS] {
            let file = PartitionedFile::new("a", 100 << 20).with_extension(Rows(rows));
            assert_eq!(cut(&file, 1 << 30).len(), 1);
        }
        let file = PartitionedFile::new("a", 100 << 20).with_extension(Rows(ROW_GROUP_ROWS));
        assert_eq!(cut(&file, 1 << 20).len(), 1);
    }
}
