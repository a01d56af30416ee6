//! Where models come from. The engine keeps them in the lake; here they are names, bytes and a way to load them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion_common::{DataFusionError, Result, exec_err, plan_err};
use models::Model;

/// A model at one version, down to its bytes: `name@version#digest`. Plans carry it, so that every node computes with the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 (hex) of what the version is: family, precision, and the hash of each file.
    pub digest: String,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.name, self.version, self.digest)
    }
}

impl FromStr for Pin {
    type Err = DataFusionError;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text
            .split_once('@')
            .and_then(|(name, rest)| Some((name, rest.split_once('#')?)));
        match parts {
            Some((name, (version, digest))) => Ok(Self {
                name: name.to_owned(),
                version: version.to_owned(),
                digest: digest.to_owned(),
            }),
            None => exec_err!("{text} is no model at a version: name@version#digest"),
        }
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The version.
    pub pin: Pin,
    /// Numbers in an embedding.
    pub dimension: usize,
}

/// Where models come from.
pub trait Models: fmt::Debug + Send + Sync {
    /// The version that `name`, `name@version` or a pin stands for. Asked for while a query is planned.
    ///
    /// # Errors
    /// A name or version that is not there, with those that are.
    fn resolve(&self, name: &str) -> Result<Resolved>;

    /// The model in memory. May wait until its files are here.
    ///
    /// # Errors
    /// A model that is gone, has other bytes than the pin says, or does not fit into memory.
    fn load(&self, pin: &Pin) -> Result<Arc<Model>>;
}

/// No model at all: sessions without a lake.
#[derive(Debug)]
pub struct NoModels;

impl Models for NoModels {
    fn resolve(&self, name: &str) -> Result<Resolved> {
        plan_err!("model '{name}' is not there: models lie in a lake, and this session has none")
    }

    fn load(&self, pin: &Pin) -> Result<Arc<Model>> {
        exec_err!(
            "model '{}' is not there: models lie in a lake, and this session has none",
            pin.name
        )
    }
}
