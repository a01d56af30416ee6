//! Checks that a location can hold a lake: creating a file must be atomic and exclusive.
//!
//! On a file system put-if-absent is a hard link, which some mounts lack (FAT, some FUSE and SMB
//! mounts); an S3-compatible server may ignore `If-None-Match`. Either would let two writers
//! commit the same version, so such a location is refused before anything is stored.

use bytes::Bytes;
use uuid::Uuid;

use super::{Storage, redact};
use crate::error::{Error, Result};

/// Creates a file under `_paratope/`, tries to create it again, and removes it.
///
/// # Errors
/// `Unsupported` where the second creation succeeds or the first cannot be made atomic; otherwise
/// whatever keeps the location from being written.
pub async fn probe_atomic_create(storage: &Storage) -> Result<()> {
    let name = format!("_paratope/probe-{}", Uuid::new_v4().simple());
    let outcome = exclusive(storage, &name).await;
    let removed = storage.delete(&storage.path(&name)).await;
    let exclusive = outcome.map_err(|error| match error {
        Error::Unavailable(message) if storage.url().scheme() == "file" => {
            Error::Unsupported(format!(
                "{message}. A lake needs a file system with hard links (ext4, xfs, NFS, EFS; not FAT or most FUSE mounts)"
            ))
        }
        other => other,
    })?;
    if !exclusive {
        return Err(Error::Unsupported(format!(
            "{}: the store overwrites where it should refuse (it ignores If-None-Match), so two writers could lose each other's commits; use a store with conditional writes",
            redact(storage.url())
        )));
    }
    removed
}

async fn exclusive(storage: &Storage, name: &str) -> Result<bool> {
    // The first answer may be lost and repeated, so only the second attempt is judged.
    storage.create(name, Bytes::from_static(b"probe")).await?;
    Ok(!storage.create(name, Bytes::from_static(b"again")).await?)
}
