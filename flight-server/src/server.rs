//! `paratope serve`: listeners, threads, and an orderly end.
//!
//! Calls are answered on one set of threads and plans run on another, so that health is told in milliseconds while all
//! cores compute.

mod stop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use engine::Lake;
use engine::config::{Config, threads};
use engine::distributed::Cluster;
use engine::policy::{QUERY_LOG, RESULTS};
use engine::queries::{Limits, Queries, QueryLog, follow_tasks};
use engine::session::Sessions;
use engine::storage::{Access, IoThreads};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::computing::Computing;
use crate::jobs;
use crate::net::{ClientCertificates, Incoming, Tls};
use crate::service::{Carrying, Server, ServerParts, Service};
use crate::watch::{self, Exposition, Health, ended, upkeep};
pub use stop::Signals;

/// How often sessions and tickets are looked through.
const REAP: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it lives, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long connections may take to end once all statements have.
const LINGER: Duration = Duration::from_secs(2);

/// A server that listens.
pub struct Listening {
    /// Where Flight SQL is spoken.
    pub flight: SocketAddr,
    /// Where health and metrics are told.
    pub http: SocketAddr,
    server: Arc<Server>,
    health: Arc<Health>,
    drain: Duration,
    end: CancellationToken,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    log: JoinHandle<()>,
    /// The scheduler of jobs, and what ends it.
    jobs: Option<JoinHandle<()>>,
    no_more_jobs: CancellationToken,
    cpu: Computing,
}

/// Opens the lake and listens.
///
/// # Errors
/// No lake; an address that is taken, or may not be listened on without authentication; certificates that cannot be read.
pub async fn listen(config: &Config) -> anyhow::Result<Listening> {
    let exposition = Exposition::start()?;
    follow_tasks();
    // Plans ask the stores from threads that compute; their requests are made here, where nothing does.
    let mut config = config.clone();
    config.storage.io = Some(IoThreads::current()?);
    let config = &config;
    let settings = &config.server;
    let authenticator = Authenticator::new(&settings.auth, &settings.tls, settings.listen)?;
    let certificates = match authenticator.takes_certificates_only() {
        true => ClientCertificates::Required,
        false => ClientCertificates::Optional,
    };
    let tls = Tls::open(&settings.tls, certificates)?;
    let lake = complete(config, Lake::open(config).await?).await?;
    let cpu = Computing::start(config)?;
    let access = Access::listed(config)?;
    let cluster = Cluster::open(&config.cluster, &lake, IoThreads::current()?).await?;
    cluster.watch();
    let no_more_jobs = CancellationToken::new();
    let jobs = jobs::start(
        config,
        &lake,
        Arc::clone(&cluster),
        cpu.handle(),
        no_more_jobs.clone(),
    )?;
    let sessions = Sessions::new(Some(Arc::clone(&lake)), config, access)?.with_cluster(cluster)?;
    let limits = Limits::new(
        &settings.limits,
        threads(config.query.threads),
        engine::session::query_memory(config),
    );
    let (log, entries) = QueryLog::new(lake);
    let queries = Queries::new(limits, sessions.memory_pool())
        .with_log(entries)
        .with_clock(tokio::runtime::Handle::current())
        .with_literals(settings.log_literals)
        .with_listener(ended);
    let server = Arc::new(Server::new(
        ServerParts {
            authenticator,
            sessions,
            queries: Arc::new(queries),
            cpu: cpu.handle().clone(),
        },
        &settings.limits,
    )?);
    let http = watch::bind(settings.http).await?;
    let health = Arc::new(Health::new(Arc::clone(&server) as _, exposition));
    let end = CancellationToken::new();
    let service = FlightServiceServer::new(Service::new(Arc::clone(&server)))
        .max_decoding_message_size(settings.limits.message_bytes)
        .max_encoding_message_size(usize::MAX);
    let incoming = Incoming::bind(settings.listen, tls).await?;
    let (flight_address, http_address) = (incoming.local_address(), http.local_addr()?);
    let tasks = vec![
        tokio::spawn(serve(incoming, Carrying(service), end.clone())),
        tokio::spawn(watch::serve(http, Arc::clone(&health), end.clone())),
        tokio::spawn(reap(Arc::clone(&server), end.clone())),
    ];
    Ok(Listening {
        flight: flight_address,
        http: http_address,
        server,
        health,
        drain: Duration::from_secs(settings.limits.drain_s),
        end,
        tasks,
        log: cpu.handle().spawn(log.run()),
        jobs,
        no_more_jobs,
        cpu,
    })
}

/// A lake that an earlier version made gets the tables that it lacks.
async fn complete(config: &Config, lake: Arc<Lake>) -> anyhow::Result<Arc<Lake>> {
    let known = [
        format!("system.{QUERY_LOG}"),
        engine::jobs::RUNS.to_string(),
        format!("system.{RESULTS}"),
    ];
    match known.iter().all(|table| lake.table(table).is_ok()) {
        true => Ok(lake),
        false => Ok(Lake::init(config).await?.0),
    }
}

async fn serve(
    incoming: Incoming,
    service: Carrying<FlightServiceServer<Service>>,
    end: CancellationToken,
) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, end.cancelled_owned())
        .await?;
    Ok(())
}

async fn reap(server: Arc<Server>, end: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = end.cancelled() => return Ok(()),
            () = tokio::time::sleep(REAP) => {}
        }
        let server = Arc::clone(&server);
        // What is forgotten is taken apart where plans run: of ten thousand sessions that takes its time.
        let work = server.cpu.clone().spawn_blocking(move || {
            server.reap();
            upkeep();
        });
        let _ = work.await;
    }
}

impl Listening {
    /// Serves until a signal comes, then lets running statements end; a second signal stops at once.
    ///
    /// # Errors
    /// A listener that fails.
    pub async fn until_stopped(mut self, mut signals: Signals) -> anyhow::Result<()> {
        tokio::select! {
            () = signals.next() => {}
            failed = first_end(&mut self.tasks) => failed?,
        }
        tracing::info!(
            "stopping: no new statements; running ones have {:?}",
            self.drain
        );
        self.health.stop();
        self.server.queries.close();
        self.no_more_jobs.cancel();
        tokio::select! {
            () = self.idle() => {}
            () = tokio::time::sleep(self.drain) => {
                self.server.queries.cancel_all("the server, which is stopping");
                let _ = tokio::time::timeout(LINGER, self.idle()).await;
            }
            () = signals.next() => {
                tracing::warn!("stopping at once");
                return Ok(());
            }
        }
        if let Some(jobs) = self.jobs.take() {
            let _ = tokio::time::timeout(self.drain.max(LINGER) + LINGER, jobs).await;
        }
        self.end.cancel();
        for task in self.tasks {
            let _ = tokio::time::timeout(LINGER, task).await;
        }
        // The last sender of the log goes with the server; then it writes what it has.
        self.server.queries.close_log();
        drop(self.server);
        let _ = tokio::time::timeout(self.drain.max(LINGER), self.log).await;
        drop(self.cpu);
        Ok(())
    }

    /// Waits until no statement waits or runs.
    async fn idle(&self) {
        while !self.server.queries.list().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits for the first of the tasks to end, which none does by itself.
async fn first_end(tasks: &mut [JoinHandle<anyhow::Result<()>>]) -> anyhow::Result<()> {
    let (ended, ..) = futures::future::select_all(tasks.iter_mut()).await;
    ended?.and_then(|()| anyhow::bail!("a listener ended by itself"))
}
