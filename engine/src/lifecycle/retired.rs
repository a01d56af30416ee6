//! Folders that dropped and replaced tables left behind: deleted once nobody can be reading them any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStore as _};

use crate::error::Result;
use crate::lake::Lake;
use crate::tables::archive;

/// A table's own retention is gone with it: a week, as Delta has it, and never shorter than the floor.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What was, or would be, deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders.
    pub folders: u64,
    /// Files in them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes what is in retired folders and their archives, or only counts it.
///
/// # Errors
/// Whatever the store says.
pub async fn sweep(lake: &Lake, now: DateTime<Utc>, dry_run: bool) -> Result<Swept> {
    let floor = Duration::from_secs(
        lake.config()
            .maintenance
            .vacuum_floor_hours
            .saturating_mul(3_600),
    );
    let kept = match floor.is_zero() {
        true => Duration::ZERO,
        false => floor.max(WEEK),
    };
    let before = chrono::Duration::from_std(kept)
        .ok()
        .and_then(|kept| now.checked_sub_signed(kept))
        .unwrap_or(DateTime::UNIX_EPOCH);
    let storage = lake.storage();
    let mut swept = Swept::default();
    // What the catalog says now, and not what this process knew: a name may have come back.
    let contents = lake.catalog().read().await?;
    for retired in contents.retired() {
        if retired.at >= before.timestamp_micros() {
            continue;
        }
        let mut files: Vec<ObjectMeta> = Vec::new();
        for location in [&retired.location, &archive::folder(&retired.location)] {
            let folder = storage.path(location);
            let mut listed = storage.store().list(Some(&folder));
            while let Some(file) = listed.try_next().await? {
                files.push(file);
            }
        }
        if files.is_empty() {
            continue;
        }
        swept.folders += 1;
        swept.files += files.len() as u64;
        swept.bytes += files.iter().map(|file| file.size).sum::<u64>();
        if dry_run {
            continue;
        }
        // The log goes last: until then the folder is a table.
        let (log, data): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| file.location.as_ref().contains("/_delta_log/"));
        for part in [data, log] {
            let paths = futures::stream::iter(part).map(|file| Ok(file.location));
            let mut deleted = storage.store().delete_stream(paths.boxed());
            while let Some(outcome) = deleted.next().await {
                match outcome {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(swept)
}
