//! Archived partitions come back.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::Utc;
use datafusion::common::DFSchema;
use deltalake::kernel::{Action, Add};
use uuid::Uuid;

use super::Moved;
use super::away::CLASS_TAG;
use super::moving::{Archive, copy, moved};
use crate::error::{Error, Result};
use crate::session;
use crate::tables::Table;
use crate::tables::archive::RESTORED_TAG;
use crate::tables::maintenance::{DataFile, in_partitions};
use crate::tables::storage_class;
use crate::tables::write::{Written, discard};

/// Puts archived partitions of `table` back: those that satisfy `condition`, an SQL expression on the partition columns, or
/// all.
///
/// # Errors
/// `Invalid` for a condition on other columns; `Unavailable` for files in a storage class that has to be asked for them first;
/// `Conflict` where others move partitions at the same time.
pub async fn restore_archived(table: &Arc<Table>, condition: Option<&str>) -> Result<Moved> {
    let Some(archive) = Archive::open(table).await? else {
        return Ok(Moved::default());
    };
    let chosen = match condition {
        Some(condition) => {
            let state = session::bare_context()?.state();
            let schema = DFSchema::try_from(Table::schema(&archive.base))?;
            let condition = state.create_logical_expr(condition, &schema)?;
            let files = archive.files.clone();
            in_partitions(table, &archive.base, &state, files, &condition)?
        }
        None => archive.files.clone(),
    };
    let summary = Moved::of(&chosen);
    if chosen.is_empty() {
        return Ok(summary);
    }
    let files: Vec<(Add, String)> = chosen
        .iter()
        .map(|file| {
            let add = file.add();
            let path = fresh(&add.path);
            (add, path)
        })
        .collect();
    let store = table.log_store().object_store(None);
    let class = storage_class::of(&archive.base);
    let store = storage_class::of_new_files(store, class.as_deref());
    copy(&archive.archive, &store, &files)
        .await
        .map_err(|error| offline(error, table, &chosen))?;
    let at = Utc::now().timestamp_millis().to_string();
    let adds: Vec<Add> = files
        .into_iter()
        .map(|(add, path)| {
            let mut add = moved(&add, path);
            let tags = add.tags.get_or_insert_default();
            tags.remove(CLASS_TAG);
            tags.insert(RESTORED_TAG.into(), Some(at.clone()));
            add
        })
        .collect();
    let written = Written {
        adds: adds.clone(),
        rows: summary.rows,
    };
    let taken: HashSet<&str> = chosen.iter().map(|file| file.path.as_str()).collect();
    let kept = archive
        .files
        .iter()
        .filter(|file| !taken.contains(file.path.as_str()))
        .map(DataFile::add)
        .collect();
    let settled = async {
        let version = archive.hold(kept).await?;
        let adds = adds.into_iter().map(Action::Add).collect();
        archive
            .settle("RESTORE ARCHIVED", adds, version, &summary)
            .await
    };
    match settled.await {
        Ok(()) => Ok(summary),
        // After an unknown outcome the files may be in use: then VACUUM decides.
        Err(error @ Error::Unavailable(_)) => Err(error),
        Err(error) => {
            discard(table, &written).await;
            Err(error)
        }
    }
}

/// Another name in the same folder: VACUUM may be deleting the file that was archived.
fn fresh(path: &str) -> String {
    let (folder, name) = match path.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), path),
    };
    let id = Uuid::new_v4().simple();
    let ending = name.split_once('.').map_or("parquet", |(_, ending)| ending);
    format!("{folder}part-00000-{id}-restored.{ending}")
}

/// What to do where the store does not give files back at once.
fn offline(error: Error, table: &Table, files: &[DataFile]) -> Error {
    let class = files.iter().find_map(|file| file.tag(CLASS_TAG));
    match (error, class) {
        (Error::NotFound(message), _) => Error::NotFound(format!(
            "the archive of {} lacks a file: {message}",
            table.name()
        )),
        (error, Some(class)) => error.context(format!(
            "the archive of {} lies in the storage class {class}: where that is offline, first ask the store for the files \
             (on S3: aws s3api restore-object), then run this again",
            table.name()
        )),
        (error, None) => error.context(table.name()),
    }
}
