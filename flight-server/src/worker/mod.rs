//! `paratope worker`: a node of a cluster, which carries out parts of the plans of others.

mod gate;
mod give;
mod join;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use arrow_flight::flight_service_server::FlightServiceServer;
use engine::Lake;
use engine::config::Config;
use engine::distributed;
use engine::session::Sessions;
use engine::storage::{Access, IoThreads};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::computing::Computing;
use crate::net::Incoming;
use crate::server::Signals;
use crate::service::Carrying;
use crate::watch::{self, Exposition, Health, upkeep};
use gate::Gate;
pub use gate::{Keeper, check_token};
use give::Giver;
pub use join::{JOIN, Join};

/// A silent connection is asked so often whether its peer lives,
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// and closed where no answer comes in this time.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(3);

/// How often counts are taken in.
const UPKEEP: Duration = Duration::from_secs(10);

/// A node that listens.
pub struct Listening {
    /// Where plans are taken.
    pub address: SocketAddr,
    /// Where health and metrics are told, where they are.
    pub http: Option<SocketAddr>,
    health: Arc<Health>,
    keeper: Arc<Keeper>,
    end: CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    drain: Duration,
    cpu: Computing,
}

/// Opens the lake and listens; health and metrics are told at `http`.
///
/// # Errors
/// No lake; an address that is taken, or may not be listened on without a token.
pub async fn listen(
    config: &Config,
    address: SocketAddr,
    http: Option<SocketAddr>,
) -> anyhow::Result<Listening> {
    let token = config.cluster.token.clone();
    if token.is_none() && !address.ip().is_loopback() {
        bail!(
            "{address} can be reached from other machines: set cluster.token, the same on every node (PARATOPE__CLUSTER__TOKEN), or listen on 127.0.0.1"
        );
    }
    let exposition = Exposition::start()?;
    let io = IoThreads::current()?;
    let mut config = config.clone();
    config.storage.io = Some(io.clone());
    let lake = Lake::open(&config).await?;
    let cpu = Computing::start(&config)?;
    let access = Access::nothing(&config)?;
    let sessions = Arc::new(Sessions::new(Some(Arc::clone(&lake)), &config, access)?);
    let worker = distributed::worker(&sessions, io)?.into_worker_server();
    let giver = Carrying(FlightServiceServer::new(Giver::new(&sessions, &config)));
    let incoming = Incoming::bind(address, None).await?;
    let address = incoming.local_address();
    let keeper = Keeper::new(token, cpu.handle().clone(), lake);
    let end = CancellationToken::new();
    let node = watch::Node {
        keeper: Arc::clone(&keeper),
        sessions,
    };
    let health = Arc::new(Health::new(Arc::new(node), exposition));
    let http = match http {
        None => None,
        Some(address) => {
            let listener = watch::bind(address).await?;
            let address = listener.local_addr()?;
            tokio::spawn(watch::serve(listener, Arc::clone(&health), end.clone()));
            Some(address)
        }
    };
    tokio::spawn(keep_up(end.clone()));
    let (stopped, kept) = (end.clone().cancelled_owned(), Arc::clone(&keeper));
    let serving = tokio::spawn(
        Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_ANSWER))
            .layer(tower::layer::layer_fn(move |inner| {
                Gate::before(inner, &kept)
            }))
            .add_service(worker)
            .add_service(giver)
            .serve_with_incoming_shutdown(incoming, stopped),
    );
    Ok(Listening {
        address,
        http,
        health,
        keeper,
        end,
        serving,
        drain: Duration::from_secs(config.server.limits.drain_s),
        cpu,
    })
}

/// Takes in what was counted, however seldom somebody asks for it.
async fn keep_up(end: CancellationToken) {
    while !end.is_cancelled() {
        tokio::time::sleep(UPKEEP).await;
        upkeep();
    }
}

impl Listening {
    /// Works until a signal comes, then ends the tasks under way; a second signal stops at once.
    ///
    /// # Errors
    /// A listener that fails.
    pub async fn until_stopped(self, mut signals: Signals) -> anyhow::Result<()> {
        let mut serving = self.serving;
        tokio::select! {
            () = signals.next() => {}
            ended = &mut serving => ended??,
        }
        tracing::info!(
            tasks = self.keeper.tasks(),
            "stopping: no new tasks; running ones have {:?}",
            self.drain
        );
        self.health.stop();
        self.keeper.drain();
        tokio::select! {
            () = self.keeper.idle() => {}
            () = tokio::time::sleep(self.drain) => {
                tracing::warn!(tasks = self.keeper.tasks(), "tasks that have not ended are given up");
            }
            () = signals.next() => {}
        }
        self.end.cancel();
        drop(self.cpu);
        Ok(())
    }
}
