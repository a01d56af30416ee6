//! Small objects in the lake by which people tell schedulers and runs what to do, whichever machine they are on.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::error::Result;
use crate::storage::Storage;

/// Folder of the marks.
const FOLDER: &str = "_paratope/jobs";

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The job does not run by itself.
    Paused,
    /// A job that ships with paratope runs by itself.
    On,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::On => "on",
        }
    }
}

/// All marks of a lake.
#[derive(Debug, Clone, Default)]
pub struct Marks(BTreeSet<String>);

impl Marks {
    /// Reads them.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn read(storage: &Storage) -> Result<Self> {
        let prefix = storage.path(FOLDER);
        let listed: Vec<ObjectMeta> = storage.store().list(Some(&prefix)).try_collect().await?;
        let of = |meta: ObjectMeta| {
            let mut parts = meta.location.prefix_match(&prefix)?;
            let job = parts.next()?.as_ref().to_string();
            Some(format!("{job}/{}", parts.next()?.as_ref()))
        };
        Ok(Self(listed.into_iter().filter_map(of).collect()))
    }

    /// Whether a job has a mark.
    pub fn has(&self, job: &str, mark: Mark) -> bool {
        self.0.contains(&format!("{job}/{}", mark.name()))
    }
}

/// Sets a mark; tells whether it was not there.
///
/// # Errors
/// Whatever the store says.
pub async fn set(storage: &Storage, job: &str, mark: Mark, by: &str) -> Result<bool> {
    let name = format!("{FOLDER}/{job}/{}", mark.name());
    storage.create(&name, Bytes::from(by.to_string())).await
}

/// Takes a mark away; tells whether it was there.
///
/// # Errors
/// Whatever the store says.
pub async fn unset(storage: &Storage, job: &str, mark: Mark) -> Result<bool> {
    let name = format!("{FOLDER}/{job}/{}", mark.name());
    let was_there = storage.read(&name).await?.is_some();
    storage.delete(&storage.path(&name)).await?;
    Ok(was_there)
}

/// Asks a run to end, wherever it works.
///
/// # Errors
/// Whatever the store says.
pub async fn cancel(storage: &Storage, job: &str, run_id: &str, by: &str) -> Result<()> {
    let name = format!("{FOLDER}/{job}/cancel-{run_id}");
    storage.create(&name, Bytes::from(by.to_string())).await?;
    Ok(())
}

/// Who asked a run to end, where anybody has.
///
/// # Errors
/// Whatever the store says.
pub async fn cancelled(storage: &Storage, job: &str, run_id: &str) -> Result<Option<String>> {
    let found = storage
        .read(&format!("{FOLDER}/{job}/cancel-{run_id}"))
        .await?;
    Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Forgets that a run was asked to end.
///
/// # Errors
/// Whatever the store says.
pub async fn forget(storage: &Storage, job: &str, run_id: &str) -> Result<()> {
    let name = format!("{FOLDER}/{job}/cancel-{run_id}");
    // Few runs are cancelled; a request that finds nothing is cheaper than one that deletes.
    match storage.store().head(&storage.path(&name)).await {
        Ok(_) => storage.delete(&storage.path(&name)).await,
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
