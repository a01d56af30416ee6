//! A cache of parts of the lake's data files, in memory and on disk: queries that are repeated read nothing again.
//!
//! Data files are never written twice: their names hold an id that no other file has. So a part of one is known by the lake,
//! the path and the range, and stays what it is for as long as anybody asks for it.

use std::fs::{File, TryLockError};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder as _, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
};

use crate::config::CacheConfig;
use crate::error::{Error, Result};
use crate::measures;

/// What may lie on disk at once is cut into blocks of this size; nothing larger is kept there.
const BLOCK: usize = 16 << 20;
/// Processes that share a folder at most.
const PROCESSES: usize = 64;

/// The cache of a process. Clones are the same cache.
#[derive(Clone)]
pub struct Ranges {
    cache: HybridCache<String, Bytes>,
    /// Held for as long as the cache is: its folder is this process's.
    _lock: Option<Arc<File>>,
}

impl std::fmt::Debug for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranges").finish_non_exhaustive()
    }
}

impl PartialEq for Ranges {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.cache.memory(), other.cache.memory())
    }
}

impl Ranges {
    /// A cache as large as configured; `None` where it is to be none. What lies in its folder from before is used again.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub async fn open(config: &CacheConfig) -> Result<Option<Self>> {
        if config.memory_bytes == 0 && config.disk_bytes == 0 {
            return Ok(None);
        }
        let failed = |error: foyer::Error| Error::Invalid(format!("cache: {error}"));
        let builder = HybridCacheBuilder::new()
            .with_name("ranges")
            .memory(config.memory_bytes)
            .with_weighter(|key: &String, value: &Bytes| key.len() + value.len())
            .storage();
        let (builder, lock) = match config.disk_bytes {
            0 => (builder, None),
            bytes => {
                let (folder, lock) = own_folder(&config.folder())?;
                let device = FsDeviceBuilder::new(folder).with_capacity(bytes.max(4 * BLOCK));
                let engine =
                    BlockEngineConfig::new(device.build().map_err(failed)?).with_block_size(BLOCK);
                (builder.with_engine_config(engine), Some(Arc::new(lock)))
            }
        };
        Ok(Some(Self {
            cache: builder.build().await.map_err(failed)?,
            _lock: lock,
        }))
    }

    /// What is kept under a key.
    pub(super) async fn get(&self, key: &str) -> Option<Bytes> {
        // What cannot be read from the disk is read from the store.
        let found = self.cache.get(key).await.ok().flatten();
        measures::cache("object_range", found.is_some());
        found.map(|entry| entry.value().clone())
    }

    /// Keeps a part of a file. The bytes are copied: they may be a piece of something larger.
    pub(super) fn put(&self, key: String, bytes: &Bytes) {
        self.cache.insert(key, Bytes::copy_from_slice(bytes));
    }

    /// Writes what is in memory to the disk.
    #[cfg(test)]
    pub(super) async fn close(&self) {
        self.cache
            .close()
            .await
            .expect("a disk that can be written");
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.cache.memory().usage()
    }
}

/// The first folder below `folder` that no other process has, locked.
fn own_folder(folder: &FilePath) -> Result<(PathBuf, File)> {
    for number in 0..PROCESSES {
        let own = folder.join(format!("ranges-{number}"));
        let failed = |error: std::io::Error| {
            Error::Invalid(format!("cache.folder {}: {error}", own.display()))
        };
        std::fs::create_dir_all(&own).map_err(failed)?;
        let lock = File::create(own.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => return Ok((own, lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(Error::Invalid(format!(
        "cache.folder {}: {PROCESSES} processes use it already; name another",
        folder.display()
    )))
}
