//! Health and metrics over HTTP, from the threads that answer calls: they are told while all cores compute.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::exposition::Exposition;

/// Version of Prometheus's text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What tells of itself: a server, or a node.
pub trait Watched: Send + Sync {
    /// What it does, in a few words.
    fn state(&self) -> String;

    /// Sets the gauges that show it.
    fn measure(&self);
}

/// Whether a process lives, and takes work.
pub struct Health {
    watched: Arc<dyn Watched>,
    exposition: Exposition,
    is_stopping: AtomicBool,
}

impl Health {
    /// Of one that runs.
    pub fn new(watched: Arc<dyn Watched>, exposition: Exposition) -> Self {
        Self {
            watched,
            exposition,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// It takes no more work.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

/// A listener for health and metrics.
///
/// # Errors
/// An address that is taken.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --http"))
}

/// Serves until `end`.
///
/// # Errors
/// A listener that fails.
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
    let state = health.watched.state();
    (StatusCode::OK, format!("ready: {state}\n"))
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let told = health.exposition.tell(health.watched.as_ref());
    ([(CONTENT_TYPE, EXPOSITION)], told)
}
