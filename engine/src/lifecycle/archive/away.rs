//! Partitions whose rows are all old enough go to the archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use deltalake::kernel::{Action, Add};

use super::Moved;
use super::moving::{Archive, copy, moved};
use crate::error::{Error, Result};
use crate::lifecycle::age::Age;
use crate::tables::Table;
use crate::tables::archive::{AFTER, ARCHIVE_CLASS, RESTORED_TAG};
use crate::tables::maintenance::{DataFile, active_files, check_rewriting};
use crate::tables::properties::{APPEND_ONLY, is_true};
use crate::tables::storage_class;

/// Tag of a file in the archive: its storage class.
pub const CLASS_TAG: &str = "paratope.storageClass";
/// How long what was restored stays at least.
const REST_DAYS: i64 = 7;

/// Moves the partitions of `table` that `paratope.archiveAfter` calls cold to its archive, or only tells which.
///
/// A partition is cold where the statistics of all its files say that every row has reached the age. One of which a file was
/// restored less than a week ago stays.
///
/// # Errors
/// `Invalid` for a table without partitions, `Denied` for one that is append-only, `Conflict` where others change the same
/// files; whatever the store says.
pub async fn archive_cold(table: &Arc<Table>, now: DateTime<Utc>, dry_run: bool) -> Result<Moved> {
    let base = table.snapshot().await?;
    let Some(age) = Age::of(&base, AFTER)? else {
        return Ok(Moved::default());
    };
    check_rewriting(table, &base, "archiving")?;
    if base.metadata().partition_columns().is_empty() {
        return Err(Error::Invalid(format!(
            "{} has no partitions, and whole partitions are archived: take '{AFTER}' = 'never', or make the table PARTITIONED BY",
            table.name()
        )));
    }
    if is_true(Table::property(&base, APPEND_ONLY).as_ref()) {
        return Err(Error::Denied(format!(
            "{} is append-only, and archiving takes rows out of it: set '{APPEND_ONLY}' or '{AFTER}' otherwise",
            table.name()
        )));
    }
    let cold = cold(active_files(&base)?, &age, now);
    let summary = Moved::of(&cold);
    if dry_run || cold.is_empty() {
        return Ok(summary);
    }
    let class = Table::property(&base, ARCHIVE_CLASS);
    let archive = Archive::open_or_create(table, base).await?;
    let store = archive.archive.log_store().object_store(None);
    let store = storage_class::of_new_files(store, class.as_deref());
    let files: Vec<(Add, String)> = cold
        .iter()
        .map(|file| {
            let add = file.add();
            let path = add.path.clone();
            (add, path)
        })
        .collect();
    copy(table, &store, &files).await?;
    let mut held: Vec<Add> = archive.files.iter().map(DataFile::add).collect();
    held.extend(files.into_iter().map(|(add, path)| {
        let mut add = moved(&add, path);
        let tags = add.tags.get_or_insert_default();
        tags.remove(RESTORED_TAG);
        if let Some(class) = &class {
            tags.insert(CLASS_TAG.into(), Some(class.clone()));
        }
        add
    }));
    let version = archive.hold(held).await?;
    let removes = cold.iter().map(|file| Action::Remove(file.remove(true)));
    archive
        .settle("ARCHIVE", removes.collect(), version, &summary)
        .await?;
    Ok(summary)
}

/// The files of partitions all of whose rows have reached the age.
fn cold(files: Vec<DataFile>, age: &Age, now: DateTime<Utc>) -> Vec<DataFile> {
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        let partition = file.partition.clone();
        partitions.entry(partition).or_default().push(file);
    }
    let rested = (now - Duration::days(REST_DAYS)).timestamp_millis();
    let is_cold = |file: &DataFile| {
        let add = file.add();
        let restored: Option<i64> = file.tag(RESTORED_TAG).and_then(|at| at.parse().ok());
        age.reached_by_all(add.stats.as_deref(), now) && restored.is_none_or(|at| at < rested)
    };
    partitions
        .into_values()
        .filter(|files| files.iter().all(is_cold))
        .flatten()
        .collect()
}

impl Moved {
    /// These files.
    pub(super) fn of(files: &[DataFile]) -> Self {
        let partitions: std::collections::BTreeSet<_> =
            files.iter().map(|file| &file.partition).collect();
        Self {
            partitions: partitions.len() as u64,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            rows: files.iter().filter_map(|file| file.rows).sum(),
        }
    }
}

/// An age at a moment.
pub(crate) struct ArchivedAge<'a> {
    /// How long rows are kept.
    pub retention: &'a Age,
    /// The present.
    pub now: DateTime<Utc>,
}

/// Lets go of archived files all of whose rows have expired, or only counts their rows.
///
/// # Errors
/// As [`archive_cold`].
pub(crate) async fn drop_expired(
    table: &Arc<Table>,
    age: ArchivedAge<'_>,
    dry_run: bool,
) -> Result<u64> {
    let Some(archive) = Archive::open(table).await? else {
        return Ok(0);
    };
    let is_expired = |file: &&DataFile| {
        let statistics = file.add().stats;
        age.retention.reached_by_all(statistics.as_deref(), age.now)
    };
    let (expired, kept): (Vec<_>, Vec<_>) = archive.files.iter().partition(is_expired);
    let expired: Vec<DataFile> = expired.into_iter().cloned().collect();
    let summary = Moved::of(&expired);
    if dry_run || expired.is_empty() {
        return Ok(summary.rows);
    }
    let kept = kept.into_iter().map(DataFile::add).collect();
    let version = archive.hold(kept).await?;
    archive
        .settle("EXPIRE ARCHIVED", Vec::new(), version, &summary)
        .await?;
    Ok(summary.rows)
}
