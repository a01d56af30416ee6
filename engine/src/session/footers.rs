//! The cache of Parquet footers, whose look-ups are counted.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{HashMap, Result as DFResult, TableReference};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheEntryInfo};
use object_store::path::Path;

use crate::measures;

/// DataFusion's own cache.
struct Footers(DefaultCache<Path, CachedFileMetadataEntry>);

/// A cache of so many bytes.
pub fn footers(bytes: usize) -> Arc<FileMetadataCache> {
    Arc::new(Footers(DefaultCache::new(bytes).with_name("footers")))
}

#[deny(clippy::missing_trait_methods)] // the cache below keeps its own way
impl Cache<Path, CachedFileMetadataEntry> for Footers {
    fn get(&self, key: &Path) -> Option<CachedFileMetadataEntry> {
        let found = self.0.get(key);
        measures::cache("parquet_footer", found.is_some());
        found
    }

    fn put(&self, key: &Path, value: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        self.0.put(key, value)
    }

    fn remove(&self, key: &Path) -> Option<CachedFileMetadataEntry> {
        self.0.remove(key)
    }

    fn contains_key(&self, key: &Path) -> bool {
        self.0.contains_key(key)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn clear(&self) {
        self.0.clear();
    }

    fn name(&self) -> String {
        self.0.name()
    }

    fn cache_limit(&self) -> usize {
        self.0.cache_limit()
    }

    fn update_cache_limit(&self, limit: usize) {
        self.0.update_cache_limit(limit);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.0.cache_ttl()
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        self.0.update_cache_ttl(ttl);
    }

    fn drop_table_entries(&self, table: &TableReference) -> DFResult<()> {
        self.0.drop_table_entries(table)
    }

    fn list_entries(&self) -> HashMap<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        self.0.list_entries()
    }
}
