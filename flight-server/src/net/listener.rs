//! Accepts connections and hands them to tonic when they are ready.
//!
//! Handshakes run beside each other and have a time limit: a client that opens a connection and says nothing holds up
//! nobody.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use engine::{Error, Result};
use futures::{Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;

use super::connection::Connection;
use super::tls::Tls;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at the same time. Beyond it, new connections are closed: who opens so many wants no answer.
const HANDSHAKES: usize = 4_096;
/// Connections that are ready and wait for tonic.
const READY: usize = 64;
/// A silent connection is asked after so long whether it lives,
const IDLE: Duration = Duration::from_secs(60);
/// again and again in this time,
const INTERVAL: Duration = Duration::from_secs(15);
/// and closed after so many unanswered questions.
const RETRIES: u32 = 4;
/// Pause after an accept that failed (for want of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// The number of the next connection.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Connections, as they become ready. Dropping it closes the port; connections that were handed out live on.
#[derive(Debug)]
pub struct Incoming {
    ready: mpsc::Receiver<Connection>,
    address: SocketAddr,
}

impl Incoming {
    /// Listens on the address.
    ///
    /// # Errors
    /// An address that is taken or not of this machine.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        listener
            .and_then(|listener| Self::new(listener, tls))
            .map_err(|error| {
                Error::Invalid(format!(
                    "server.listen {address}: {error}; stop what listens there, or choose another address (port 0: any)"
                ))
            })
    }

    /// Connections of a listener, in the current runtime.
    ///
    /// # Errors
    /// A listener without an address.
    pub fn new(listener: TcpListener, tls: Option<Tls>) -> io::Result<Self> {
        Self::within(listener, tls, HANDSHAKE)
    }

    pub(super) fn within(
        listener: TcpListener,
        tls: Option<Tls>,
        handshake: Duration,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, receiver) = mpsc::channel(READY);
        let reception = Reception {
            tls: tls.map(Arc::new),
            ready,
            handshake,
        };
        tokio::spawn(reception.run(listener));
        Ok(Self {
            ready: receiver,
            address,
        })
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready
            .poll_recv(context)
            .map(|connection| connection.map(Ok))
    }
}

/// Receives clients until nobody wants their connections any more.
struct Reception {
    tls: Option<Arc<Tls>>,
    ready: mpsc::Sender<Connection>,
    handshake: Duration,
}

impl Reception {
    async fn run(self, listener: TcpListener) {
        let mut clients = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(IDLE))
            .with_keepalive_interval(Some(INTERVAL))
            .with_keepalive_retries(Some(RETRIES));
        // Dropped at the end, and with it the handshakes.
        let mut handshakes = JoinSet::new();
        loop {
            let client = tokio::select! {
                () = self.ready.closed() => return,
                _ = handshakes.join_next(), if !handshakes.is_empty() => continue,
                client = clients.next() => client,
            };
            match client {
                Some(Ok(stream)) if handshakes.len() < HANDSHAKES => {
                    let greeting = self.greet(stream);
                    handshakes.spawn(greeting);
                }
                Some(Ok(stream)) => {
                    drop(stream);
                    tracing::warn!("{HANDSHAKES} clients are connecting: one more was turned away");
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
                None => return,
            }
        }
    }

    /// Brings a connection to where HTTP/2 begins, and hands it over.
    fn greet(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let (tls, ready, limit) = (self.tls.clone(), self.ready.clone(), self.handshake);
        async move {
            // A client that has gone already has no address.
            let Ok(address) = stream.peer_addr() else {
                return;
            };
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let connection = match tls {
                None => Connection::plain(stream, address, number),
                Some(tls) => match tokio::time::timeout(limit, tls.accept(stream)).await {
                    Ok(Ok(stream)) => Connection::encrypted(stream, address, number),
                    Ok(Err(error)) => {
                        tracing::debug!(%address, %error, "a TLS handshake failed");
                        return;
                    }
                    Err(_) => {
                        tracing::debug!(%address, "a TLS handshake took too long");
                        return;
                    }
                },
            };
            let _ = ready.send(connection).await;
        }
    }
}
