//! How the files of a scan are shared out among threads.
//!
//! Threads take the next piece when they are done with one. DataFusion by itself makes one piece of bytes for each thread;
//! but a query that reads one short column costs by the row, and rows are not equally wide: with heavy chains twice
//! as wide as light ones, one of two threads had 1.2 of 2 million rows. Many small pieces even that out.

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;

/// Pieces for each thread; the last ones finish at different moments, by at most the time of one.
const PIECES_PER_THREAD: u64 = 8;
/// Smaller pieces hold less than a row group, of which nothing can be shared.
const LEAST_BYTES: u64 = 16 << 20;

/// Groups, one for each of `threads` (fewer where there is little to read), of files cut into pieces of equal size.
pub fn groups(files: Vec<PartitionedFile>, threads: usize) -> Vec<FileGroup> {
    let bytes: u64 = files.iter().map(|file| file.object_meta.size).sum();
    let pieces = PIECES_PER_THREAD * threads.max(1) as u64;
    let most = bytes.div_ceil(pieces).max(LEAST_BYTES);
    let pieces = files.into_iter().flat_map(|file| cut(file, most)).collect();
    FileGroup::new(pieces).split_files(threads)
}

/// A file in pieces of at most `most` bytes. A row group belongs to the piece that its first byte is in.
fn cut(file: PartitionedFile, most: u64) -> Vec<PartitionedFile> {
    let size = file.object_meta.size;
    let count = size.div_ceil(most);
    if count < 2 {
        return vec![file];
    }
    let start = |piece: u64| i64::try_from(size * piece / count).unwrap_or(i64::MAX);
    (0..count)
        .map(|piece| PartitionedFile {
            range: Some(FileRange {
                start: start(piece),
                end: start(piece + 1),
            }),
            ..file.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file's name, and the range of it.
    type Piece = (String, Option<(i64, i64)>);

    fn ranges(files: &[(&str, u64)], threads: usize) -> Vec<Vec<Piece>> {
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
}
