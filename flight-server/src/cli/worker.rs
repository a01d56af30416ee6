//! `paratope worker`: a node of a cluster.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::arguments::Shared;
use super::connection::Target;
use super::exit::{Exit, Usage};
use super::logging::LogFormat;
use crate::server::Signals;
use crate::worker::{self, Join};

/// Port of a node.
const PORT: u16 = 32_012;

/// Work for a cluster: carry out parts of the queries of others
///
/// A node opens the lake that the others have, and waits for plans. Servers and `paratope query`
/// find nodes by a list (`--workers`), or nodes join a server by themselves (`--join`).
#[derive(Debug, Args)]
#[command(after_help = "\
Nodes that other machines reach need a token, the same on every node and server of the cluster:
cluster.token in the configuration, or PARATOPE__CLUSTER__TOKEN.
SIGTERM or Ctrl-C: tasks under way may end ([server.limits] drain_s); a second one stops at once.

Examples:
  paratope worker --lake s3://bucket/lake --listen 0.0.0.0:32012 \\
    --join grpc+tls://server:32010 --advertise http://node1:32012
  paratope worker --join grpc://127.0.0.1:32010
  paratope query --workers http://node1:32012,http://node2:32012 -c 'SELECT count(*) FROM chains'")]
pub struct Worker {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:32012]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address for health and metrics (/healthz, /readyz, /metrics) [default: none]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Join this server (grpc://host:port, grpc+tls://host:port), and stay
    #[arg(long, value_name = "URL")]
    join: Option<Target>,
    /// PEM file with the authorities that the server's certificate may come from [default: the
    /// system's]
    #[arg(long, value_name = "FILE", requires = "join")]
    ca: Option<PathBuf>,
    /// Where others reach this node [default: the address it listens on]
    #[arg(long, value_name = "URL", requires = "join")]
    advertise: Option<String>,
    /// What the lines of the log look like, on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl Worker {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        let address = self
            .listen
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT));
        let signals = Signals::take()?;
        if let (Some(server), None) = (&self.join, &self.advertise)
            && (address.ip().is_unspecified()
                || address.ip().is_loopback() && !server.is_on_this_machine())
        {
            return Err(Usage(format!(
                "{server} cannot reach this node at {address}; add --advertise http://HOST:PORT, and --listen where others come in"
            ))
            .into());
        }
        let listening = worker::listen(&config, address, self.http).await?;
        let node = format!("http://{}", listening.address);
        let health = listening.http.map(|http| format!("http://{http}/healthz"));
        match self.log_format {
            LogFormat::Text => {
                if let Some(health) = health {
                    writeln!(io::stderr(), "Health: {health}")?;
                }
                writeln!(io::stderr(), "Node: {node}")?;
            }
            LogFormat::Json => tracing::info!(node, health, "listening"),
        }
        if let Some(server) = self.join {
            let join = Join {
                endpoint: server.endpoint(self.ca.as_deref())?,
                server: server.to_string(),
                advertise: self.advertise.unwrap_or(node),
                token: config.cluster.token.clone(),
            };
            tokio::spawn(join.stay());
        }
        listening.until_stopped(signals).await?;
        Ok(Exit::Success)
    }
}
