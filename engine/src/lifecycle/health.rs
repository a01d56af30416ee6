//! What is wrong with a table's files, and what maintenance would do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use deltalake::kernel::EagerSnapshot;
use serde_json::Value;

use super::archive;
use crate::error::Result;
use crate::lake::Lake;
use crate::tables::Table;
use crate::tables::layout::SORT_COLUMNS;
use crate::tables::log::Log;
use crate::tables::maintenance::{DataFile, Vacuum, active_files, pack, target_file_bytes, vacuum};

/// Log entries behind the newest checkpoint that readers have to replay before it is worth a word.
const LONG_LOG: u64 = 100;
/// The largest partition is told where it has so many times the bytes of the middle one.
const SKEWED: u64 = 10;

/// The state of a table's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// `schema.name`.
    pub table: String,
    /// Version that was looked at.
    pub version: u64,
    /// Data files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows, where every file says.
    pub rows: Option<u64>,
    /// Files that compaction would put together.
    pub small_files: u64,
    /// Files there would be instead.
    pub files_after: u64,
    /// Partitions.
    pub partitions: u64,
    /// Bytes of the largest partition for each byte of the middle one.
    pub skew: u64,
    /// Files whose values of the first sort column lie across those of others in their partition.
    pub unsorted_files: u64,
    /// Files without statistics: nothing of them can be skipped.
    pub files_without_statistics: u64,
    /// Entries of the log behind its newest checkpoint.
    pub log_entries: u64,
    /// Entries of the log that are there.
    pub log_versions: u64,
    /// Partitions that are cold enough for the archive.
    pub cold_partitions: u64,
    /// Partitions in the archive.
    pub archived_partitions: u64,
    /// Their bytes.
    pub archived_bytes: u64,
    /// Files that no version within the retention needs.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
}

impl Health {
    /// What maintenance would do, with what it gains; nothing where all is well.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.small_files > 0 {
            advice.push(format!(
                "compaction: {} small files become {}, {} files in all instead of {}",
                self.small_files,
                self.files_after + self.small_files - self.files,
                self.files_after,
                self.files
            ));
        }
        if self.cold_partitions > 0 {
            advice.push(format!(
                "archive: {} partitions are older than the table's archiveAfter says and move out of it",
                self.cold_partitions
            ));
        }
        if self.orphans > 0 {
            advice.push(format!(
                "vacuum: {} files with {} bytes that no version needs go",
                self.orphans, self.orphan_bytes
            ));
        }
        if self.log_entries > LONG_LOG {
            advice.push(format!(
                "checkpoint: readers replay {} entries of the log, and none then",
                self.log_entries
            ));
        }
        if self.unsorted_files > 0 {
            advice.push(format!(
                "{} files overlap others in the first sort column: OPTIMIZE … ZORDER BY rewrites them so that filters skip more",
                self.unsorted_files
            ));
        }
        if self.files_without_statistics > 0 {
            advice.push(format!(
                "{} files have no statistics, so filters cannot skip them: rewriting them (OPTIMIZE … ZORDER BY) adds some",
                self.files_without_statistics
            ));
        }
        if self.skew >= SKEWED {
            advice.push(format!(
                "the largest partition has {} times the bytes of the middle one: partition by another column",
                self.skew
            ));
        }
        advice
    }
}

/// Looks at a table; nothing is changed.
///
/// # Errors
/// Whatever keeps its log or its folder from being read.
pub async fn health(lake: &Lake, table: &Arc<Table>) -> Result<Health> {
    let snapshot = table.snapshot().await?;
    let files = active_files(&snapshot)?;
    let target = target_file_bytes(&snapshot, lake.config());
    let log = Log::list(table).await?;
    let mut health = Health {
        table: table.name().to_string(),
        version: snapshot.version(),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        rows: files
            .iter()
            .try_fold(0_u64, |sum, file| Some(sum + file.rows?)),
        files_without_statistics: files.iter().filter(|file| file.rows.is_none()).count() as u64,
        log_versions: log.commits().count() as u64,
        log_entries: snapshot.version()
            - log.checkpoint(snapshot.version()).map_or(0, |(at, _)| at),
        ..Health::default()
    };
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        partitions
            .entry(file.partition.clone())
            .or_default()
            .push(file);
    }
    health.partitions = partitions.len() as u64;
    health.skew = skew(&partitions);
    let sorted_by = first_sort_column(&snapshot);
    let mut gone = 0;
    for files in partitions.into_values() {
        if let Some(column) = &sorted_by {
            health.unsorted_files += overlapping(&files, column);
        }
        for bin in pack(files, target) {
            health.small_files += bin.len() as u64;
            gone += bin.len() as u64 - 1;
        }
    }
    health.files_after = health.files - gone;
    // A table that cannot have an archive is told of by maintenance.
    if let Ok(cold) = archive::archive_cold(table, Utc::now(), true).await {
        health.cold_partitions = cold.partitions;
    }
    for put in archive::contents(table).await? {
        health.archived_partitions += 1;
        health.archived_bytes += put.held.bytes;
    }
    let options = Vacuum {
        retain: None,
        dry_run: true,
    };
    // A table that others gave features of their own is looked at as far as that goes.
    if let Ok(doomed) = vacuum(lake, table, options).await {
        health.orphans = doomed.files;
        health.orphan_bytes = doomed.bytes;
    }
    Ok(health)
}

fn skew(partitions: &BTreeMap<Vec<Option<String>>, Vec<DataFile>>) -> u64 {
    let mut sizes: Vec<u64> = partitions
        .values()
        .map(|files| files.iter().map(|file| file.bytes).sum())
        .collect();
    sizes.sort_unstable();
    match (sizes.last(), sizes.get(sizes.len() / 2)) {
        (Some(largest), Some(middle)) if sizes.len() > 2 => largest / (*middle).max(1),
        _ => 1,
    }
}

fn first_sort_column(snapshot: &EagerSnapshot) -> Option<String> {
    Table::column_list(snapshot, SORT_COLUMNS)?
        .into_iter()
        .next()
}

/// Files whose range of values begins before that of a file before them ends.
fn overlapping(files: &[DataFile], column: &str) -> u64 {
    let mut ranges: Vec<(Key, Key)> = files
        .iter()
        .filter_map(|file| {
            let statistics: Value = serde_json::from_str(&file.add().stats?).ok()?;
            let bound = |of: &str| Key::of(statistics.get(of)?.get(column)?);
            Some((bound("minValues")?, bound("maxValues")?))
        })
        .collect();
    ranges.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    let mut count = 0;
    let mut end: Option<Key> = None;
    for (least, most) in ranges {
        if end.as_ref().is_some_and(|end| least < *end) {
            count += 1;
        }
        if end.as_ref().is_none_or(|end| most > *end) {
            end = Some(most);
        }
    }
    count
}

/// A value of the statistics that has an order.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
}

impl Key {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}
