//! `paratope serve`: the lake on the network.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::arguments::Shared;
use super::exit::Exit;
use super::logging::LogFormat;
use crate::server::{self, Signals};

/// Serve the lake over Arrow Flight SQL
///
/// Clients (ADBC, JDBC, Flight SQL drivers, `paratope query --connect`) send SQL and read rows as
/// Arrow. Health and metrics are told over HTTP.
#[derive(Debug, Args)]
#[command(after_help = "\
Without users, tokens or certificates ([server.auth] in the configuration) the server listens on
loopback addresses only, and whoever reaches it may do everything.
SIGTERM or Ctrl-C: running statements may end ([server.limits] drain_s); a second one stops at once.

Examples:
  paratope serve
  paratope serve --lake s3://bucket/lake --listen 127.0.0.1:0
  paratope serve --log-format json 2>> paratope.log
  paratope query --connect grpc://127.0.0.1:32010 -c 'SELECT count(*) FROM chains'
  curl http://127.0.0.1:32011/readyz http://127.0.0.1:32011/metrics")]
pub struct Serve {
    /// Address of Flight SQL; port 0 takes a free one [default: 127.0.0.1:32010]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of health and metrics [default: 127.0.0.1:32011]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Nodes that compute parts of queries, separated by commas; others may join by themselves
    /// (`paratope worker --join`)
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    workers: Vec<String>,
    /// Folder with jobs, one `.sql` file each, that run when they are due
    #[arg(long, value_name = "DIR")]
    jobs: Option<PathBuf>,
    /// Run no jobs here: other servers of the lake do
    #[arg(long)]
    no_scheduler: bool,
    /// What the lines of the log look like, on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl Serve {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let mut config = shared.load()?;
        let settings = &mut config.server;
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.http = self.http.unwrap_or(settings.http);
        if !self.workers.is_empty() {
            config.cluster.workers = self.workers;
        }
        if self.jobs.is_some() {
            config.jobs.folder = self.jobs;
        }
        config.jobs.scheduler &= !self.no_scheduler;
        let settings = &config.server;
        let scheme = match settings.tls.certificate {
            Some(_) => "grpc+tls",
            None => "grpc",
        };
        let signals = Signals::take()?;
        let listening = server::listen(&config).await?;
        let flight = format!("{scheme}://{}", listening.flight);
        let health = format!("http://{}/healthz", listening.http);
        match self.log_format {
            LogFormat::Text => {
                let mut stderr = io::stderr();
                writeln!(stderr, "Flight SQL: {flight}")?;
                writeln!(stderr, "Health:     {health}")?;
            }
            // Programs read this log: each line is an object.
            LogFormat::Json => tracing::info!(flight, health, "listening"),
        }
        listening.until_stopped(signals).await?;
        Ok(Exit::Success)
    }
}
