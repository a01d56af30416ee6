//! Where bytes lie: one lake location and the object store behind it.

mod access;
mod cached;
mod fence;
mod io;
mod location;
mod metered;
mod overlay;
mod place;
mod probe;
mod ranges;
mod registry;
mod stores;

pub(crate) use access::REFUSAL;
pub use access::{Access, Mode};
pub(crate) use cached::{Lookups, counting};
pub(crate) use fence::refusal;
pub use io::IoThreads;
pub use location::{parse, redact};
pub(crate) use overlay::with_store;
pub(crate) use place::canonical;
pub use probe::probe_atomic_create;
pub use ranges::Ranges;
pub use registry::Registry;
pub use stores::open_store;

use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, StorageConfig as DeltaStorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use sha2::{Digest as _, Sha256};
use url::Url;

use self::cached::Cached;
use self::fence::Fence;
use self::place::Root;

use crate::config::StorageConfig;
use crate::error::{Error, Result};

/// A folder on an object store or a file system.
#[derive(Debug, Clone)]
pub struct Storage {
    url: Url,
    /// By which plans know the store.
    store_url: Url,
    root: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What was read of its data files before.
    ranges: Option<Ranges>,
}

/// Scheme of the lake's own store in plans: no location that a user writes has it, so what a plan reads of the lake was
/// put there by the lake's tables and by no file name in a statement.
pub(crate) const LAKE_SCHEME: &str = "lake";

impl Storage {
    /// Opens the folder of a lake, given as a path or URL: nothing but this folder can be reached with it. Nothing is read
    /// or created yet.
    ///
    /// # Errors
    /// A location that is neither a path nor a supported URL; incomplete credentials.
    pub fn open(location: &str, config: &StorageConfig) -> Result<Self> {
        let url = folder_url(location)?;
        let root = open_store(&url, config)?;
        let mut storage = Self::with_store(url, root)?;
        // The same on every node that opens the same lake.
        let digest = Sha256::digest(redact(&storage.url));
        let name: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if let Some(ranges) = &config.ranges {
            let cached = Cached::new(storage.root, ranges.clone(), name.clone());
            storage.root = Arc::new(cached);
            storage.ranges = Some(ranges.clone());
        }
        let fenced = Fence::folder(
            storage.root,
            Root::of(&storage.url)?,
            storage.prefix.clone(),
        );
        storage.root = Arc::new(fenced);
        storage.store_url = Url::parse(&format!("{LAKE_SCHEME}://{name}"))
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(storage)
    }

    /// Opens a folder that a statement names, within what `access` lets statements reach.
    ///
    /// # Errors
    /// `Denied`; otherwise as [`Storage::open`].
    pub fn open_external(location: &str, config: &StorageConfig, access: &Access) -> Result<Self> {
        let url = folder_url(location)?;
        access.check(&url, Mode::Read)?;
        let root = access.open(&url, config)?;
        Self::with_store(url, root)
    }

    /// A folder on a store that is open already; `url` ends with a slash.
    ///
    /// # Errors
    /// A URL whose path is not a path of the store.
    pub fn with_store(url: Url, root: Arc<dyn ObjectStore>) -> Result<Self> {
        let prefix = Path::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{}: {error}", redact(&url))))?;
        let mut store_url = url.clone();
        store_url.set_path("");
        store_url.set_query(None);
        Ok(Self {
            url,
            store_url,
            root,
            prefix,
            ranges: None,
        })
    }

    /// The folder's URL, with a trailing slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL by which plans know the store, for DataFusion's registry. That of a lake is its own.
    pub fn store_url(&self) -> Result<Url> {
        Ok(self.store_url.clone())
    }

    /// The name that it has in plans: the same on every node that was given the same location.
    pub fn name(&self) -> &str {
        self.store_url.host_str().unwrap_or_default()
    }

    /// Whether this is a lake's own storage and not a place that a statement named.
    pub(crate) fn is_lake(&self) -> bool {
        self.store_url.scheme() == LAKE_SCHEME
    }

    /// The store, at its root.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.root
    }

    /// Bytes of its data files that are kept in memory.
    pub fn cached_bytes(&self) -> usize {
        self.ranges.as_ref().map_or(0, Ranges::memory_bytes)
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

    /// The local folder `relative`; `None` in an object store.
    pub(crate) fn local_folder(&self, relative: &str) -> Option<std::path::PathBuf> {
        match self.url.scheme() {
            "file" => place::file_path(&self.path(relative)).ok(),
            _ => None,
        }
    }

    fn explain(&self, error: object_store::Error) -> Error {
        Error::from(error).context(redact(&self.url))
    }
}

/// A location as a URL that ends with a slash.
fn folder_url(location: &str) -> Result<Url> {
    let mut url = parse(location)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}
