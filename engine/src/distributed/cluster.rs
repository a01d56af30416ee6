//! The nodes of a cluster, and whether each can be given work.
//!
//! Nodes are looked for and asked again and again, by threads that do not compute; whoever plans takes those that answered
//! last. Addresses come from a list (`cluster.workers`), from names that stand for several machines (`dns://name:port`,
//! resolved each time), and from nodes that join by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion_distributed::{ChannelResolver, GetWorkerInfoRequest, WorkerResolver};
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use url::Url;

use super::channels::{Channels, Load};
use super::{DRAINING, VERSION};
use crate::config::ClusterConfig;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::storage::IoThreads;

tokio::task_local! {
    /// Whether the plan that is being distributed asks language models.
    pub(super) static ASKS_MODELS: bool;
}

/// How often nodes are asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long they may take to answer.
const ANSWER: Duration = Duration::from_secs(3);
/// A node that joined by itself and has not said so again for so long is forgotten.
const SILENCE: Duration = Duration::from_secs(30);
/// Scheme of names that stand for several machines.
const NAMES: &str = "dns";

/// Whether a node can be given work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// It can.
    Ready,
    /// It ends what it has and takes nothing new.
    Draining,
    /// It is of another version, so that plans may mean something else to it.
    OtherVersion,
    /// It works on another lake, so that it has nothing of what plans read.
    OtherLake,
    /// It does not answer; why.
    Lost(String),
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::OtherVersion => "other_version",
            Self::OtherLake => "other_lake",
            Self::Lost(_) => "lost",
        })
    }
}

/// A node as it is known.
#[derive(Debug, Clone)]
pub struct Node {
    /// Whether it can be given work.
    pub state: NodeState,
    /// What it says its version is.
    pub version: Option<String>,
    /// When it answered last.
    pub seen_at: Option<DateTime<Utc>>,
    /// What it has to do; `None` where it never told.
    pub load: Option<Load>,
    /// When it said last that it joins; `None` for those of the configuration.
    joined: Option<Instant>,
}

impl Node {
    fn new(joined: Option<Instant>) -> Self {
        Self {
            state: NodeState::Lost("it was not asked yet".into()),
            version: None,
            seen_at: None,
            load: None,
            joined,
        }
    }
}

/// All nodes that are known.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    /// Name of the lake in plans.
    lake: String,
    io: IoThreads,
    channels: Arc<Channels>,
    nodes: RwLock<BTreeMap<Url, Node>>,
}

impl Cluster {
    /// The nodes of the configuration that work on `lake`, asked once.
    ///
    /// # Errors
    /// Addresses that are none.
    pub async fn open(config: &ClusterConfig, lake: &Lake, io: IoThreads) -> Result<Arc<Self>> {
        let cluster = Self {
            channels: Arc::new(Channels::new(io.clone(), config.token.as_deref())?),
            config: config.clone(),
            lake: lake.storage().name().to_string(),
            io,
            nodes: RwLock::default(),
        };
        for given in &config.workers {
            cluster.address(given)?;
        }
        let cluster = Arc::new(cluster);
        cluster.ask().await;
        Ok(cluster)
    }

    /// Asks the nodes again and again, as long as anybody holds the cluster.
    pub fn watch(self: &Arc<Self>) {
        let cluster = Arc::downgrade(self);
        self.io.spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                match cluster.upgrade() {
                    Some(cluster) => cluster.ask().await,
                    None => return,
                }
            }
        });
    }

    /// Connections to nodes.
    pub(super) fn channels(&self) -> Arc<Channels> {
        Arc::clone(&self.channels)
    }

    /// What it was opened with.
    pub(super) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// All nodes, by address.
    pub fn nodes(&self) -> BTreeMap<Url, Node> {
        self.read().clone()
    }

    /// Whether no other node was ever meant to be there: then everything is computed here.
    pub(super) fn is_alone(&self) -> bool {
        self.config.workers.is_empty() && self.read().is_empty()
    }

    /// Addresses of the nodes that can be given work, in a fixed order.
    pub fn ready(&self) -> Vec<Url> {
        let nodes = self.read();
        let ready = nodes
            .iter()
            .filter(|(_, node)| node.state == NodeState::Ready);
        ready.map(|(url, _)| url.clone()).collect()
    }

    /// The same for a plan or a stage: where it asks language models, those with a device for them if there are any.
    pub(super) fn ready_for(&self, asks_models: bool) -> Vec<Url> {
        let ready = self.ready();
        if !asks_models {
            return ready;
        }
        let nodes = self.read();
        let has_device = |url: &&Url| {
            let load = nodes.get(*url).and_then(|node| node.load.as_ref());
            load.is_some_and(|load| load.devices > 0)
        };
        let with_device: Vec<Url> = ready.iter().filter(has_device).cloned().collect();
        match with_device.is_empty() {
            true => ready,
            false => with_device,
        }
    }

    /// Those that a stage of a plan is given to.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn workers(&self, asks_models: bool) -> DFResult<Vec<Url>> {
        let mut ready = self.ready_for(asks_models);
        match ready.as_slice() {
            [] => Err(DataFusionError::from(self.nobody())),
            // A single one would have everything computed by the coordinator.
            [only] => {
                ready.push(only.clone());
                Ok(ready)
            }
            _ => Ok(ready),
        }
    }

    /// A node says that it is there. It has to say so again before long.
    ///
    /// # Errors
    /// An address that is none.
    pub async fn join(&self, address: &str) -> Result<()> {
        let url = self.address(address)?;
        let is_new = {
            let mut nodes = self.write();
            let now = Some(Instant::now());
            let node = nodes.entry(url.clone()).or_insert_with(|| Node::new(now));
            if node.joined.is_some() {
                node.joined = now;
            }
            node.seen_at.is_none()
        };
        if is_new {
            self.ask_one(&url).await;
        }
        Ok(())
    }

    /// Asks those that are taken for ready: one of them failed a query. Those that are lost would take their time.
    pub(super) async fn ask_ready(&self) {
        let ready = self.ready();
        join_all(ready.iter().map(|url| self.ask_one(url))).await;
    }

    /// Looks for nodes and asks all of them.
    async fn ask(&self) {
        let listed = self.resolve().await;
        {
            let mut nodes = self.write();
            nodes.retain(|url, node| match node.joined {
                Some(joined) => joined.elapsed() < SILENCE,
                None => listed.contains(url),
            });
            for url in &listed {
                let node = nodes.entry(url.clone()).or_insert_with(|| Node::new(None));
                node.joined = None;
            }
        }
        let urls: Vec<Url> = self.read().keys().cloned().collect();
        join_all(urls.iter().map(|url| self.ask_one(url))).await;
    }

    async fn ask_one(&self, url: &Url) {
        let asked = timeout(ANSWER, async {
            let mut client = self.channels.get_worker_client_for_url(url).await?;
            client.get_worker_info(GetWorkerInfoRequest {}).await
        });
        let answer = match asked.await {
            Ok(answer) => answer.map_err(|error| reason(&error)),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        };
        let mut nodes = self.write();
        let Some(node) = nodes.get_mut(url) else {
            return;
        };
        let before = node.state.clone();
        match answer {
            Ok(info) => {
                node.load = self.channels.load(url);
                let is_of_lake = node.load.as_ref().is_none_or(|load| load.lake == self.lake);
                node.state = match info.version.as_str() {
                    VERSION if is_of_lake => NodeState::Ready,
                    VERSION => NodeState::OtherLake,
                    _ => NodeState::OtherVersion,
                };
                node.version = Some(info.version);
                node.seen_at = Some(Utc::now());
            }
            Err(reason) if reason.contains(DRAINING) => node.state = NodeState::Draining,
            Err(reason) => {
                self.channels.forget(url);
                node.state = NodeState::Lost(reason);
            }
        }
        if node.state.to_string() != before.to_string() {
            let (state, was) = (&node.state, &before);
            let reason = match state {
                NodeState::Lost(reason) => reason.as_str(),
                _ => "",
            };
            tracing::info!(%url, %state, %was, reason, "a node changed its state");
        }
    }

    /// The addresses of the configuration, names resolved.
    async fn resolve(&self) -> Vec<Url> {
        let mut found = Vec::new();
        for given in &self.config.workers {
            let Ok(url) = self.address(given) else {
                continue;
            };
            let (NAMES, Some(host), Some(port)) = (url.scheme(), url.host_str(), url.port()) else {
                found.push(url);
                continue;
            };
            match tokio::net::lookup_host((host, port)).await {
                Ok(addresses) => found.extend(
                    addresses.filter_map(|address| Url::parse(&format!("http://{address}")).ok()),
                ),
                Err(error) => tracing::warn!(%url, %error, "nodes cannot be looked up"),
            }
        }
        found
    }

    /// An address as it is dialled.
    fn address(&self, given: &str) -> Result<Url> {
        let wrong = || {
            Error::Invalid(format!(
                "{given} is no address of a node: http://host:port, or dns://name:port for all machines of a name"
            ))
        };
        let given = match given.strip_prefix("grpc://") {
            Some(rest) => format!("http://{rest}"),
            None => given.to_string(),
        };
        let url = Url::parse(&given).map_err(|_| wrong())?;
        let is_known = matches!(url.scheme(), "http" | NAMES);
        match is_known && url.host_str().is_some() && url.port_or_known_default().is_some() {
            true => Ok(url),
            false => Err(wrong()),
        }
    }

    /// Why there is nobody to work.
    fn nobody(&self) -> Error {
        let nodes = self.read();
        let states: Vec<String> = nodes
            .iter()
            .map(|(url, node)| match &node.state {
                NodeState::Lost(reason) => format!("{url} is lost: {reason}"),
                NodeState::OtherVersion => format!(
                    "{url} is of version {} and this is {VERSION}",
                    node.version.as_deref().unwrap_or("?")
                ),
                NodeState::OtherLake => format!(
                    "{url} works on another lake, or on this one under another address: give it the same --lake"
                ),
                state => format!("{url} is {state}"),
            })
            .collect();
        let states = match states.is_empty() {
            true => "none is known".to_string(),
            false => states.join("; "),
        };
        Error::Unavailable(format!(
            "no node of the cluster can be given work ({states}); try again, or start one with paratope worker"
        ))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Url, Node>> {
        self.nodes
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Url, Node>> {
        self.nodes
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl WorkerResolver for Cluster {
    fn get_urls(&self) -> DFResult<Vec<Url>> {
        self.workers(ASKS_MODELS.try_with(|it| *it).unwrap_or(false))
    }
}

/// The innermost message of an error of a call.
fn reason(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<tonic::Status>() {
            Some(status) => status.message().to_string(),
            None => inner.to_string(),
        },
        other => other.strip_backtrace(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;
    use crate::config::Config;

    fn node(state: NodeState, devices: Option<u64>) -> Node {
        let load = devices.map(|devices| Load {
            devices,
            ..Load::default()
        });
        Node {
            state,
            load,
            ..Node::new(None)
        }
    }

    #[tokio::test]
    async fn models_are_asked_of_nodes_with_devices_and_of_all_where_none_that_is_ready_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        let lake = Lake::open_or_init(&config).await.unwrap();
        let cluster = Cluster::open(&config.cluster, &lake, IoThreads::current().unwrap())
            .await
            .unwrap();
        let url = |number: u16| Url::parse(&format!("http://node:{number}")).unwrap();
        let set = |number, state, devices| {
            cluster.write().insert(url(number), node(state, devices));
        };
        set(1, NodeState::Ready, Some(0));
        set(2, NodeState::Ready, None);
        set(3, NodeState::Draining, Some(4));
        assert_eq!(cluster.workers(true).unwrap(), [url(1), url(2)]);
        set(4, NodeState::Ready, Some(1));
        set(5, NodeState::Ready, Some(2));
        assert_eq!(cluster.workers(true).unwrap(), [url(4), url(5)]);
        assert_eq!(cluster.workers(false).unwrap(), [1, 2, 4, 5].map(url));
        set(4, NodeState::Lost(String::new()), Some(1));
        // Twice, so that the coordinator does not compute what the node should.
        assert_eq!(cluster.workers(true).unwrap(), [url(5), url(5)]);
    }
}
