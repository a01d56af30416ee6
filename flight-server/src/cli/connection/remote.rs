//! A server, reached over Flight SQL.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::Error;
use engine::session::Answer;
use engine::session::names::quoted;
use futures::TryStreamExt as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::super::exit::Usage;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a silent server is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The address of a server: `grpc://host:port` or `grpc+tls://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: String,
    is_encrypted: bool,
}

impl Target {
    /// Whether it is reached without leaving this machine.
    pub fn is_on_this_machine(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Where to connect to; `ca` signs the server's certificate, or the system's authorities do.
    ///
    /// # Errors
    /// An address that is none; authorities that cannot be read.
    pub fn endpoint(&self, ca: Option<&Path>) -> anyhow::Result<Endpoint> {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.host))
            .map_err(|_| Usage(usage(&self.host)))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .tcp_nodelay(true);
        Ok(match self.is_encrypted {
            true => endpoint.tls_config(trusted(ca)?)?,
            false => endpoint,
        })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, host) = text.split_once("://").ok_or_else(|| usage(text))?;
        let is_encrypted = match scheme {
            "grpc" | "grpc+tcp" | "http" => false,
            "grpc+tls" | "grpcs" | "https" => true,
            _ => return Err(usage(text)),
        };
        let host = host.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '@']) {
            return Err(usage(text));
        }
        Ok(Self {
            host: host.to_string(),
            is_encrypted,
        })
    }
}

fn usage(text: &str) -> String {
    // What stands before @ may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    format!(
        "{shown} is not the address of a server: write grpc://host:port or grpc+tls://host:port"
    )
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_encrypted {
            "grpc+tls"
        } else {
            "grpc"
        };
        write!(f, "{scheme}://{}", self.host)
    }
}

/// Who connects.
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// A bearer token.
    Token(String),
    /// A user with a password.
    Password(String, String),
}

/// A server.
#[derive(Clone)]
pub struct Remote {
    client: FlightSqlServiceClient<Channel>,
}

impl Remote {
    /// Connects and says who is there.
    ///
    /// # Errors
    /// A server that cannot be reached or does not let this user in.
    pub async fn connect(
        target: &Target,
        credentials: Credentials,
        ca: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let is_secret = !matches!(credentials, Credentials::None);
        if is_secret && !target.is_encrypted && !is_loopback(&target.host) {
            return Err(Usage(format!(
                "a password or token would travel unencrypted to {target}; use grpc+tls://"
            ))
            .into());
        }
        let endpoint = target.endpoint(ca.as_deref())?;
        let channel = endpoint.connect().await.with_context(|| {
            format!("cannot connect to {target}; is `paratope serve` running there?")
        })?;
        let inner = FlightServiceClient::new(channel)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        let mut client = FlightSqlServiceClient::new_from_inner(inner);
        match credentials {
            Credentials::None => {}
            Credentials::Token(token) => client.set_token(token),
            Credentials::Password(user, password) => {
                let greeted = client.handshake(&user, &password).await;
                greeted.map_err(|error| anyhow::anyhow!(failed(error)))?;
            }
        }
        let remote = Self { client };
        // Whoever is not let in hears it now.
        if let Err(error) = remote.schema("SELECT 1").await {
            bail!("{target}: {error}");
        }
        Ok(remote)
    }

    /// Starts a statement.
    ///
    /// # Errors
    /// The statement's, as the server explains it.
    pub async fn execute(&self, text: &str) -> engine::Result<Answer> {
        let mut client = self.client.clone();
        let info = client.execute(text.to_string(), None).await;
        let info = info.map_err(failed)?;
        let announced = Arc::new(info.clone().try_decode_schema()?);
        let ticket = info
            .endpoint
            .into_iter()
            .next()
            .and_then(|endpoint| endpoint.ticket)
            .ok_or_else(|| Error::Internal("the server gave no ticket".into()))?;
        let rows = client.do_get(ticket).await;
        let rows = rows.map_err(failed)?;
        Ok(Answer::stream(announced, rows.map_err(failed)))
    }

    /// The columns of a relation.
    ///
    /// # Errors
    /// Those of `SELECT * FROM relation`.
    pub async fn columns(&self, relation: &str) -> engine::Result<SchemaRef> {
        self.schema(&format!("SELECT * FROM {relation} LIMIT 0"))
            .await
    }

    async fn schema(&self, text: &str) -> engine::Result<SchemaRef> {
        let mut client = self.client.clone();
        let info = client.execute(text.to_string(), None).await;
        let info = info.map_err(failed)?;
        Ok(Arc::new(info.try_decode_schema()?))
    }

    /// Names of the tables and views, as statements name them.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn tables(&self) -> engine::Result<Vec<String>> {
        const TABLES: &str = "SELECT table_schema, table_name FROM information_schema.tables \
            WHERE table_schema <> 'information_schema' ORDER BY 1, 2";
        let batches: Vec<RecordBatch> = self.execute(TABLES).await?.stream.try_collect().await?;
        let names = batches.iter().flat_map(|batch| {
            let (schemas, names) = (
                batch.column(0).as_string::<i32>(),
                batch.column(1).as_string::<i32>(),
            );
            let pairs = schemas.iter().flatten().zip(names.iter().flatten());
            pairs.map(|(schema, name)| match schema {
                engine::catalog::DEFAULT_SCHEMA => quoted(name).into_owned(),
                _ => format!("{}.{}", quoted(schema), quoted(name)),
            })
        });
        Ok(names.collect())
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_matches(['[', ']']);
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Which authorities are trusted: those of a file, else the system's.
fn trusted(ca: Option<&Path>) -> anyhow::Result<ClientTlsConfig> {
    let pem = match ca {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the certificates in {}", path.display()))?,
        None => rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| {
                let text = BASE64_STANDARD.encode(certificate);
                format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
            })
            .collect(),
    };
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

/// A server's answer as an error of the kind it was there.
fn failed(error: FlightError) -> Error {
    let status = match error {
        FlightError::Tonic(status) => *status,
        other => Status::from(other),
    };
    let message = status.message().to_string();
    match status.code() {
        Code::InvalidArgument => Error::Invalid(message),
        Code::NotFound => Error::NotFound(message),
        Code::PermissionDenied | Code::Unauthenticated => Error::Denied(message),
        Code::Aborted | Code::AlreadyExists => Error::Conflict(message),
        Code::ResourceExhausted | Code::DeadlineExceeded => Error::Exhausted(message),
        Code::Unimplemented => Error::Unsupported(message),
        Code::DataLoss => Error::Corrupt(message),
        Code::Unavailable | Code::Cancelled => Error::Unavailable(message),
        code => Error::Internal(format!("{code}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn addresses_say_whether_they_are_encrypted() {
        for (text, shown) in [
            ("grpc://localhost:32010", "grpc://localhost:32010"),
            ("grpc+tls://h:1/", "grpc+tls://h:1"),
            ("https://h:1", "grpc+tls://h:1"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        for wrong in ["localhost:1", "ftp://h:1", "grpc://", "grpc://h/path"] {
            assert!(
                wrong
                    .parse::<Target>()
                    .unwrap_err()
                    .contains("grpc://host:port")
            );
        }
        let error = "grpc://ana:hush@h:1".parse::<Target>().unwrap_err();
        assert!(!error.contains("hush"), "{error}");
    }

    #[tokio::test]
    async fn secrets_do_not_travel_unencrypted_to_other_machines() {
        let target: Target = "grpc://192.0.2.1:1".parse().unwrap();
        let credentials = Credentials::Password("ana".into(), "hush".into());
        let error = Remote::connect(&target, credentials, None)
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("unencrypted"), "{error}");
        assert!(is_loopback("[::1]:1") && is_loopback("127.0.0.1:1"));
    }
}
