//! Where bytes lie: one lake location and the object store behind it.

mod location;
mod probe;
mod registry;
mod stores;

pub use location::{parse, redact};
pub use probe::probe_atomic_create;
pub use registry::Registry;
pub use stores::open_store;

use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, StorageConfig as DeltaStorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use url::Url;

use crate::config::StorageConfig;
use crate::error::{Error, Result};

/// A folder on an object store or a file system.
#[derive(Debug, Clone)]
pub struct Storage {
    url: Url,
    root: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Storage {
    /// Opens a folder given as a path or URL. Nothing is read or created yet.
    ///
    /// # Errors
    /// A location that is neither a path nor a supported URL; incomplete credentials.
    pub fn open(location: &str, config: &StorageConfig) -> Result<Self> {
        let mut url = parse(location)?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let root = open_store(&url, config)?;
        Self::with_store(url, root)
    }

    /// A folder on a store that is open already; `url` ends with a slash.
    ///
    /// # Errors
    /// A URL whose path is not a path of the store.
    pub fn with_store(url: Url, root: Arc<dyn ObjectStore>) -> Result<Self> {
        let prefix = Path::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{}: {error}", redact(&url))))?;
        Ok(Self { url, root, prefix })
    }

    /// The folder's URL, with a trailing slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The store's own URL: scheme and authority, as DataFusion's registry keys stores.
    pub fn store_url(&self) -> Result<Url> {
        let mut url = self.url.clone();
        url.set_path("");
        url.set_query(None);
        Ok(url)
    }

    /// The store, at its root.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.root
    }

    /// Path of `relative` within the store.
    pub fn path(&self, relative: &str) -> Path {
        self.prefix
            .parts()
            .chain(Path::from(relative).parts())
            .collect()
    }

    /// The Delta log of the table in the folder `relative` ("": the location itself).
    pub fn log_store(&self, relative: &str) -> Result<LogStoreRef> {
        let url = match relative {
            "" => self.url.clone(),
            folder => self
                .url
                .join(&format!("{folder}/"))
                .map_err(|error| Error::Invalid(format!("{folder}: {error}")))?,
        };
        let prefixed = PrefixStore::new(Arc::clone(&self.root), self.path(relative));
        Ok(default_logstore(
            Arc::new(prefixed),
            Arc::clone(&self.root),
            &url,
            &DeltaStorageConfig::default(),
        ))
    }

    /// Writes `relative` unless it exists; tells whether this call created it.
    pub async fn create(&self, relative: &str, bytes: bytes::Bytes) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .root
            .put_opts(&self.path(relative), bytes.into(), options)
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// The bytes of `relative`; `None` where it does not exist.
    pub async fn read(&self, relative: &str) -> Result<Option<bytes::Bytes>> {
        match self.root.get(&self.path(relative)).await {
            Ok(found) => Ok(Some(
                found.bytes().await.map_err(|error| self.explain(error))?,
            )),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Deletes `relative`; what is gone already is no error.
    pub async fn delete(&self, path: &Path) -> Result<()> {
        match self.root.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.explain(error)),
        }
    }

    fn explain(&self, error: object_store::Error) -> Error {
        Error::from(error).context(redact(&self.url))
    }
}
