//! Storage classes: what a store takes for keeping a file, and how fast it gives it back.
//!
//! S3 has `x-amz-storage-class`, Google Cloud Storage `x-goog-storage-class`, Azure `x-ms-access-tier`. A disk has none.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::kernel::EagerSnapshot;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, CopyOptions, GetOptions, GetResult, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result as StoreResult,
};

use super::Table;
use super::archive::ARCHIVE_CLASS;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// Table property: the storage class of new files.
pub const STORAGE_CLASS: &str = "paratope.storageClass";

/// Classes of a kind of store.
struct Classes {
    store: &'static str,
    scheme: &'static str,
    /// Files in these are there at once.
    online: &'static [&'static str],
    /// Files in these have to be asked for first, and wait for hours.
    offline: &'static [&'static str],
}

const KNOWN: &[Classes] = &[
    Classes {
        store: "S3",
        scheme: "s3",
        online: &[
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "REDUCED_REDUNDANCY",
            "EXPRESS_ONEZONE",
            "OUTPOSTS",
        ],
        offline: &["GLACIER", "DEEP_ARCHIVE"],
    },
    Classes {
        store: "Google Cloud Storage",
        scheme: "gs",
        online: &["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"],
        offline: &[],
    },
    Classes {
        store: "Azure",
        scheme: "az",
        online: &["Hot", "Cool", "Cold"],
        offline: &["Archive"],
    },
];

/// Whether any store has a class of this name.
///
/// # Errors
/// `Invalid`, with those that there are.
pub fn check_name(key: &str, class: &str) -> Result<()> {
    let mut classes = KNOWN.iter();
    match classes.any(|it| it.has(key, class)) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "the table property {key} cannot be '{class}': write {}",
            KNOWN
                .iter()
                .map(|it| it.listed(key))
                .collect::<Vec<_>>()
                .join("; ")
        ))),
    }
}

/// Whether the store of `storage` has the class.
///
/// # Errors
/// `Invalid` for another store's class, `Unsupported` for a store without classes.
pub fn check(key: &str, class: &str, storage: &Storage) -> Result<()> {
    let scheme = storage.url().scheme();
    let mut classes = KNOWN.iter();
    match classes.find(|it| it.scheme == scheme) {
        None => Err(Error::Unsupported(format!(
            "the table property {key} cannot be set here: {scheme} has no storage classes"
        ))),
        Some(classes) if classes.has(key, class) => Ok(()),
        Some(classes) => Err(Error::Invalid(format!(
            "the table property {key} cannot be '{class}': write {}",
            classes.listed(key)
        ))),
    }
}

impl Classes {
    fn may_be_offline(key: &str) -> bool {
        key == ARCHIVE_CLASS
    }

    fn has(&self, key: &str, class: &str) -> bool {
        self.online.contains(&class) || (Self::may_be_offline(key) && self.offline.contains(&class))
    }

    fn listed(&self, key: &str) -> String {
        let mut names = self.online.to_vec();
        if Self::may_be_offline(key) {
            names.extend(self.offline);
        }
        format!("{} on {}", names.join(", "), self.store)
    }
}

/// `store`, to which new files are written with the storage class that the table wants for them.
pub fn of_new_files(store: Arc<dyn ObjectStore>, class: Option<&str>) -> Arc<dyn ObjectStore> {
    match class {
        Some(class) => Arc::new(Classed {
            inner: store,
            class: class.to_string().into(),
        }),
        None => store,
    }
}

/// The storage class of new files of a table.
pub fn of(snapshot: &EagerSnapshot) -> Option<String> {
    Table::property(snapshot, STORAGE_CLASS)
}

/// A store whose new objects have a storage class.
#[derive(Debug)]
struct Classed {
    inner: Arc<dyn ObjectStore>,
    class: AttributeValue,
}

impl Classed {
    fn with_class(&self, mut attributes: Attributes) -> Attributes {
        attributes.insert(Attribute::StorageClass, self.class.clone());
        attributes
    }
}

impl std::fmt::Display for Classed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Classed({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a method that is not ours would leave out the class
impl ObjectStore for Classed {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        options.attributes = self.with_class(options.attributes);
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        mut options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        options.attributes = self.with_class(options.attributes);
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
