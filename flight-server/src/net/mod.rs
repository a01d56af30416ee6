//! Connections of clients.

use std::net::SocketAddr;

use arrow_flight::flight_service_server::FlightServiceServer;
use engine::config::TlsConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::service::Service;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Unique within the process.
    pub connection: u64,
}

/// Serves until `end`.
pub async fn serve(
    listener: TcpListener,
    _tls: TlsConfig,
    service: FlightServiceServer<Service>,
    end: CancellationToken,
) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(
            tokio_stream::wrappers::TcpListenerStream::new(listener),
            end.cancelled_owned(),
        )
        .await?;
    Ok(())
}
