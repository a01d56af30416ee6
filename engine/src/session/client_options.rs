//! Options of ours that a session may set: how a client wants its results.

use std::any::Any;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::config_err;
use datafusion::error::Result;

/// Name of [`ClientOptions::endpoints`].
pub const ENDPOINTS: &str = "paratope.endpoints";

/// Where a client fetches its results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Endpoints {
    /// All rows from the server.
    #[default]
    Server,
    /// Each part from the node that computes it, where the rows of a query need nothing but to be put together.
    Nodes,
}

impl Endpoints {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Nodes => "nodes",
        }
    }
}

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// Where it fetches.
    pub endpoints: Endpoints,
}

impl ConfigExtension for ClientOptions {
    const PREFIX: &'static str = "paratope";
}

impl ExtensionOptions for ClientOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if key != "endpoints" {
            return config_err!("there is no setting paratope.{key}");
        }
        let known = [Endpoints::Server, Endpoints::Nodes];
        let found = known
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(value));
        match found {
            Some(found) => self.endpoints = found,
            None => return config_err!("SET {ENDPOINTS}: {value} is neither server nor nodes"),
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![ConfigEntry {
            key: ENDPOINTS.into(),
            value: Some(self.endpoints.name().into()),
            description: "where clients fetch results: from the server, or each part from the node that computes it (nodes)",
        }]
    }
}
