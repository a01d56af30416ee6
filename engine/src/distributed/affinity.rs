//! Which task reads which part of a table: the one whose node has read it before, as far as all have equally much to do.
//!
//! Rendezvous hashing (Thaler & Ravishankar 1998): each part of a file goes to the node for which the hash of both is
//! largest. Where a file is added or a node goes, nearly all other parts stay where they are. A node takes hardly more than
//! its share (Mirrokni et al. 2018, hashing with bounded loads); what is beyond goes to the next, large parts before small ones.
//! The same holds for each partition of a table: what a row costs a query differs from one to another. CDR3s of heavy chains
//! are nearly all distinct, those of light chains are few.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher as _};

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;

use super::spread::bare;
use crate::tables::pieces::{Piece, cut, rows};

/// Parts are at least so large, bytes.
const LEAST: u64 = 64 << 10;
/// Parts for each thread, about; of many files, each is one.
const PARTS: u64 = 8;
/// What a task reads at most, in shares, where parts are small enough.
const MOST: f64 = 1.02;

/// What a row counts for at most: sums over trillions of rows stay within 64 bits.
const MOST_OF_A_ROW: u64 = 1 << 22;

/// What reading costs, in bytes of a file of which everything is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// The share of columns that are read. Rows of one partition may be twice as wide as those of another for columns that
    /// nobody asks for.
    pub columns: f64,
    /// What a row costs beside; where it is more than [`MOST_OF_A_ROW`], bytes are nothing beside it, and rows alone count.
    pub row: u64,
}

/// A part of a file.
struct Part {
    file: PartitionedFile,
    work: u64,
    key: u64,
    /// Of partition values.
    partition: u64,
}

/// What each task has been given.
struct Loads {
    tasks: Vec<u64>,
    most: u64,
}

impl Loads {
    fn new(work: u64, tasks: usize) -> Self {
        Self {
            tasks: vec![0; tasks],
            most: (work as f64 / tasks.max(1) as f64 * MOST) as u64,
        }
    }

    fn has_room(&self, task: usize, work: u64) -> bool {
        self.tasks[task] + work <= self.most
    }
}

/// The files of a scan, for tasks on the nodes of these names; each task reads with so many threads.
pub(super) fn assign(
    files: impl Iterator<Item = PartitionedFile>,
    nodes: &[String],
    partitions: usize,
    work: Work,
) -> Vec<Vec<FileGroup>> {
    let parts = parts(whole(files), nodes.len() * partitions, work);
    let total: u64 = parts.iter().map(|part| part.work).sum();
    let mut all = Loads::new(total, nodes.len());
    let mut partition_work: HashMap<u64, u64> = HashMap::new();
    for part in &parts {
        *partition_work.entry(part.partition).or_default() += part.work;
    }
    let mut of_partitions: HashMap<u64, Loads> = partition_work
        .into_iter()
        .map(|(partition, work)| (partition, Loads::new(work, nodes.len())))
        .collect();
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
    let mut tasks: Vec<Vec<Part>> = nodes.iter().map(|_| Vec::new()).collect();
    for part in parts {
        let Some(of_partition) = of_partitions.get_mut(&part.partition) else {
            continue;
        };
        let has_room = |task: &usize| all.has_room(*task, part.work);
        let preferred = |task: &usize| mixed(nodes[*task] ^ part.key);
        let task = (0..nodes.len())
            .filter(has_room)
            .filter(|task| of_partition.has_room(*task, part.work))
            .max_by_key(preferred)
            .or_else(|| (0..nodes.len()).filter(has_room).max_by_key(preferred))
            .or_else(|| (0..nodes.len()).min_by_key(|task| all.tasks[*task]));
        let Some(task) = task else {
            continue;
        };
        all.tasks[task] += part.work;
        of_partition.tasks[task] += part.work;
        tasks[task].push(part);
    }
    tasks
        .into_iter()
        .map(|parts| groups(parts, partitions))
        .collect()
}

/// Files of which parts were cut for the threads of one process, in one piece again.
pub(super) fn whole(files: impl Iterator<Item = PartitionedFile>) -> Vec<PartitionedFile> {
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
    let mut whole: Vec<PartitionedFile> = known.into_values().collect();
    for file in &mut whole {
        let size = file.object_meta.size;
        file.range = file
            .range
            .take()
            .filter(|it| it.start > 0 || (it.end as u64) < size);
    }
    whole
}

/// Files in parts, those with the most work first. Of about equal ones the order is always the same, so that a part moves
/// only where it must.
fn parts(files: Vec<PartitionedFile>, threads: usize, work: Work) -> Vec<Part> {
    let bytes: u64 = files.iter().map(PartitionedFile::effective_size).sum();
    let counted: usize = files.iter().filter_map(rows).sum();
    // A power of two: parts stay the same while a table grows a little.
    let most = (bytes / (PARTS * threads.max(1) as u64)).max(LEAST);
    let most = 1 << most.ilog2();
    let width = bytes as f64 / counted.max(1) as f64;
    let narrow = width * (1.0 - work.columns) + work.row.min(MOST_OF_A_ROW) as f64;
    let work_of = |bytes: u64, rows: Option<usize>| match rows {
        Some(rows) => bytes as f64 * work.columns + rows as f64 * narrow,
        None => bytes as f64,
    };
    let mut parts = Vec::new();
    for file in files {
        let size = file.effective_size();
        let all = work_of(size, rows(&file));
        let partition = hash(&file.partition_values);
        for Piece { range, share } in cut(&file, most) {
            let is_whole = range.start == 0 && range.end as u64 == file.object_meta.size;
            parts.push(Part {
                work: (all * share) as u64,
                key: hash((file.object_meta.location.as_ref(), range.start)),
                partition,
                file: PartitionedFile {
                    range: (!is_whole).then_some(range),
                    ..bare(&file)
                },
            });
        }
    }
    parts.sort_by_key(|part| (Reverse(part.work.max(1).ilog2()), part.key));
    parts
}

/// Equally much for each thread.
fn groups(mut parts: Vec<Part>, count: usize) -> Vec<FileGroup> {
    parts.sort_by_key(|part| Reverse(part.work));
    let mut groups = vec![(0, Vec::new()); count.max(1)];
    for part in parts {
        if let Some((work, group)) = groups.iter_mut().min_by_key(|(work, _)| *work) {
            *work += part.work;
            group.push(part.file);
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
    use crate::tables::Rows;
    use crate::tables::layout::ROW_GROUP_ROWS;

    const PLAIN: Work = Work {
        columns: 1.0,
        row: 0,
    };

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
        let tasks = assign(files.iter().cloned(), nodes, 2, PLAIN);
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
        let tasks = assign(files.into_iter(), &nodes(4), 3, PLAIN);
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
        let rows = 4 * ROW_GROUP_ROWS;
        let halves = halves.map(|half| half.with_extension(Rows(rows)));
        let whole = file(1, 10 << 20).with_extension(Rows(rows));
        let parts = places(&halves, &nodes(2));
        assert_eq!(parts.len(), 4);
        assert_eq!(parts, places(&[whole], &nodes(2)));
    }

    #[test]
    fn each_node_has_its_share_of_each_partition() {
        let of = |partition: &str, number: usize| PartitionedFile {
            partition_values: vec![partition.into()],
            ..file(number, 8 << 20)
        };
        let heavy = (0..10).map(|number| of("heavy", number));
        let light = (10..18).map(|number| of("light", number));
        let files: Vec<_> = heavy.chain(light).collect();
        // Nodes whose hashes would have it otherwise are among them.
        for port in 7_000..7_040 {
            let nodes = [port, port + 1].map(|port| format!("http://127.0.0.1:{port}"));
            for task in assign(files.iter().cloned(), &nodes, 1, PLAIN) {
                let of_task = task.iter().flat_map(FileGroup::files);
                let heavy = of_task.filter(|file| file.partition_values[0] == "heavy".into());
                assert_eq!(
                    heavy.map(PartitionedFile::effective_size).sum::<u64>(),
                    40 << 20
                );
            }
        }
    }

    fn of_rows(number: usize, rows: usize, row: u64) -> PartitionedFile {
        file(number, rows as u64 * row).with_extension(Rows(rows))
    }

    #[test]
    fn rows_that_are_wide_elsewhere_count_as_much_as_others() {
        let wide = (0..2).map(|number| of_rows(number, 500_000, 240));
        let narrow = (2..4).map(|number| of_rows(number, 450_000, 120));
        let files: Vec<_> = wide.chain(narrow).collect();
        let narrow_query = Work {
            columns: 0.02,
            row: 0,
        };
        for (work, by_bytes) in [(PLAIN, true), (narrow_query, false)] {
            let tasks = assign(files.iter().cloned(), &nodes(2), 1, work);
            let load = |groups: &Vec<FileGroup>| -> f64 {
                let files = groups.iter().flat_map(FileGroup::files);
                let load = files.map(|file| {
                    let number = file.object_meta.location.as_ref();
                    let wide = number.contains("-0.") || number.contains("-1.");
                    let bytes = file.effective_size() as f64;
                    bytes / if by_bytes || wide { 1.0 } else { 0.5 }
                });
                load.sum()
            };
            let ratio = load(&tasks[0]) / load(&tasks[1]);
            assert!((0.8..1.25).contains(&ratio), "{work:?}: {ratio}");
        }
    }

    #[test]
    fn rows_that_cost_without_bound_are_shared_out_equally() {
        let files: Vec<_> = (0..8)
            .map(|number| of_rows(number, 100_000_000_000, 100))
            .collect();
        let endless = Work {
            columns: 1.0,
            row: u64::MAX,
        };
        let tasks = assign(files.into_iter(), &nodes(2), 1, endless);
        let bytes = |task: &Vec<FileGroup>| -> u64 {
            let files = task.iter().flat_map(FileGroup::files);
            files.map(PartitionedFile::effective_size).sum()
        };
        let ratio = bytes(&tasks[0]) as f64 / bytes(&tasks[1]) as f64;
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }
}
