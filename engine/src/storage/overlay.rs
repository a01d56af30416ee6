//! A runtime that knows one store under another URL than the rest of the session does.
//!
//! deltalake's reader looks a table's store up by the table's real URL. For a table of the lake that must be the lake's
//! own store, while to the statements of the same session this URL is a place like any other.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use url::Url;

#[derive(Debug)]
struct Overlay {
    url: Url,
    store: Arc<dyn ObjectStore>,
    below: Arc<dyn ObjectStoreRegistry>,
}

impl ObjectStoreRegistry for Overlay {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.below.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let is_this = url.scheme() == self.url.scheme() && url.authority() == self.url.authority();
        match is_this {
            true => Ok(Arc::clone(&self.store)),
            false => self.below.get_store(url),
        }
    }
}

/// `runtime`, in which the scheme and authority of `url` mean `store`.
pub(crate) fn with_store(
    runtime: &RuntimeEnv,
    url: Url,
    store: Arc<dyn ObjectStore>,
) -> Arc<RuntimeEnv> {
    let overlay = Overlay {
        url,
        store,
        below: Arc::clone(&runtime.object_store_registry),
    };
    Arc::new(RuntimeEnv {
        object_store_registry: Arc::new(overlay),
        ..runtime.clone()
    })
}
