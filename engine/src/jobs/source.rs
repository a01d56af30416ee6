//! What an incremental job's source gained: new files, commit by commit, cut into chunks.
//!
//! A commit that only adds rows gives its files. One that only rearranges them (`dataChange` false: a compaction) gives
//! nothing. One that takes rows away or changes them is read through its change data, where that says that rows were only
//! added; otherwise results of old rows stand in the target and nobody knows which: the job stops and says what to do. A
//! job with a key reads on, for its results are known by what they were computed from and not by the row.

use std::sync::Arc;

use deltalake::kernel::{Action, EagerSnapshot};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::cursor::{Cursor, First, Place};
use super::definition::{Job, short};
use super::gathered::{Gained, Gathered, NewFile};
use crate::catalog::Name;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session;
use crate::tables::archive;
use crate::tables::log::{CONCURRENCY, Log, Provenance, within};
use crate::tables::maintenance::{
    CHANGE_TYPE, ChangeFile, Changes, active_files, check_reading, partition_of,
};
use crate::tables::{Moment, Table, maintenance};

/// A source at the version up to which a run reads.
pub struct Source {
    job: Job,
    name: Name,
    table: Arc<Table>,
    /// The newest version as the run began: what comes later is the next run's.
    newest: EagerSnapshot,
    log: Log,
}

impl Source {
    /// The source of `job`, at its newest version.
    ///
    /// # Errors
    /// `NotFound` where it is not there; `Invalid` for a view; `Unsupported` for tables whose changes cannot be read.
    pub async fn open(lake: &Lake, job: &Job) -> Result<Self> {
        let name = job
            .source()
            .cloned()
            .ok_or_else(|| Error::Internal(format!("job {} reads no source", job.name)))?;
        let full_name = name.to_string();
        if lake.view(&full_name).is_some() {
            return Err(Error::Invalid(format!(
                "job {}: {} is a view; a table tells what it gained, a view does not. Name the table and put the view's query into the job's",
                job.name,
                short(&name)
            )));
        }
        let table = lake
            .table(&full_name)
            .map_err(|error| error.context(format!("source of job {}", job.name)))?;
        let newest = table.snapshot().await?;
        check_reading(&table, &newest, "a job in the mode incremental")?;
        let log = Log::list(&table).await?;
        log.check_listed(newest.version())?;
        Ok(Self {
            job: job.clone(),
            name,
            log,
            table,
            newest,
        })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The id in its metadata: that of this table and of no other that may come to have its name.
    pub fn id(&self) -> &str {
        self.newest.metadata().id()
    }

    /// The version up to which the run reads.
    pub fn version(&self) -> u64 {
        self.newest.version()
    }

    /// Files and rows that are not read yet, as far as the log tells.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub async fn behind(&self, cursor: Cursor) -> Result<(u64, u64)> {
        let Some(place) = cursor.place else {
            let files = active_files(&self.newest)?;
            let rows = files.iter().filter_map(|file| file.rows).sum();
            return Ok((self.version() + 1, rows));
        };
        let mut rows = 0;
        let mut versions = self.log.range(place.version..=self.version()).boxed();
        while let Some((_, actions)) = versions.try_next().await? {
            rows += actions
                .iter()
                .filter_map(|action| match action {
                    Action::Add(add) if add.data_change => add.get_stats().ok().flatten(),
                    _ => None,
                })
                .map(|statistics| u64::try_from(statistics.num_records).unwrap_or(0))
                .sum::<u64>();
        }
        Ok(((self.version() + 1).saturating_sub(place.version), rows))
    }

    /// The files behind the cursor, at least one and about `bytes` of them; `None` where there is nothing new.
    ///
    /// # Errors
    /// `NotFound` where log entries or files are gone; `Invalid` for a commit whose changes cannot be followed, and for a
    /// source that is older than what was read of it.
    pub async fn next(&self, cursor: Cursor, bytes: u64) -> Result<Option<Gained>> {
        let Some(place) = cursor.place else {
            let first = self.version();
            return self.of_first(first, 0, bytes).await.map(Some);
        };
        if let First::Reading(first) = cursor.first {
            if place.version != first {
                return Err(Error::Corrupt(format!(
                    "the cursor of job {} is at version {} of {} while version {first} is read as a whole",
                    self.job.name,
                    place.version,
                    self.table.name()
                )));
            }
            return self.of_first(first, place.files, bytes).await.map(Some);
        }
        if place.version > self.version() + 1 {
            // The log was listed as it was a moment ago: what came since is the next run's.
            if self.log.has(place.version - 1).await? {
                return Ok(None);
            }
            return Err(Error::Invalid(format!(
                "job {} has read {} up to version {}, and its newest is {}: the table was put back by copying older files. \
                 `paratope job backfill {} --from-version 0` computes everything anew",
                self.job.name,
                self.table.name(),
                place.version - 1,
                self.version(),
                self.job.name
            )));
        }
        match place.version > self.version() {
            true => Ok(None),
            false => self.of_commits(place, cursor.first, bytes).await.map(Some),
        }
    }

    /// Files of the version that is read as a whole.
    async fn of_first(&self, first: u64, done: u64, bytes: u64) -> Result<Gained> {
        let snapshot = match first == self.version() {
            true => self.newest.clone(),
            false => maintenance::snapshot_at(&self.table, Moment::Version(first))
                .await
                .map_err(|error| self.lost(error))?,
        };
        if let Some((_, archived)) = archive::in_force(&self.table, &snapshot).await?
            && !active_files(&archived)?.is_empty()
        {
            return Err(Error::Invalid(format!(
                "job {} reads all of {}, of which some is archived: `paratope archive restore {}` brings it back",
                self.job.name,
                self.table.name(),
                self.table.name()
            )));
        }
        let log = Provenance {
            version: first,
            at: chrono::Utc::now(),
            info: deltalake::kernel::CommitInfo::default(),
        };
        let mut files = active_files(&snapshot)?
            .into_iter()
            .map(|file| {
                let mut new = self.file(
                    &file.path,
                    file.bytes,
                    file.partition.clone(),
                    Some("insert"),
                    &log,
                )?;
                new.rows = file.rows.unwrap_or(0);
                Ok(new)
            })
            .collect::<Result<Vec<_>>>()?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let count = files.len();
        let skipped = usize::try_from(done).unwrap_or(usize::MAX);
        let mut gained = Gathered::new(bytes);
        let mut files = files.into_iter().skip(skipped);
        while !gained.is_full()
            && let Some(file) = files.next()
        {
            gained.take(first, file);
        }
        let done = skipped.saturating_add(gained.files.len());
        let after = match done >= count {
            true => Cursor {
                place: Some(Place::start_of(first + 1)),
                first: First::Done(first),
            },
            false => Cursor {
                place: Some(Place {
                    version: first,
                    files: done as u64,
                }),
                first: First::Reading(first),
            },
        };
        self.checked(gained, after).await
    }

    /// Files of commits behind a place.
    async fn of_commits(&self, place: Place, first: First, bytes: u64) -> Result<Gained> {
        let mut gained = Gathered::new(bytes);
        let mut at = place;
        let mut commits = self.log.range(place.version..=self.version()).boxed();
        while !gained.is_full() {
            let Some((commit, actions)) =
                commits.try_next().await.map_err(|error| self.lost(error))?
            else {
                break;
            };
            let files = self.of_commit(&commit, &actions).await?;
            let skipped = match commit.version == place.version {
                true => usize::try_from(place.files).unwrap_or(usize::MAX),
                false => 0,
            };
            at = Place::start_of(commit.version + 1);
            let count = files.len();
            for (index, file) in files.into_iter().enumerate().skip(skipped) {
                if gained.is_full() {
                    at = Place {
                        version: commit.version,
                        files: index as u64,
                    };
                    break;
                }
                gained.take(commit.version, file);
            }
            tracing::trace!(version = commit.version, files = count, "new files");
        }
        drop(commits);
        let after = Cursor {
            place: Some(at),
            first,
        };
        self.checked(gained, after).await
    }

    /// The new files of one commit, ordered by path.
    async fn of_commit(&self, commit: &Provenance, actions: &[Action]) -> Result<Vec<NewFile>> {
        if archive::only_moves(actions) {
            return Ok(Vec::new());
        }
        let columns = self.newest.metadata().partition_columns();
        let mut adds = Vec::new();
        let mut changes = Vec::new();
        let mut removes = 0;
        for action in actions {
            match action {
                Action::Add(add) if add.data_change => {
                    let bytes = add.size.try_into().unwrap_or(0);
                    let partition = partition_of(columns, &add.partition_values);
                    let mut file =
                        self.file(&add.path, bytes, partition, Some("insert"), commit)?;
                    let statistics = add.get_stats().ok().flatten();
                    file.rows = statistics.map_or(0, |statistics| {
                        u64::try_from(statistics.num_records).unwrap_or(0)
                    });
                    adds.push(file);
                }
                Action::Cdc(change) => {
                    let bytes = change.size.try_into().unwrap_or(0);
                    let partition = partition_of(columns, &change.partition_values);
                    changes.push(self.file(&change.path, bytes, partition, None, commit)?);
                }
                Action::Remove(remove) if remove.data_change => removes += 1,
                _ => {}
            }
        }
        let mut files = match changes.is_empty() {
            true => adds,
            false => changes,
        };
        files.sort_by(|one, other| one.path.cmp(&other.path));
        if removes == 0 {
            return Ok(files);
        }
        if !self.job.key.is_empty() {
            // What is there already is left out by its key.
            return Ok(files);
        }
        let has_changes = files.iter().any(|file| file.file.change.is_none());
        let only_removed = files.is_empty();
        if only_removed && self.job.keeps_deleted {
            return Ok(files);
        }
        if has_changes {
            let gone = self.old_rows(&files).await?;
            let is_allowed = |kind: &String| kind == "delete" && self.job.keeps_deleted;
            if gone.iter().all(is_allowed) {
                return Ok(files);
            }
        }
        Err(self.rewritten(commit, only_removed, has_changes))
    }

    /// Which kinds of old rows change files tell of.
    async fn old_rows(&self, files: &[NewFile]) -> Result<Vec<String>> {
        use datafusion::arrow::array::AsArray as _;
        use datafusion::prelude::{col, lit};
        let changed = files.iter().map(|file| file.file.clone()).collect();
        let changes = Changes::try_new(&self.table, self.newest.clone(), changed).await?;
        let context = session::reading_context(self.table.storage())?;
        let kinds = context
            .read_table(Arc::new(changes))?
            .select_columns(&[CHANGE_TYPE])?
            .filter(col(CHANGE_TYPE).in_list(vec![lit("delete"), lit("update_preimage")], false))?
            .distinct()?
            .collect()
            .await?;
        let mut found = Vec::new();
        for batch in kinds {
            let kinds = datafusion::arrow::compute::cast(
                batch.column(0),
                &datafusion::arrow::datatypes::DataType::Utf8,
            )?;
            found.extend(
                kinds
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_string),
            );
        }
        Ok(found)
    }

    fn rewritten(&self, commit: &Provenance, only_removed: bool, has_changes: bool) -> Error {
        let operation = commit.info.operation.as_deref().unwrap_or("a writer");
        let what = match only_removed {
            true => "took rows away",
            false => "changed rows",
        };
        let table = self.table.name();
        let job = &self.job.name;
        let target = self.job.target.as_ref().map(short).unwrap_or_default();
        let records = match has_changes {
            true => "",
            false => {
                "; 'delta.enableChangeDataFeed' = 'true' on the source lets jobs follow later ones that only add rows"
            }
        };
        let keep = match only_removed || has_changes {
            true => ", or -- deleted: keep, which leaves results of deleted rows where they are",
            false => "",
        };
        Error::Invalid(format!(
            "job {job} stops at version {} of {table}: {operation} {what}, and {target} holds results of the old ones. \
             `paratope job backfill {job} --from-version 0` computes everything anew; a job with -- key: COLUMN goes on by itself{keep}{records}",
            commit.version
        ))
    }

    fn file(
        &self,
        path: &str,
        bytes: u64,
        partition: Vec<Option<String>>,
        change: Option<&'static str>,
        commit: &Provenance,
    ) -> Result<NewFile> {
        let location = within(&self.table, path)?;
        let root = self.table.storage().path(self.table.location());
        Ok(NewFile {
            path: path.to_string(),
            file: ChangeFile {
                meta: ObjectMeta {
                    location: root.parts().chain(location.parts()).collect(),
                    last_modified: commit.at,
                    size: bytes,
                    e_tag: None,
                    version: None,
                },
                partition,
                change,
                version: commit.version,
                at: commit.at,
            },
            rows: 0,
        })
    }

    /// What was gathered, once all of it is known to be there.
    async fn checked(&self, gathered: Gathered, after: Cursor) -> Result<Gained> {
        let active: std::collections::HashSet<object_store::path::Path> =
            active_files(&self.newest)?
                .iter()
                .map(|file| within(&self.table, &file.path))
                .collect::<Result<_>>()?;
        let root = self.table.storage().path(self.table.location());
        let store = self.table.storage().store();
        let looks = gathered
            .files
            .iter()
            .filter(|file| {
                let mut within = file.meta.location.prefix_match(&root).into_iter().flatten();
                let relative: object_store::path::Path = within.by_ref().collect();
                !active.contains(&relative)
            })
            .map(|file| {
                let location = file.meta.location.clone();
                let version = file.version;
                async move {
                    match store.head(&location).await {
                        Ok(_) => Ok(()),
                        Err(object_store::Error::NotFound { .. }) => {
                            Err(self.lost(Error::NotFound(format!(
                                "VACUUM has deleted {location}, which version {version} of {} brought",
                                self.table.name()
                            ))))
                        }
                        Err(error) => Err(error.into()),
                    }
                }
            })
            .collect::<Vec<_>>();
        futures::stream::iter(looks)
            .buffer_unordered(CONCURRENCY)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(Gained {
            versions: gathered.versions,
            rows: gathered.rows,
            bytes: gathered.bytes,
            files: gathered.files,
            after,
        })
    }

    /// What is gone from the source before the job has read it.
    fn lost(&self, error: Error) -> Error {
        match error {
            Error::NotFound(what) => Error::NotFound(format!(
                "job {} cannot read on: {what}. `paratope job backfill {} --from-version 0` reads {} anew as it is now; \
                 a longer delta.logRetentionDuration and delta.deletedFileRetentionDuration of it leave jobs more time",
                self.job.name,
                self.job.name,
                self.table.name()
            )),
            error => error,
        }
    }

    /// The files as the rows that the job's query reads.
    ///
    /// # Errors
    /// Whatever keeps the log from being read.
    pub async fn rows(&self, gained: &Gained) -> Result<Changes> {
        Changes::try_new(&self.table, self.newest.clone(), gained.files.clone()).await
    }

    /// The source without rows, for planning.
    ///
    /// # Errors
    /// As [`Source::rows`].
    pub async fn empty(&self) -> Result<Changes> {
        Changes::try_new(&self.table, self.newest.clone(), Vec::new()).await
    }
}
