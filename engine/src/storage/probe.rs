//! Checks that a location can hold a lake: creating a file must be atomic and exclusive.
//!
//! On a file system put-if-absent is a hard link, which some mounts lack (FAT, some FUSE and SMB
//! mounts); an S3-compatible server may ignore `If-None-Match`. Either would let two writers
//! commit the same version, so such a location is refused before anything is stored.

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use super::{Storage, redact};
use crate::error::{Error, Result};

/// Creates a file under `_paratope/`, tries to create it again, and removes it.
///
/// # Errors
/// `Unsupported` where the second creation succeeds or hard links are missing; otherwise whatever
/// keeps the location from being written.
pub async fn probe_atomic_create(storage: &Storage) -> Result<()> {
    if storage.url().scheme() == "file"
        && let Ok(folder) = storage.url().to_file_path()
    {
        probe_hard_links(&folder, |from, to| std::fs::hard_link(from, to))?;
    }
    let name = format!("_paratope/probe-{}", Uuid::new_v4().simple());
    // The first answer may be lost and repeated, so only the second attempt is judged.
    storage.create(&name, Bytes::from_static(b"probe")).await?;
    let overwritten = storage.create(&name, Bytes::from_static(b"again")).await;
    storage.delete(&storage.path(&name)).await?;
    if overwritten? {
        return Err(Error::Unsupported(format!(
            "{}: the store overwrites where it should refuse (it ignores If-None-Match), so two writers could lose each other's commits; use a store with conditional writes",
            redact(storage.url())
        )));
    }
    Ok(())
}

/// Makes a file and a second name for it with `link`.
fn probe_hard_links(
    folder: &Path,
    link: impl Fn(&Path, &Path) -> std::io::Result<()>,
) -> Result<()> {
    let place = |error: std::io::Error| Error::from(error).context(folder.display());
    std::fs::create_dir_all(folder).map_err(place)?;
    let first = folder.join(format!(".probe-{}", Uuid::new_v4().simple()));
    let second = first.with_extension("link");
    std::fs::write(&first, b"probe").map_err(place)?;
    let linked = link(&first, &second);
    std::fs::remove_file(&first).map_err(place)?;
    match linked {
        Ok(()) => std::fs::remove_file(&second).map_err(place),
        Err(error) => Err(Error::Unsupported(format!(
            "{} has no hard links ({error}), without which two writers could lose each other's commits; use ext4, xfs, NFS or EFS (not FAT, nor most FUSE and SMB mounts), or an object store",
            folder.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::fmt;
    use std::sync::Arc;

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::path::Path as StorePath;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
        PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
    };
    use url::Url;

    use super::*;

    /// A store that takes no notice of `If-None-Match`, as some S3-compatible servers do.
    #[derive(Debug)]
    struct Overwriting(InMemory);

    impl fmt::Display for Overwriting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Overwriting")
        }
    }

    #[async_trait]
    impl ObjectStore for Overwriting {
        async fn put_opts(
            &self,
            path: &StorePath,
            payload: PutPayload,
            options: PutOptions,
        ) -> StoreResult<PutResult> {
            let options = PutOptions {
                mode: PutMode::Overwrite,
                ..options
            };
            self.0.put_opts(path, payload, options).await
        }

        async fn put_multipart_opts(
            &self,
            path: &StorePath,
            options: PutMultipartOptions,
        ) -> StoreResult<Box<dyn MultipartUpload>> {
            self.0.put_multipart_opts(path, options).await
        }

        async fn get_opts(&self, path: &StorePath, options: GetOptions) -> StoreResult<GetResult> {
            self.0.get_opts(path, options).await
        }

        fn delete_stream(
            &self,
            paths: BoxStream<'static, StoreResult<StorePath>>,
        ) -> BoxStream<'static, StoreResult<StorePath>> {
            self.0.delete_stream(paths)
        }

        fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
            self.0.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> StoreResult<ListResult> {
            self.0.list_with_delimiter(prefix).await
        }

        async fn copy_opts(
            &self,
            from: &StorePath,
            to: &StorePath,
            options: CopyOptions,
        ) -> StoreResult<()> {
            self.0.copy_opts(from, to, options).await
        }
    }

    fn storage(store: Arc<dyn ObjectStore>) -> Storage {
        Storage::with_store(Url::parse("s3://bucket/lake/").unwrap(), store).unwrap()
    }

    #[tokio::test]
    async fn a_store_that_overwrites_is_refused() {
        let storage = storage(Arc::new(Overwriting(InMemory::new())));
        let error = probe_atomic_create(&storage).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
        assert!(error.to_string().contains("If-None-Match"), "{error}");
    }

    #[tokio::test]
    async fn a_store_with_conditional_writes_passes_and_is_left_clean() {
        let store = Arc::new(InMemory::new());
        let storage = storage(Arc::clone(&store) as Arc<dyn ObjectStore>);
        probe_atomic_create(&storage).await.unwrap();
        let left = store.list_with_delimiter(None).await.unwrap();
        assert!(left.objects.is_empty() && left.common_prefixes.is_empty());
    }

    #[test]
    fn a_mount_without_hard_links_is_refused_with_the_remedy_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let no_links = |_: &Path, _: &Path| Err(std::io::ErrorKind::PermissionDenied.into());
        let error = probe_hard_links(folder.path(), no_links).unwrap_err();
        assert!(error.to_string().contains("hard links"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_system_with_hard_links_passes_and_is_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        probe_hard_links(folder.path(), |from, to| std::fs::hard_link(from, to)).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
