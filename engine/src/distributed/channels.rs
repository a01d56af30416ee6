//! Connections to nodes. They are opened and kept alive by threads that do not compute: where all others do, a living peer
//! would look dead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;
use url::Url;

use super::{CACHED_HEADER, DEVICES_HEADER, LAKE_HEADER, TASKS_HEADER, TOKEN_HEADER};
use crate::error::{Error, Result};
use crate::storage::IoThreads;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// A silent connection is asked so often whether its peer lives,
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// and closed where no answer comes in this time.
pub(super) const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(3);

/// Connections by address; each is shared by all that talk to the node.
pub struct Channels {
    io: IoThreads,
    token: Option<MetadataValue<tonic::metadata::Ascii>>,
    open: Mutex<HashMap<Url, BoxCloneSyncChannel>>,
    loads: Arc<Mutex<HashMap<Url, Load>>>,
}

/// What a node has to do, what it keeps, and where it works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// Name of its lake in plans.
    pub lake: String,
    /// Tasks under way.
    pub tasks: u64,
    /// Bytes of data files in memory.
    pub cached_bytes: u64,
    /// Devices that compute language models.
    pub devices: u64,
}

impl Load {
    fn told(headers: &http::HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        let number = |name| text(name)?.parse().ok();
        Some(Self {
            lake: text(LAKE_HEADER)?.to_string(),
            tasks: number(TASKS_HEADER)?,
            cached_bytes: number(CACHED_HEADER)?,
            devices: number(DEVICES_HEADER)?,
        })
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channels").finish_non_exhaustive()
    }
}

impl Channels {
    /// Connections whose calls carry `token`.
    ///
    /// # Errors
    /// A token that no header can hold.
    pub fn new(io: IoThreads, token: Option<&str>) -> Result<Self> {
        let token = token
            .map(MetadataValue::try_from)
            .transpose()
            .map_err(|_| Error::Invalid("cluster.token: visible ASCII characters only".into()))?;
        Ok(Self {
            io,
            token,
            open: Mutex::default(),
            loads: Arc::default(),
        })
    }

    /// What a node told last.
    pub fn load(&self, url: &Url) -> Option<Load> {
        let loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.get(url).cloned()
    }

    /// A connection that is opened anew the next time somebody wants it.
    pub fn forget(&self, url: &Url) {
        self.open().remove(url);
    }

    async fn channel(&self, url: &Url) -> Result<BoxCloneSyncChannel> {
        if let Some(channel) = self.open().get(url) {
            return Ok(channel.clone());
        }
        let failed = |error: &dyn std::fmt::Display| {
            Error::Unavailable(format!("the node {url} cannot be reached: {error}"))
        };
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|error| Error::Invalid(format!("{url} is no address of a node: {error}")))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER)
            .keep_alive_while_idle(true);
        let connecting = self.io.spawn(async move { endpoint.connect().await });
        let channel = connecting
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&crate::error::causes(&error)))?;
        let token = self.token.clone();
        let channel = channel.map_request(move |mut request: http::Request<tonic::body::Body>| {
            if let Some(token) = &token {
                // What metadata hold, a header does.
                if let Ok(value) = http::HeaderValue::from_bytes(token.as_encoded_bytes()) {
                    request.headers_mut().insert(TOKEN_HEADER, value);
                }
            }
            request
        });
        let (loads, node) = (Arc::clone(&self.loads), url.clone());
        let channel = channel.map_response(move |response: http::Response<tonic::body::Body>| {
            if let Some(load) = Load::told(response.headers()) {
                let mut loads = loads.lock().unwrap_or_else(PoisonError::into_inner);
                loads.insert(node.clone(), load);
            }
            response
        });
        let channel = BoxCloneSyncChannel::new(channel);
        self.open().insert(url.clone(), channel.clone());
        Ok(channel)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Url, BoxCloneSyncChannel>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> DFResult<Box<dyn WorkerChannel>> {
        let channel = self.channel(url).await.map_err(DataFusionError::from)?;
        Ok(create_worker_client(channel))
    }
}
