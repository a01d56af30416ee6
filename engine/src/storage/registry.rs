//! Object stores for query plans, built from the configuration when a URL is first met.
//!
//! Whatever a plan reads or writes comes from here, so here every store gets its fence ([`Access`]); only the lake's own,
//! which has a URL and a fence of its own, is registered from outside.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::Url;

use super::Access;
use crate::config::StorageConfig;

/// Stores by scheme and authority.
#[derive(Debug)]
pub struct Registry {
    config: StorageConfig,
    access: Access,
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Registry {
    /// An empty registry; stores are opened with `config` and stay within `access`.
    pub fn new(config: StorageConfig, access: Access) -> Self {
        Self {
            config,
            access,
            stores: RwLock::default(),
        }
    }
}

fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}

impl ObjectStoreRegistry for Registry {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.stores
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key(url), store)
    }

    fn get_store(&self, url: &Url) -> DFResult<Arc<dyn ObjectStore>> {
        let key = key(url);
        let known = self
            .stores
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(store) = known {
            return Ok(store);
        }
        let store = self
            .access
            .open(url, &self.config)
            .map_err(DataFusionError::from)?;
        self.register_store(url, Arc::clone(&store));
        Ok(store)
    }
}
