//! Which task reads which part of a table: the one whose node has read it before, as far as all have equally much to do.
//!
//! Rendezvous hashing (Thaler & Ravishankar 1998): each part of a file goes to the node for which the hash of both is
//! largest. Where a file is added or a node goes, all other parts stay where they are. A node takes at most a little more than
//! its share (Mirrokni et al. 2018, hashing with bounded loads); what is beyond goes to the next.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;

/// Parts are at least so large, bytes.
const LEAST: u64 = 64 << 10;
/// What a task reads at most, in shares.
const MOST: f64 = 1.1;

/// The files of a scan, for tasks on the nodes of these names; each task reads with so many threads.
pub(super) fn assign(
    files: impl Iterator<Item = PartitionedFile>,
    nodes: &[String],
    partitions: usize,
) -> Vec<Vec<FileGroup>> {
    let files = whole(files);
    let total: u64 = files.iter().map(PartitionedFile::effective_size).sum();
    let threads = (nodes.len() * partitions).max(1) as u64;
    // A power of two: parts stay the same while a table grows a little.
    let size = (total / (2 * threads)).max(LEAST);
    let size = 1 << size.ilog2();
    let most = (total as f64 / nodes.len().max(1) as f64 * MOST) as u64;
    // One node may have several tasks.
    let before = |index: usize| {
        nodes[..index]
            .iter()
            .filter(|it| **it == nodes[index])
            .count()
    };
    let nodes: Vec<u64> = (0..nodes.len())
        .map(|it| hash((&nodes[it], before(it))))
        .collect();
    let mut loads = vec![0; nodes.len()];
    let mut tasks = vec![Vec::new(); nodes.len()];
    for file in files {
        for part in parts(&file, size) {
            let start = part.range.as_ref().map_or(0, |range| range.start);
            let key = hash((part.object_meta.location.as_ref(), start));
            let bytes = part.effective_size();
            let has_room = |task: &usize| loads[*task] + bytes <= most;
            let preferred = (0..nodes.len())
                .filter(has_room)
                .max_by_key(|task| mixed(nodes[*task] ^ key));
            let idlest = || (0..nodes.len()).min_by_key(|task| loads[*task]);
            let Some(task) = preferred.or_else(idlest) else {
                continue;
            };
            loads[task] += bytes;
            tasks[task].push(part);
        }
    }
    tasks
        .into_iter()
        .map(|parts| groups(parts, partitions))
        .collect()
}

/// Files of which parts were cut for the threads of one process, in one piece again.
fn whole(files: impl Iterator<Item = PartitionedFile>) -> Vec<PartitionedFile> {
    let mut known: BTreeMap<String, PartitionedFile> = BTreeMap::new();
    for file in files {
        let path = file.object_meta.location.to_string();
        let Some(before) = known.get_mut(&path) else {
            known.insert(path, file);
            continue;
        };
        before.range = match (before.range.take(), file.range) {
            (Some(one), Some(two)) => Some(FileRange {
                start: one.start.min(two.start),
                end: one.end.max(two.end),
            }),
            _ => None,
        };
    }
    known.into_values().collect()
}

fn parts(file: &PartitionedFile, size: u64) -> Vec<PartitionedFile> {
    let bytes = file.object_meta.size as i64;
    let FileRange { start, end } = file.range.clone().unwrap_or(FileRange {
        start: 0,
        end: bytes,
    });
    let size = size as i64;
    let count = ((end - start) / size).max(1);
    let part = |number: i64| {
        let from = start + number * size;
        // The last one takes what is left, so that none is tiny.
        let to = if number + 1 == count {
            end
        } else {
            from + size
        };
        let is_whole = from == 0 && to == bytes;
        PartitionedFile {
            range: (!is_whole).then_some(FileRange {
                start: from,
                end: to,
            }),
            ..file.clone()
        }
    };
    (0..count).map(part).collect()
}

/// Equally much for each thread.
fn groups(mut parts: Vec<PartitionedFile>, count: usize) -> Vec<FileGroup> {
    parts.sort_by_key(|part| std::cmp::Reverse(part.effective_size()));
    let mut groups = vec![(0, Vec::new()); count.max(1)];
    for part in parts {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += part.effective_size();
            group.push(part);
        }
    }
    groups
        .into_iter()
        .map(|(_, files)| FileGroup::new(files))
        .collect()
}

fn hash(of: impl std::hash::Hash) -> u64 {
    // Without a seed: every coordinator finds the same.
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Steele et al. 2014, SplitMix64's finalizer.
fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: usize, size: u64) -> PartitionedFile {
        PartitionedFile::new(format!("part-{number}.parquet"), size)
    }

    fn nodes(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("http://node{number}:1"))
            .collect()
    }

    /// Where each part is read.
    fn places(
        files: &[PartitionedFile],
        nodes: &[String],
    ) -> BTreeMap<(String, Option<i64>), String> {
        let tasks = assign(files.iter().cloned(), nodes, 2);
        let mut places = BTreeMap::new();
        for (task, node) in tasks.iter().zip(nodes) {
            for part in task.iter().flat_map(FileGroup::files) {
                let start = part.range.as_ref().map(|range| range.start);
                let key = (part.object_meta.location.to_string(), start);
                assert!(places.insert(key, node.clone()).is_none());
            }
        }
        places
    }

    #[test]
    fn every_byte_is_read_once_and_all_nodes_read_about_as_many() {
        let files: Vec<_> = (0..40)
            .map(|number| file(number, 3_000_000 + 70_001 * number as u64))
            .collect();
        let total: u64 = files.iter().map(PartitionedFile::effective_size).sum();
        let tasks = assign(files.into_iter(), &nodes(4), 3);
        let bytes = |groups: &[FileGroup]| -> u64 {
            groups
                .iter()
                .flat_map(FileGroup::files)
                .map(PartitionedFile::effective_size)
                .sum()
        };
        assert_eq!(tasks.iter().map(|task| bytes(task)).sum::<u64>(), total);
        for task in &tasks {
            assert_eq!(task.len(), 3);
            assert!((0.8..1.2).contains(&(bytes(task) as f64 * 4.0 / total as f64)));
        }
    }

    #[test]
    fn most_parts_stay_where_they_were_when_a_file_comes_or_a_node_goes() {
        let mut files: Vec<_> = (0..60).map(|number| file(number, 8 << 20)).collect();
        let before = places(&files, &nodes(5));
        let kept = |after: &BTreeMap<_, String>| {
            let same = before
                .iter()
                .filter(|(part, node)| after.get(*part) == Some(*node));
            same.count() as f64 / before.len() as f64
        };
        let mut fewer = nodes(5);
        fewer.remove(1);
        let fewer = places(&files, &fewer);
        assert!(kept(&fewer) > 0.6, "{}", kept(&fewer));
        files.push(file(60, 8 << 20));
        let more = places(&files, &nodes(5));
        assert!(kept(&more) > 0.9, "{}", kept(&more));
    }

    #[test]
    fn a_file_that_was_cut_for_threads_is_cut_anew() {
        let mut halves = [file(1, 10 << 20), file(1, 10 << 20)];
        halves[0].range = Some(FileRange {
            start: 0,
            end: 5 << 20,
        });
        halves[1].range = Some(FileRange {
            start: 5 << 20,
            end: 10 << 20,
        });
        assert_eq!(
            places(&halves, &nodes(2)),
            places(&[file(1, 10 << 20)], &nodes(2))
        );
    }
}
