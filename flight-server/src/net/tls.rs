//! The server's certificate, the authorities of its clients, and handshakes with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::config::TlsConfig;
use engine::{Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::watched::Watched;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// gRPC is HTTP/2, and some clients insist that this is said.
const HTTP2: &[u8] = b"h2";

/// Whether clients must show a certificate, where authorities for them are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They may, or say by other means who they are.
    Optional,
    /// There is no other way in.
    Required,
}

/// Encrypts connections with the certificate as it stands in its file.
#[derive(Debug)]
pub struct Tls {
    config: Watched<ServerConfig>,
}

impl Tls {
    /// Reads the files now, and again when they change. None where no certificate is configured.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else; a key that is not the certificate's.
    pub fn open(config: &TlsConfig, clients: ClientCertificates) -> Result<Option<Self>> {
        Self::watch(config, clients, LOOK)
    }

    pub(super) fn watch(
        config: &TlsConfig,
        clients: ClientCertificates,
        every: Duration,
    ) -> Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (config.certificate.clone(), config.key.clone())
        else {
            return Ok(None);
        };
        let authorities = config.client_ca.clone();
        let mut files = vec![certificate.clone(), key.clone()];
        files.extend(authorities.clone());
        let read = move || server_config(&certificate, &key, authorities.as_ref(), clients);
        let config = Watched::open(files, every, read)?;
        Ok(Some(Self { config }))
    }

    /// The handshake.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config.current().await;
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn server_config(
    certificate: &Path,
    key: &Path,
    authorities: Option<&PathBuf>,
    clients: ClientCertificates,
) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("server.tls.certificate", certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        unreadable(
            "server.tls.key",
            key,
            &error,
            "an unencrypted private key in PEM form",
        )
    })?;
    warn_if_public(key);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(DEFAULT_VERSIONS)
        .map_err(|error| Error::Internal(format!("TLS: {error}")))?;
    let builder = match authorities {
        Some(file) => builder.with_client_cert_verifier(verifier(file, clients, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        Error::Invalid(format!(
            "server.tls.certificate {certificate} and server.tls.key {key} do not go together: {error}"
        ))
    })?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn verifier(
    file: &Path,
    clients: ClientCertificates,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    const SETTING: &str = "server.tls.client_ca";
    let mut authorities = RootCertStore::empty();
    let wrong = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!("{SETTING} {}: {error}", file.display()))
    };
    for certificate in certificates(SETTING, file)? {
        authorities
            .add(certificate)
            .map_err(|error| wrong(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    let builder = match clients {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required => builder,
    };
    builder.build().map_err(|error| wrong(&error))
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    const EXPECTED: &str = "certificates in PEM form";
    let wrong = |error: &pem::Error| unreadable(setting, file, error, EXPECTED);
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let certificates: Vec<_> = read
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    if certificates.is_empty() {
        return Err(wrong(&pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// What is wrong with a file. Of its contents nothing is shown: it may hold a key.
fn unreadable(setting: &str, file: &Path, error: &pem::Error, expected: &str) -> Error {
    let place = format!("{setting} {}", file.display());
    match error {
        pem::Error::Io(error) => Error::Invalid(format!("{place}: {error}")),
        _ => Error::Invalid(format!("{place} does not hold {expected}")),
    }
}

#[cfg(unix)]
fn warn_if_public(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o007;
    if std::fs::metadata(key).is_ok_and(|file| file.permissions().mode() & OTHERS != 0) {
        let key = key.display();
        tracing::warn!(
            "everybody on this machine can open the private key {key}: `chmod o= {key}`"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_public(_: &Path) {}
