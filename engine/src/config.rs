//! Configuration: one documented tree with defaults in code.
//!
//! Sources, later ones win: defaults, the file `paratope.toml`, environment variables
//! (`PARATOPE__STORAGE__ENDPOINT`), flags of the command line. Unknown keys are errors.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::{IoThreads, Ranges};

mod cache;
mod cluster;
mod jobs;
mod models;
mod server;

pub use cache::CacheConfig;
pub use cluster::{ClusterConfig, NodeCompression};
pub use jobs::JobsConfig;
pub use models::ModelsConfig;
pub use server::{AuthConfig, LimitsConfig, ServerConfig, TlsConfig};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the lake lies.
    pub lake: LakeConfig,
    /// How object stores are reached.
    pub storage: StorageConfig,
    /// What is kept of the lake's files.
    pub cache: CacheConfig,
    /// How queries run.
    pub query: QueryConfig,
    /// Protein language models.
    pub models: ModelsConfig,
    /// How files are ingested.
    pub ingest: IngestConfig,
    /// How tables are maintained.
    pub maintenance: MaintenanceConfig,
    /// What statements reach beside the lake.
    pub access: AccessConfig,
    /// How the server listens, whom it lets in, and how much each may take.
    pub server: ServerConfig,
    /// Other machines that compute parts of queries.
    pub cluster: ClusterConfig,
    /// Jobs.
    pub jobs: JobsConfig,
}

/// Where the lake lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LakeConfig {
    /// A folder, or a URL: `file://`, `s3://`, `az://`, `gs://`.
    pub url: String,
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self {
            url: "./paratope-lake".into(),
        }
    }
}

/// How object stores are reached. What is unset here comes from the store's own environment
/// variables (`AWS_*`, `AZURE_*`, `GOOGLE_*`) and, failing these, from the machine's role.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Endpoint of an S3-compatible or Azure-compatible server.
    pub endpoint: Option<String>,
    /// Region of the bucket.
    pub region: Option<String>,
    /// S3 access key.
    pub access_key_id: Option<String>,
    /// S3 secret key.
    pub secret_access_key: Option<String>,
    /// S3 session token.
    pub session_token: Option<String>,
    /// Azure storage account.
    pub account: Option<String>,
    /// Azure account key.
    pub account_key: Option<String>,
    /// File with the Google service account's credentials.
    pub service_account: Option<String>,
    /// Address buckets as `endpoint/bucket` (most S3 servers) and not as `bucket.endpoint` (AWS).
    /// Unset: path style where an endpoint is given.
    pub path_style: Option<bool>,
    /// Allow plain HTTP (test servers).
    pub allow_http: bool,
    /// Longest wait for a connection, seconds.
    pub connect_timeout_s: u64,
    /// Longest wait for a request, seconds.
    pub request_timeout_s: u64,
    /// How often a failed request is repeated.
    pub retries: usize,
    /// Threads on which requests are made; those of the caller where not given. Not a setting: servers give it.
    #[serde(skip)]
    pub io: Option<IoThreads>,
    /// What was read of data files before. Not a setting: whoever opens a lake gives it, by `CacheConfig`.
    #[serde(skip)]
    pub ranges: Option<Ranges>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            account: None,
            account_key: None,
            service_account: None,
            path_style: None,
            allow_http: false,
            connect_timeout_s: 5,
            request_timeout_s: 60,
            retries: 5,
            io: None,
            ranges: None,
        }
    }
}

impl std::fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let masked = self.masked();
        f.debug_struct("StorageConfig")
            .field("endpoint", &masked.endpoint)
            .field("region", &masked.region)
            .field("access_key_id", &masked.access_key_id)
            .field("secret_access_key", &masked.secret_access_key)
            .field("account", &masked.account)
            .field("account_key", &masked.account_key)
            .finish_non_exhaustive()
    }
}

impl StorageConfig {
    fn masked(&self) -> Self {
        let mask = |secret: &Option<String>| secret.as_ref().map(|_| "***".to_string());
        Self {
            secret_access_key: mask(&self.secret_access_key),
            session_token: mask(&self.session_token),
            account_key: mask(&self.account_key),
            ..self.clone()
        }
    }
}

/// How queries run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Threads that compute; 0: all cores.
    pub threads: usize,
    /// Share of the machine's (or cgroup's) memory that queries may hold before they spill.
    pub memory_fraction: f64,
    /// Memory that queries may hold, bytes; overrides `memory_fraction`.
    pub memory_bytes: Option<usize>,
    /// Parquet footers kept in memory, bytes.
    pub metadata_cache_bytes: usize,
    /// What queries may write to disk together for want of memory, bytes.
    pub spill_bytes: u64,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            memory_fraction: 0.6,
            memory_bytes: None,
            metadata_cache_bytes: 256 << 20,
            spill_bytes: 100 << 30,
        }
    }
}

/// How files are ingested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Threads that annotate records; 0: all cores.
    pub threads: usize,
    /// Memory for sorting the rows of one table before they spill to disk, bytes. OPTIMIZE takes up to a third of
    /// `query.memory_bytes`, 768 MiB at most, where that is more.
    pub sort_memory_bytes: usize,
    /// Target size of a data file, bytes.
    pub target_file_bytes: u64,
    /// Inputs are committed together until they pass this many bytes (as stored).
    pub commit_bytes: u64,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            sort_memory_bytes: 256 << 20,
            target_file_bytes: 128 << 20,
            commit_bytes: 4 << 30,
        }
    }
}

/// How tables are maintained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaintenanceConfig {
    /// VACUUM refuses to keep removed files for fewer hours than this: statements at work, and
    /// readers of older versions, need them.
    pub vacuum_floor_hours: u64,
    /// VACUUM leaves files that no version lists alone for so many hours, whatever it is told to
    /// retain: a writer may be about to commit them.
    pub orphan_hours: u64,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            vacuum_floor_hours: 168,
            orphan_hours: 24,
        }
    }
}

/// Which places the statements of a server reach beside the tables of the lake: folders, files, `s3://bucket/prefix`.
/// The command line reaches what its user reaches, whatever stands here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// May be read: `read_*`, `FROM 'file'`, `CREATE EXTERNAL TABLE … LOCATION`, `COPY INTO … FROM`. Empty: nothing.
    pub read: Vec<String>,
    /// May be written: `COPY … TO`. Empty: nothing.
    pub write: Vec<String>,
}

impl Config {
    /// Name of the configuration file in the working directory.
    pub const FILE: &'static str = "paratope.toml";

    /// Reads the file (`paratope.toml` where present, or the one named) and the environment.
    ///
    /// # Errors
    /// A named file that is missing, an unknown key, a value of the wrong type.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        match file {
            Some(path) if !path.is_file() => {
                return Err(Error::NotFound(format!(
                    "configuration file {} does not exist",
                    path.display()
                )));
            }
            Some(path) => figment = figment.merge(Toml::file_exact(path)),
            None => figment = figment.merge(Toml::file(Self::FILE)),
        }
        figment
            .merge(Env::prefixed("PARATOPE__").split("__"))
            .extract()
            .map_err(|error| Error::Invalid(format!("configuration: {error}")))
    }

    /// The effective configuration as TOML, with secrets masked.
    pub fn to_toml(&self) -> Result<String> {
        let shown = Self {
            storage: self.storage.masked(),
            cluster: self.cluster.masked(),
            jobs: self.jobs.masked(),
            ..self.clone()
        };
        toml::to_string(&shown).map_err(|error| Error::Internal(error.to_string()))
    }
}

/// `configured` threads, or as many as the machine has cores where that is 0.
pub fn threads(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("paratope.toml");
        std::fs::write(&file, "[storage]\nendpiont = 'http://x'\n").unwrap();
        let error = Config::load(Some(&file)).unwrap_err().to_string();
        assert!(error.contains("endpiont"), "{error}");
    }

    #[test]
    fn secrets_are_masked_wherever_they_are_shown() {
        let mut config = Config::default();
        config.storage.secret_access_key = Some("hush".into());
        config.storage.account_key = Some("hush".into());
        assert!(!config.to_toml().unwrap().contains("hush"));
        assert!(!format!("{config:?}").contains("hush"));
    }
}
