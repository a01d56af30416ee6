//! What is kept of the lake's files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What each process keeps of the data files of a lake on an object store, so that it does not read them again. Lakes on a
/// disk or a mount are read as they are: the system keeps their files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// In memory, bytes.
    pub memory_bytes: usize,
    /// On disk, bytes; 0: nothing. Each process that uses the folder takes so much.
    pub disk_bytes: usize,
    /// Folder on disk; unset: `paratope` in the user's folder for caches.
    pub folder: Option<PathBuf>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            disk_bytes: 0,
            folder: None,
        }
    }
}

impl CacheConfig {
    /// Where parts of files lie.
    pub fn folder(&self) -> PathBuf {
        if let Some(folder) = &self.folder {
            return folder.clone();
        }
        let of = |name: &str| {
            std::env::var_os(name)
                .filter(|it| !it.is_empty())
                .map(PathBuf::from)
        };
        let caches = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(std::env::temp_dir).join("paratope")
    }
}
