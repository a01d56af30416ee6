//! Connections as clients make them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::TlsConfig;
use futures::{FutureExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::Connected as _;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server};
use tower::ServiceExt as _;

use super::authority::{Authority, Pair};
use super::*;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn tls(config: &TlsConfig, clients: ClientCertificates) -> Tls {
    Tls::watch(config, clients, Duration::ZERO)
        .unwrap()
        .unwrap()
}

async fn listen(tls: Option<Tls>, handshake: Duration) -> Incoming {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Incoming::within(listener, tls, handshake).unwrap()
}

async fn connect(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, stream).await
}

async fn next(incoming: &mut Incoming) -> Connection {
    let next = tokio::time::timeout(PATIENCE, incoming.next()).await;
    next.expect("no connection").unwrap().unwrap()
}

#[tokio::test]
async fn a_plain_connection_carries_bytes_and_knows_its_peer() {
    let mut incoming = listen(None, PATIENCE).await;
    let mut first = TcpStream::connect(incoming.local_address()).await.unwrap();
    let mut connection = next(&mut incoming).await;
    let peer = connection.connect_info();
    assert_eq!(peer.address, first.local_addr().unwrap());
    assert!(peer.certificates.is_none());
    first.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    connection.read_exact(&mut heard).await.unwrap();
    connection.write_all(&heard).await.unwrap();
    first.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");

    let _second = TcpStream::connect(incoming.local_address()).await.unwrap();
    let other = next(&mut incoming).await.connect_info();
    assert_ne!(other.connection, peer.connection);
}

#[tokio::test]
async fn an_encrypted_connection_speaks_http2() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = Authority::write(dir.path(), &authority.server());
    let mut incoming = listen(Some(tls(&config, ClientCertificates::Optional)), PATIENCE).await;
    let mut client = connect(incoming.local_address(), authority.connect(None))
        .await
        .unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut connection = next(&mut incoming).await;
    client.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (first, second) = (authority.server(), authority.server());
    let config = Authority::write(dir.path(), &first);
    let incoming = listen(Some(tls(&config, ClientCertificates::Optional)), PATIENCE).await;
    let shown = async || {
        let client = connect(incoming.local_address(), authority.connect(None))
            .await
            .unwrap();
        client.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(shown().await, first.der());
    // The certificate alone, as it is while both are being replaced; then garbage; then the pair.
    std::fs::write(config.certificate.as_ref().unwrap(), &second.certificate).unwrap();
    assert_eq!(shown().await, first.der());
    std::fs::write(config.key.as_ref().unwrap(), "no key").unwrap();
    assert_eq!(shown().await, first.der());
    std::fs::write(config.key.as_ref().unwrap(), &second.key).unwrap();
    assert_eq!(shown().await, second.der());
}

#[tokio::test]
async fn clients_that_stop_half_way_hold_up_nobody_and_are_closed_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = Authority::write(dir.path(), &authority.server());
    let limit = Duration::from_secs(4);
    let mut incoming = listen(Some(tls(&config, ClientCertificates::Optional)), limit).await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for n in 0..50_u8 {
        let mut stream = TcpStream::connect(incoming.local_address()).await.unwrap();
        // Some say nothing, some begin a handshake.
        if n % 2 == 0 {
            stream.write_all(&[22, 3, 1, 0, 200, 1]).await.unwrap();
        }
        silent.push(stream);
    }
    let client = connect(incoming.local_address(), authority.connect(None))
        .await
        .unwrap();
    next(&mut incoming).await;
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    drop(client);
    for mut stream in silent {
        let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
    }
    let more = incoming.next().now_or_never();
    assert!(
        more.is_none(),
        "a connection without a handshake was handed out"
    );
}

#[tokio::test]
async fn what_is_not_tls_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = Authority::write(dir.path(), &authority.server());
    let mut incoming = listen(Some(tls(&config, ClientCertificates::Optional)), PATIENCE).await;
    let mut stream = TcpStream::connect(incoming.local_address()).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    // The answer is an alert, or the end.
    let _ = stream.read(&mut [0; 64]).await;
    assert!(incoming.next().now_or_never().is_none());
}

fn with_clients(dir: &Path, config: TlsConfig, authority: &Authority) -> TlsConfig {
    let file = dir.join("clients.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    TlsConfig {
        client_ca: Some(file),
        ..config
    }
}

/// Whether a client gets through: with TLS 1.3 it hears of a refusal only when it reads.
async fn gets_through(incoming: &mut Incoming, config: Arc<ClientConfig>) -> Option<Peer> {
    let mut client = connect(incoming.local_address(), config).await.ok()?;
    let mut heard = [0; 64];
    tokio::select! {
        connection = next(incoming) => Some(connection.connect_info()),
        _ = client.read(&mut heard) => None,
    }
}

#[tokio::test]
async fn client_certificates_are_checked_and_required_where_there_is_no_other_way_in() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = Authority::write(dir.path(), &authority.server());
    let config = with_clients(dir.path(), config, &authority);
    let (ada, eve) = (authority.client("ada"), stranger.client("ada"));
    for clients in [ClientCertificates::Optional, ClientCertificates::Required] {
        let mut incoming = listen(Some(tls(&config, clients)), PATIENCE).await;
        let mut call =
            async |pair: Option<&Pair>| gets_through(&mut incoming, authority.connect(pair)).await;
        let peer = call(Some(&ada)).await.unwrap();
        assert_eq!(peer.certificates.unwrap()[0], ada.der());
        assert!(call(Some(&eve)).await.is_none(), "{clients:?}");
        let without = call(None).await;
        assert_eq!(without.is_some(), clients == ClientCertificates::Optional);
        assert!(without.is_none_or(|peer| peer.certificates.is_none()));
    }
}

#[tokio::test]
async fn dropping_the_listener_closes_its_port() {
    let incoming = listen(None, PATIENCE).await;
    let address = incoming.local_address();
    drop(incoming);
    let started = Instant::now();
    while TcpStream::connect(address).await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_with_a_remedy() {
    let taken = listen(None, PATIENCE).await;
    let error = Incoming::bind(taken.local_address(), None)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("server.listen 127.0.0.1:"), "{message}");
    assert!(message.contains("another address"), "{message}");
}

#[test]
fn files_that_hold_something_else_are_named_without_their_contents() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (pair, other) = (authority.server(), authority.server());
    let good = Authority::write(dir.path(), &pair);
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        Some(file)
    };
    let fails = |config: TlsConfig, expected: &str| {
        let error = Tls::open(&config, ClientCertificates::Optional)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hush"), "{error}");
    };
    let key = |key| TlsConfig {
        key,
        ..good.clone()
    };
    fails(key(file("k1", "hush")), "server.tls.key");
    fails(
        key(file("k2", &pair.certificate)),
        "private key in PEM form",
    );
    fails(key(file("k3", &other.key)), "do not go together");
    fails(key(Some(dir.path().join("none"))), "none: No such file");
    let broken = "-----BEGIN PRIVATE KEY-----\nhush!\n-----END PRIVATE KEY-----\n";
    fails(key(file("k4", broken)), "k4");
    let certificate = |certificate| TlsConfig {
        certificate,
        ..good.clone()
    };
    fails(certificate(file("c1", "hush")), "server.tls.certificate");
    fails(
        certificate(file("c2", &pair.key)),
        "certificates in PEM form",
    );
    let clients = |client_ca| TlsConfig {
        client_ca,
        ..good.clone()
    };
    fails(clients(file("a1", "hush")), "server.tls.client_ca");
    assert!(
        Tls::open(&TlsConfig::default(), ClientCertificates::Optional)
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_grpc_server_tells_its_calls_who_is_at_the_other_end() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = Authority::write(dir.path(), &authority.server());
    let config = with_clients(dir.path(), config, &authority);
    let incoming = listen(Some(tls(&config, ClientCertificates::Optional)), PATIENCE).await;
    let address = incoming.local_address();

    // In place of a service: the answer says what the call knows of its peer.
    let router = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let peer = request.extensions().get::<Peer>().expect("no peer").clone();
        let shown = peer
            .certificates
            .map(|shown| shown[0].len())
            .unwrap_or_default();
        [
            ("peer-connection", peer.connection.to_string()),
            ("certificate", shown.to_string()),
        ]
    });
    let server = Server::builder().add_routes(Routes::from(router));
    let server = tokio::spawn(server.serve_with_incoming(incoming));

    let ada = authority.client("ada");
    let client_tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .identity(Identity::from_pem(&ada.certificate, &ada.key))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    let channel = endpoint
        .tls_config(client_tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let call = async || {
        let request = axum::http::Request::new(Body::empty());
        let answer = channel.clone().oneshot(request).await.unwrap();
        let header = |name| {
            answer.headers()[name]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        (header("peer-connection"), header("certificate"))
    };
    let (connection, certificate) = call().await;
    assert_eq!(usize::try_from(certificate).unwrap(), ada.der().len());
    assert_eq!(
        call().await,
        (connection, certificate),
        "one connection for both calls"
    );
    server.abort();
}
