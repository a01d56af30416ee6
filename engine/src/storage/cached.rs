//! An object store whose data files are read through the cache of ranges.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use uuid::Uuid;

use super::ranges::Ranges;

tokio::task_local! {
    /// Who reads, and wants to know.
    static LOOKUPS: Lookups;
}

/// Look-ups of one reader in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Lookups {
    /// Ranges that were there.
    pub found: Count,
    /// Ranges that had to be fetched from the store.
    pub missed: Count,
}

/// Counts the look-ups that `reading` makes.
pub(crate) fn counting<F: Future>(lookups: Lookups, reading: F) -> impl Future<Output = F::Output> {
    LOOKUPS.scope(lookups, reading)
}

/// A store of which parts are kept.
#[derive(Debug)]
pub(super) struct Cached {
    inner: Arc<dyn ObjectStore>,
    ranges: Ranges,
    /// Which store this is, for keys.
    name: String,
}

impl Cached {
    /// `name` tells the store from all others whose parts `ranges` may hold.
    pub(super) fn new(inner: Arc<dyn ObjectStore>, ranges: Ranges, name: String) -> Self {
        Self {
            inner,
            ranges,
            name,
        }
    }

    fn key(&self, location: &Path, range: &Range<u64>) -> String {
        let Range { start, end } = range;
        format!("{}/{location}#{start}-{end}", self.name)
    }
}

/// Whether a file is one of those that are written once: `part-<number>-<id>….parquet`.
fn is_data_file(location: &Path) -> bool {
    let id = location.filename().and_then(|name| {
        let rest = name.strip_suffix(".parquet")?.strip_prefix("part-")?;
        rest.split_once('-')?.1.get(..36)
    });
    id.is_some_and(|id| Uuid::parse_str(id).is_ok())
}

impl fmt::Display for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a method that is not ours would lose the store's own way
impl ObjectStore for Cached {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_data_file(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let mut parts = Vec::with_capacity(ranges.len());
        let mut missing = Vec::new();
        for range in ranges {
            let part = self.ranges.get(&self.key(location, range)).await;
            if part.is_none() {
                missing.push(range.clone());
            }
            parts.push(part);
        }
        let _ = LOOKUPS.try_with(|lookups| {
            lookups.found.add(ranges.len() - missing.len());
            lookups.missed.add(missing.len());
        });
        let mut read = match missing.is_empty() {
            true => Vec::new(),
            false => self.inner.get_ranges(location, &missing).await?,
        }
        .into_iter();
        let whole = ranges.iter().zip(parts).filter_map(|(range, part)| {
            part.or_else(|| {
                let part = read.next()?;
                self.ranges.put(self.key(location, range), &part);
                Some(part)
            })
        });
        Ok(whole.collect())
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::*;
    use crate::config::CacheConfig;

    const FILE: &str = "chains/part-00000-acc9cc04-5c43-4210-9b0c-3f76a896f2c5-c000.zstd.parquet";

    async fn cached(inner: &Arc<InMemory>, config: &CacheConfig) -> Cached {
        let ranges = Ranges::open(config).await.unwrap().unwrap();
        Cached::new(Arc::clone(inner) as _, ranges, "lake".into())
    }

    fn one(range: Range<u64>) -> [Range<u64>; 1] {
        [range]
    }

    fn config() -> CacheConfig {
        CacheConfig {
            memory_bytes: 1 << 20,
            ..CacheConfig::default()
        }
    }

    #[tokio::test]
    async fn parts_that_were_read_are_not_read_again_and_others_are() {
        let inner = Arc::new(InMemory::new());
        let store = cached(&inner, &config()).await;
        let path = Path::from(FILE);
        inner.put(&path, "0123456789".into()).await.unwrap();
        let read = store.get_ranges(&path, &[0..2, 4..6]).await.unwrap();
        assert_eq!(read, ["01", "45"]);
        // What a store that forgot the file cannot give any more came from the cache.
        inner.put(&path, "abcdefghij".into()).await.unwrap();
        let read = store.get_ranges(&path, &[4..6, 2..4, 0..2]).await.unwrap();
        assert_eq!(read, ["45", "cd", "01"]);
        inner.delete(&path).await.unwrap();
        assert_eq!(store.get_ranges(&path, &one(2..4)).await.unwrap(), ["cd"]);
        store.get_ranges(&path, &one(2..5)).await.unwrap_err();
    }

    #[tokio::test]
    async fn files_that_may_change_are_read_each_time() {
        let inner = Arc::new(InMemory::new());
        let store = cached(&inner, &config()).await;
        for name in [
            "data.parquet",
            "_delta_log/_last_checkpoint",
            "part-1.parquet",
        ] {
            let path = Path::from(name);
            inner.put(&path, "one".into()).await.unwrap();
            store.get_ranges(&path, &one(0..3)).await.unwrap();
            inner.put(&path, "two".into()).await.unwrap();
            let read = store.get_ranges(&path, &one(0..3)).await.unwrap();
            assert_eq!(read, ["two"], "{name}");
        }
    }

    #[tokio::test]
    async fn what_lies_on_disk_outlives_the_process_and_each_process_has_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let config = CacheConfig {
            memory_bytes: 1 << 20,
            disk_bytes: 64 << 20,
            folder: Some(folder.path().to_owned()),
        };
        let inner = Arc::new(InMemory::new());
        let path = Path::from(FILE);
        inner.put(&path, "0123456789".into()).await.unwrap();
        {
            let first = cached(&inner, &config).await;
            let second = cached(&inner, &config).await;
            first.get_ranges(&path, &one(0..2)).await.unwrap();
            second.get_ranges(&path, &one(2..4)).await.unwrap();
            first.ranges.close().await;
            second.ranges.close().await;
        }
        let folders = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(folders, 2);
        inner.delete(&path).await.unwrap();
        let again = cached(&inner, &config).await;
        assert_eq!(again.get_ranges(&path, &one(0..2)).await.unwrap(), ["01"]);
    }
}
