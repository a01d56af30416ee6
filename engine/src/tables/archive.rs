//! Rows that were put away: the files of whole partitions in a table of their own.
//!
//! The archive of a table is a Delta table below `_archive/` in the lake, with the same columns and partitions, which any
//! reader of Delta tables reads. The table pins a version of it by a transaction id. What belongs to the table at a version
//! is thus its own files and those of its archive at the version that it pins: both change in one commit of the table, and
//! whatever the archive's log has beyond that version is not in force.

use std::sync::Arc;

use deltalake::kernel::{Action, EagerSnapshot, Transaction};

use super::Table;
use crate::error::{Error, Result};

/// Table property: the age at which whole partitions are put away.
pub const AFTER: &str = "paratope.archiveAfter";
/// Table property: the storage class of what is put away.
pub const ARCHIVE_CLASS: &str = "paratope.archiveStorageClass";
/// Tag of a file whose rows came back from the archive: when, milliseconds since the epoch. It goes with the rows.
pub const RESTORED_TAG: &str = "paratope.restored";
/// Transaction id whose version is the pinned version of the archive.
const ID: &str = "paratope:archive";
/// Folder of the lake in which archives lie.
const FOLDER: &str = "_archive";

/// The folder of the archive of a table in `location`, both relative to the lake.
pub fn folder(location: &str) -> String {
    format!("{FOLDER}/{location}")
}

/// The archive of a table; it need not be there.
///
/// # Errors
/// `Unsupported` for a table that is no table of a lake.
pub fn archive_of(table: &Table) -> Result<Arc<Table>> {
    if !table.storage().is_lake() {
        return Err(Error::Unsupported(format!(
            "{} has rows in an archive, which is found from its lake only: name the table and not its folder",
            table.name()
        )));
    }
    let name = format!("the archive of {}", table.name());
    Table::new(table.storage(), &name, &folder(table.location()))
}

/// The version of its archive that a table pins.
///
/// # Errors
/// Whatever keeps the log from being read.
pub async fn pinned(table: &Table, snapshot: &EagerSnapshot) -> Result<Option<u64>> {
    // It is never taken away: without it there is no archive, and nothing more to read.
    if Table::property(snapshot, AFTER).is_none() {
        return Ok(None);
    }
    let store = table.log_store().as_ref();
    let version = snapshot.transaction_version(store, ID).await?;
    version
        .map(|version| {
            u64::try_from(version).map_err(|_| {
                Error::Corrupt(format!(
                    "{} pins version {version} of its archive",
                    table.name()
                ))
            })
        })
        .transpose()
}

/// What belongs to a table at a version and lies in its archive.
///
/// # Errors
/// `NotFound` where the archive, or the version that is pinned, is gone.
pub async fn in_force(
    table: &Table,
    snapshot: &EagerSnapshot,
) -> Result<Option<(Arc<Table>, EagerSnapshot)>> {
    let Some(version) = pinned(table, snapshot).await? else {
        return Ok(None);
    };
    let archive = archive_of(table)?;
    let store = archive.log_store().as_ref();
    let snapshot = EagerSnapshot::try_new(store, Some(version))
        .await
        .map_err(|error| {
            Error::from(error).context(format!(
                "version {version} of {}, which {} needs",
                archive.name(),
                table.name()
            ))
        })?;
    Ok(Some((archive, snapshot)))
}

/// The action by which a table pins a version of its archive.
pub fn pin(version: u64) -> Transaction {
    // Without a time: it must not be forgotten.
    Transaction::new(ID, version.try_into().unwrap_or(i64::MAX))
}

/// Whether a commit moved rows to the archive or back: to readers of changes nothing has changed.
pub fn only_moves(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::Txn(txn) if txn.app_id == ID))
}

/// A partition as people write it: `study=a/locus=IGH`, NULL without quotes.
pub fn partition_name<'a>(
    columns: &[String],
    values: impl Iterator<Item = Option<&'a str>>,
) -> String {
    columns
        .iter()
        .zip(values)
        .map(|(column, value)| format!("{column}={}", value.unwrap_or("NULL")))
        .collect::<Vec<_>>()
        .join("/")
}
