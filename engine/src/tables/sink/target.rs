//! The table that is written, as far as a writer must know it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use deltalake::kernel::EagerSnapshot;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::Config;
use crate::storage::LAKE_SCHEME;
use crate::tables::Table;
use crate::tables::layout::FileLayout;

/// A table of the lake and the layout of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SinkTarget {
    /// Names and types of the columns, as they are stored.
    pub(super) schema: SchemaRef,
    pub(super) place: Place,
}

/// All but the columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// `schema.name`, for people.
    pub name: String,
    /// The lake's own store, as plans know it.
    store: String,
    /// The table's folder in that store.
    folder: String,
    pub layout: FileLayout,
    /// Memory in which rows are sorted.
    pub sort_bytes: usize,
}

impl SinkTarget {
    /// The table at a version.
    pub fn of(table: &Table, base: &EagerSnapshot, config: &Config) -> crate::error::Result<Self> {
        let storage = table.storage();
        Ok(Self {
            schema: Table::schema(base),
            place: Place {
                name: table.name().into(),
                store: storage.store_url()?.to_string(),
                folder: storage.path(table.location()).to_string(),
                layout: FileLayout::of(base, config.ingest.target_file_bytes),
                sort_bytes: config.ingest.sort_memory_bytes,
            },
        })
    }
}

impl Place {
    /// What came from another node is written into the lake of this one and nowhere else: of the stores that it knows, only
    /// the lake's has such a name.
    ///
    /// # Errors
    /// Another store.
    pub fn is_in_lake(&self) -> Result<()> {
        match Url::parse(&self.store) {
            Ok(url) if url.scheme() == LAKE_SCHEME => Ok(()),
            _ => exec_err!("{}: nodes write into the lake only", self.name),
        }
    }

    /// The table's folder.
    ///
    /// # Errors
    /// Another lake; a folder that is no path.
    pub fn store(&self, context: &TaskContext) -> Result<Arc<dyn ObjectStore>> {
        let url = ObjectStoreUrl::parse(&self.store)?;
        let store = context.runtime_env().object_store(&url)?;
        let folder = Path::parse(&self.folder)?;
        if folder.as_ref().is_empty() {
            return exec_err!("{}: the lake's own folder is no table", self.name);
        }
        Ok(Arc::new(PrefixStore::new(store, folder)))
    }
}

impl Hash for SinkTarget {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.place.hash(state);
    }
}
