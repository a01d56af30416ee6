//! What `system.catalog` says at one version: the latest entry of each name.

use std::collections::{BTreeMap, HashSet};

use deltalake::kernel::EagerSnapshot;
use object_store::path::Path;

use super::{Entry, Kind, Name, rows};
use crate::error::Result;
use crate::tables::Table;

/// The catalog at one version.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    version: Option<u64>,
    /// Data files whose entries are in here.
    files: HashSet<String>,
    /// The latest entry of each name, retired ones too.
    latest: BTreeMap<Name, Entry>,
    /// The latest entry of each job, retired ones too: they have names of their own.
    jobs: BTreeMap<Name, Entry>,
    /// When each folder was retired, microseconds since the epoch.
    retired: BTreeMap<String, i64>,
}

/// A folder that no name stands for any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The folder, relative to the lake.
    pub location: String,
    /// When it was retired, microseconds since the epoch.
    pub at: i64,
}

impl Contents {
    /// Version of `system.catalog`; `None` where nothing was read yet.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// What the name stands for.
    pub fn entry(&self, name: &Name) -> Option<&Entry> {
        self.latest.get(name).filter(|entry| !entry.dropped)
    }

    /// Whether the name stands for anything, or ever did.
    pub fn has_known(&self, name: &Name) -> bool {
        self.latest.contains_key(name)
    }

    /// All tables and views, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.latest.values().filter(|entry| !entry.dropped)
    }

    /// What is kept of a job.
    pub fn job(&self, name: &Name) -> Option<&Entry> {
        self.jobs.get(name).filter(|entry| !entry.dropped)
    }

    /// All jobs, sorted by name.
    pub fn jobs(&self) -> impl Iterator<Item = &Entry> {
        self.jobs.values().filter(|entry| !entry.dropped)
    }

    /// As [`Contents::next_time`], of a job.
    pub fn next_time_of_job(&self, name: &Name) -> i64 {
        next_time(self.jobs.get(name))
    }

    /// Queries of all views by `schema.name`.
    pub fn views(&self) -> BTreeMap<String, String> {
        self.entries()
            .filter(|entry| entry.kind == Kind::View)
            .filter_map(|entry| Some((entry.name.to_string(), entry.definition.clone()?)))
            .collect()
    }

    /// Folders that DROP, CREATE OR REPLACE TABLE left behind, for maintenance to delete once
    /// nobody can be reading them any more.
    pub fn retired(&self) -> Vec<Retired> {
        let used: HashSet<&str> = self
            .entries()
            .filter_map(|entry| entry.location.as_deref())
            .collect();
        self.retired
            .iter()
            .filter(|(location, _)| !used.contains(location.as_str()))
            .map(|(location, at)| Retired {
                location: location.clone(),
                at: *at,
            })
            .collect()
    }

    /// Whether any name stands, or stood, for the folder. One that no name ever stood for is left of
    /// a table whose making was cut short, or is of one being made.
    pub fn knows_folder(&self, location: &str) -> bool {
        self.retired.contains_key(location)
            || self
                .entries()
                .any(|entry| entry.location.as_deref() == Some(location))
    }

    /// A time for the next entry of a name: now, but later than its latest entry, whose writer's
    /// clock may be ahead. So the order of times is the order of commits.
    pub fn next_time(&self, name: &Name) -> i64 {
        next_time(self.latest.get(name))
    }

    /// The same at `snapshot`: only files that are new since are read.
    pub async fn at(&self, table: &Table, snapshot: &EagerSnapshot) -> Result<Self> {
        let mut fresh = self.clone();
        let mut unread: Vec<Path> = Vec::new();
        let mut files = HashSet::new();
        for file in snapshot.try_log_data()?.iter() {
            let path = file.path().into_owned();
            if !self.files.contains(&path) {
                unread.push(file.object_store_path());
            }
            files.insert(path);
        }
        for entry in rows::read(table, unread).await? {
            fresh.take(entry);
        }
        fresh.files = files;
        fresh.version = Some(snapshot.version());
        Ok(fresh)
    }

    /// Takes in an entry; they may come in any order, and more than once.
    fn take(&mut self, entry: Entry) {
        if let (true, Some(location)) = (entry.dropped, &entry.location) {
            let at = self.retired.entry(location.clone()).or_default();
            *at = entry.changed_at.max(*at);
        }
        let latest = match entry.kind {
            Kind::Job => &mut self.jobs,
            Kind::Table | Kind::View => &mut self.latest,
        };
        match latest.get(&entry.name) {
            Some(latest) if latest.changed_at > entry.changed_at => {}
            _ => {
                latest.insert(entry.name.clone(), entry);
            }
        }
    }
}

fn next_time(latest: Option<&Entry>) -> i64 {
    let now = chrono::Utc::now().timestamp_micros();
    match latest {
        Some(latest) => now.max(latest.changed_at.saturating_add(1)),
        None => now,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn entry(name: &str, location: Option<&str>, dropped: bool, changed_at: i64) -> Entry {
        Entry {
            name: Name::main(name),
            kind: Kind::Table,
            location: location.map(Into::into),
            definition: None,
            dropped,
            changed_at,
        }
    }

    fn contents(entries: Vec<Entry>) -> Contents {
        let mut contents = Contents::default();
        for entry in entries {
            contents.take(entry);
        }
        contents
    }

    #[test]
    fn the_latest_entry_of_a_name_counts_in_whatever_order_files_are_read() {
        let entries = vec![
            entry("t", Some("main/t-1"), false, 1),
            entry("t", Some("main/t-1"), true, 2),
            entry("t", Some("main/t-2"), false, 3),
        ];
        let reversed = entries.iter().rev().cloned().collect();
        for contents in [contents(entries), contents(reversed)] {
            let found = contents.entry(&Name::main("t")).unwrap();
            assert_eq!(found.location.as_deref(), Some("main/t-2"));
            assert_eq!(contents.entries().count(), 1);
        }
    }

    #[test]
    fn a_folder_is_retired_when_its_table_is_dropped_but_not_when_it_is_renamed() {
        let contents = contents(vec![
            entry("a", Some("main/a-1"), false, 1),
            entry("a", Some("main/a-1"), true, 2),
            entry("b", Some("main/b-1"), false, 3),
            entry("b", None, true, 4),
            entry("c", Some("main/b-1"), false, 4),
        ]);
        let retired = Retired {
            location: "main/a-1".into(),
            at: 2,
        };
        assert_eq!(contents.retired(), [retired]);
        assert!(contents.knows_folder("main/a-1"));
        assert!(contents.knows_folder("main/b-1"));
        assert!(!contents.knows_folder("main/c-1"));
    }

    #[test]
    fn a_folder_in_use_is_never_retired() {
        let contents = contents(vec![
            entry("a", Some("main/a-1"), true, 2),
            entry("b", Some("main/a-1"), false, 3),
        ]);
        assert_eq!(contents.retired(), []);
    }

    #[test]
    fn the_next_entry_of_a_name_is_later_than_its_latest_though_clocks_differ() {
        let ahead = chrono::Utc::now().timestamp_micros() + 3_600_000_000;
        let contents = contents(vec![entry("t", None, false, ahead)]);
        assert_eq!(contents.next_time(&Name::main("t")), ahead + 1);
        assert!(contents.next_time(&Name::main("other")) < ahead);
    }
}
