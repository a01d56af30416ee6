//! The log of a table as it lies in its folder: which versions it still tells of, and what each did.
//!
//! deltalake shows the state of one version; maintenance asks for the way there: who committed what
//! when, which files came and went. Entries older than the log's retention are gone, so every answer
//! says how far back it reaches.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::kernel::{Action, CommitInfo};
use deltalake::logstore::{commit_uri_from_version, get_actions};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::Table;
use crate::error::{Error, Result};

/// Entries read at a time.
pub const CONCURRENCY: usize = 16;
/// Where the log lies in a table's folder.
const FOLDER: &str = "_delta_log";

/// One listing of a table's log.
pub struct Log {
    name: String,
    store: Arc<dyn ObjectStore>,
    commits: BTreeMap<u64, ObjectMeta>,
    checkpoints: BTreeMap<u64, Vec<ObjectMeta>>,
}

/// What a commit says of itself.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The version that the commit made.
    pub version: u64,
    /// When: its in-commit timestamp, else the writer's clock, else when the store took the file.
    pub at: DateTime<Utc>,
    /// The rest; empty where the writer said nothing.
    pub info: CommitInfo,
}

impl Log {
    /// Lists the log of `table`.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn list(table: &Table) -> Result<Self> {
        let store = table.log_store().object_store(None);
        let folder = Path::from(FOLDER);
        let entries: Vec<ObjectMeta> = store.list(Some(&folder)).try_collect().await?;
        let mut commits = BTreeMap::new();
        for entry in &entries {
            if let Some(version) = commit_version(&entry.location) {
                commits.insert(version, entry.clone());
            }
        }
        Ok(Self {
            name: table.name().to_string(),
            store,
            commits,
            checkpoints: complete_checkpoints(&entries),
        })
    }

    /// The newest version up to which nothing is missing: a folder that is listed while others
    /// commit may show an entry and lack the one before.
    ///
    /// # Errors
    /// `NotFound` where there is no table.
    pub fn newest(&self) -> Result<u64> {
        let start = self.checkpoints.keys().next_back();
        let mut newest = start
            .or_else(|| self.commits.keys().next())
            .copied()
            .ok_or_else(|| Error::NotFound(format!("{} has no log", self.name)))?;
        while self.commits.contains_key(&(newest + 1)) {
            newest += 1;
        }
        Ok(newest)
    }

    /// The oldest version whose state can still be told.
    pub fn oldest(&self) -> Option<u64> {
        if self.commits.contains_key(&0) {
            return Some(0);
        }
        self.checkpoints.keys().next().copied()
    }

    /// Fails, saying why, where the state of `version` cannot be told.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn check(&self, version: u64) -> Result<()> {
        let newest = self.newest()?;
        if version > newest {
            return Err(Error::NotFound(format!(
                "{} has no version {version}: the newest is {newest}",
                self.name
            )));
        }
        match self.oldest() {
            Some(oldest) if version >= oldest => Ok(()),
            oldest => Err(self.gone(version, oldest)),
        }
    }

    /// Commits that are there.
    pub fn commits(&self) -> impl DoubleEndedIterator<Item = (u64, &ObjectMeta)> {
        self.commits.iter().map(|(version, meta)| (*version, meta))
    }

    /// The newest checkpoint at or before `version`, with all its files.
    pub fn checkpoint(&self, version: u64) -> Option<(u64, &[ObjectMeta])> {
        let (at, files) = self.checkpoints.range(..=version).next_back()?;
        Some((*at, files))
    }

    /// Fails where a listing lacks the newest entries, up to `version` of which somebody knows that it is there: what is read
    /// from such a log seems to be gone.
    ///
    /// # Errors
    /// `Unavailable`: the same may succeed later.
    pub fn check_listed(&self, version: u64) -> Result<()> {
        match self.newest()? < version {
            false => Ok(()),
            true => Err(Error::Unavailable(format!(
                "the log of {} is listed without its version {version}; try again",
                self.name
            ))),
        }
    }

    /// Whether the commit of a version is there, listed or not.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn has(&self, version: u64) -> Result<bool> {
        let path = commit_uri_from_version(Some(version));
        match self.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The store, at the table's folder.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The bytes of a commit.
    async fn bytes(&self, version: u64) -> Result<(bytes::Bytes, DateTime<Utc>)> {
        let Some(meta) = self.commits.get(&version) else {
            let oldest = self.commits.keys().next().copied();
            return Err(self.gone(version, oldest));
        };
        let bytes = self.store.get(&meta.location).await?.bytes().await?;
        Ok((bytes, meta.last_modified))
    }

    fn gone(&self, version: u64, oldest: Option<u64>) -> Error {
        let left = oldest.map_or_else(String::new, |oldest| {
            format!("; the oldest left is {oldest}")
        });
        Error::NotFound(format!(
            "version {version} of {} is gone from its log{left} (delta.logRetentionDuration says how long versions are kept)",
            self.name
        ))
    }

    /// All that a commit did.
    ///
    /// # Errors
    /// `NotFound` where the entry is gone.
    pub async fn actions(&self, version: u64) -> Result<(Provenance, Vec<Action>)> {
        let (bytes, stored) = self.bytes(version).await?;
        let actions = get_actions(version, &bytes)?;
        let info = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info.clone()),
            _ => None,
        });
        Ok((provenance(version, stored, info), actions))
    }

    /// All that the commits of a range did, in their order; nothing where it is empty.
    ///
    /// # Errors
    /// As [`Log::actions`].
    pub fn range(
        &self,
        versions: RangeInclusive<u64>,
    ) -> impl Stream<Item = Result<(Provenance, Vec<Action>)>> + '_ {
        futures::stream::iter(versions)
            .map(|version| self.actions(version))
            .buffered(CONCURRENCY)
    }

    /// What a commit says of itself; its actions on files are not parsed.
    ///
    /// # Errors
    /// As [`Log::actions`].
    pub async fn provenance(&self, version: u64) -> Result<Provenance> {
        let (bytes, stored) = self.bytes(version).await?;
        let mut info = None;
        for line in bytes.split(|byte| *byte == b'\n') {
            if memchr::memmem::find(line, b"\"commitInfo\"").is_none() {
                continue;
            }
            if let Ok(Action::CommitInfo(found)) = serde_json::from_slice(line) {
                info = Some(found);
                break;
            }
        }
        Ok(provenance(version, stored, info))
    }
}

fn provenance(version: u64, stored: DateTime<Utc>, info: Option<CommitInfo>) -> Provenance {
    let info = info.unwrap_or_default();
    let at = info
        .in_commit_timestamp
        .or(info.timestamp)
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or(stored);
    Provenance { version, at, info }
}

/// Where a path of the log lies within the table's folder.
///
/// # Errors
/// `Corrupt` for absolute paths and for paths that leave the folder.
pub fn within(table: &Table, path: &str) -> Result<Path> {
    let leaves = path.contains("://")
        || path.starts_with('/')
        || path.split('/').any(|segment| segment == "..");
    if leaves {
        return Err(Error::Corrupt(format!(
            "{} lists a file outside its folder ({path}); such a table is not touched",
            table.name()
        )));
    }
    Ok(relative(path))
}

/// A path of the log as the store names it. Folders of partitions contain percent signs, which
/// `Path::from` would encode once more.
pub fn relative(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
}

/// Version of a commit file, `None` for anything else.
fn commit_version(path: &Path) -> Option<u64> {
    let name = path.filename()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

/// The checkpoints whose parts are all there.
fn complete_checkpoints(entries: &[ObjectMeta]) -> BTreeMap<u64, Vec<ObjectMeta>> {
    let mut found: BTreeMap<(u64, usize), Vec<ObjectMeta>> = BTreeMap::new();
    for entry in entries {
        let Some(name) = entry
            .location
            .filename()
            .and_then(|name| name.strip_suffix(".parquet"))
        else {
            continue;
        };
        let fields: Vec<&str> = name.split('.').collect();
        let parts = match fields.as_slice() {
            [_, "checkpoint"] => 1,
            [_, "checkpoint", _part, parts] => parts.parse().unwrap_or(0),
            [_, "checkpoint", _uuid] => 1,
            _ => continue,
        };
        if let Some(version) = fields.first().and_then(|text| text.parse().ok()) {
            found
                .entry((version, parts))
                .or_default()
                .push(entry.clone());
        }
    }
    found
        .into_iter()
        .filter(|((_, parts), files)| files.len() >= *parts && *parts > 0)
        .map(|((version, parts), mut files)| {
            files.truncate(parts);
            (version, files)
        })
        .collect()
}
