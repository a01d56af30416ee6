//! Health and metrics over HTTP, from the threads that answer calls: they are told while all cores compute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::service::Server;
use crate::watch::Exposition;

/// Version of Prometheus's text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the server lives, and takes statements.
pub struct Health {
    server: Arc<Server>,
    exposition: Exposition,
    is_stopping: AtomicBool,
}

impl Health {
    /// Of a server that runs.
    pub fn new(server: Arc<Server>, exposition: Exposition) -> Self {
        Self {
            server,
            exposition,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// It takes no more statements.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

/// Serves until `end`.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { end.cancelled().await })
        .await?;
    Ok(())
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    if health.is_stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    let (running, waiting) = health.server.queries.counts();
    (
        StatusCode::OK,
        format!("ready: {running} statements run, {waiting} wait\n"),
    )
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let told = health.exposition.tell(&health.server);
    ([(CONTENT_TYPE, EXPOSITION)], told)
}
