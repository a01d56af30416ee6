//! A node tells a server that it is there, again and again: whoever is not heard of is given no work.

use std::time::Duration;

use anyhow::Context as _;
use arrow_flight::Action;
use arrow_flight::flight_service_client::FlightServiceClient;
use engine::distributed::TOKEN_HEADER;
use tonic::Request;
use tonic::transport::Endpoint;

/// The action by which nodes join.
pub const JOIN: &str = "JoinCluster";
/// How often a node says that it is there.
const INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait for a connection and for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whom a node joins, and as what.
#[derive(Debug, Clone)]
pub struct Join {
    /// The server, as it is shown.
    pub server: String,
    /// Where the server is reached.
    pub endpoint: Endpoint,
    /// Where the node can be reached.
    pub advertise: String,
    /// The cluster's token.
    pub token: Option<String>,
}

impl Join {
    /// Joins, and stays.
    pub async fn stay(self) {
        let mut joined = false;
        loop {
            match (self.once().await, joined) {
                (Ok(()), false) => {
                    tracing::info!(server = self.server, node = self.advertise, "joined");
                    joined = true;
                }
                (Ok(()), true) => {}
                (Err(error), _) => {
                    tracing::warn!(
                        server = self.server,
                        error = format!("{error:#}"),
                        "cannot join; trying again"
                    );
                    joined = false;
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn once(&self) -> anyhow::Result<()> {
        let endpoint = self.endpoint.clone().timeout(PATIENCE);
        let channel = tokio::time::timeout(PATIENCE, endpoint.connect())
            .await
            .context("no connection")?
            .context("no connection")?;
        let mut request = Request::new(Action {
            r#type: JOIN.to_string(),
            body: self.advertise.clone().into(),
        });
        if let Some(token) = &self.token {
            let token = token
                .parse()
                .context("cluster.token: visible ASCII characters only")?;
            request.metadata_mut().insert(TOKEN_HEADER, token);
        }
        FlightServiceClient::new(channel)
            .do_action(request)
            .await
            .map_err(|status| anyhow::anyhow!("{}", status.message()))?;
        Ok(())
    }
}
