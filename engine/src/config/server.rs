//! How `paratope serve` listens, whom it lets in, and how much each may take.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the server listens, whom it lets in, and how much each may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address of Flight SQL.
    pub listen: SocketAddr,
    /// Address of health and metrics (HTTP).
    pub http: SocketAddr,
    /// Encryption of Flight SQL.
    pub tls: TlsConfig,
    /// Who is let in.
    pub auth: AuthConfig,
    /// How much is carried out at once, and for how long.
    pub limits: LimitsConfig,
    /// Whether `system.query_log` keeps the literals of statements. They may name patients or targets.
    pub log_literals: bool,
}

/// Encryption of Flight SQL. Without a certificate the server listens on loopback addresses only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file with the server's certificate and those that lead to its root. Read again when it changes.
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
    /// PEM file with the authorities that sign certificates of clients (mTLS). Whom a certificate names has the roles that
    /// the file of users gives them.
    pub client_ca: Option<PathBuf>,
}

/// Who is let in. Where nothing is set, everybody who reaches a loopback address is an admin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// TOML file with users: roles, and passwords and tokens as `paratope config hash` hashes them. Read again when it
    /// changes.
    pub users: Option<PathBuf>,
    /// Keys that sign JWTs: a JWKS file, or an `https://` URL that is read again from time to time. Needs `audience` and
    /// `issuer`.
    pub jwks: Option<String>,
    /// The audience that a JWT must name.
    pub audience: Option<String>,
    /// The issuer that a JWT must name.
    pub issuer: Option<String>,
}

/// How much is carried out at once, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Statements that run at the same time; 0: two for each thread that computes.
    pub concurrent_queries: usize,
    /// Statements that wait for their turn; the next one is told to try again.
    pub queued_queries: usize,
    /// Share of the memory of queries that one of them may hold.
    pub query_memory_fraction: f64,
    /// Longest time of a statement, its wait and the reading of its rows included, seconds.
    pub statement_timeout_s: u64,
    /// How long a ticket can be fetched, seconds.
    pub ticket_lifetime_s: u64,
    /// A session that does nothing for so long ends, seconds.
    pub session_idle_s: u64,
    /// Sessions kept at the same time; beyond it, those that have been idle longest end.
    pub sessions: usize,
    /// Largest message that a client may send, bytes.
    pub message_bytes: usize,
    /// How long running statements may go on after SIGTERM, seconds.
    pub drain_s: u64,
}

/// Port of Flight SQL.
const FLIGHT_PORT: u16 = 32_010;
/// Port of health and metrics.
const HTTP_PORT: u16 = 32_011;

impl Default for ServerConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            listen: loopback(FLIGHT_PORT),
            http: loopback(HTTP_PORT),
            tls: TlsConfig::default(),
            auth: AuthConfig::default(),
            limits: LimitsConfig::default(),
            log_literals: false,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            concurrent_queries: 0,
            queued_queries: 256,
            query_memory_fraction: 0.5,
            statement_timeout_s: 3_600,
            ticket_lifetime_s: 600,
            session_idle_s: 1_800,
            sessions: 10_000,
            message_bytes: 16 << 20,
            drain_s: 30,
        }
    }
}
