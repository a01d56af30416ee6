//! Options of ours that a session may set: how a client wants its results, and of which rows.

use std::any::Any;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::config_err;
use datafusion::error::Result;

/// Name of [`ClientOptions::endpoints`].
pub const ENDPOINTS: &str = "paratope.endpoints";

/// Name of [`ClientOptions::archived`].
pub const ARCHIVED: &str = "paratope.archived";

/// What becomes of a query that needs rows which were put away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Archived {
    /// It fails before it begins.
    #[default]
    Refuse,
    /// It does without them.
    Skip,
}

impl Archived {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Skip => "skip",
        }
    }
}

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
    /// Whether its queries do without archived rows.
    pub archived: Archived,
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
        match key {
            "endpoints" => {
                let known = [Endpoints::Server, Endpoints::Nodes];
                self.endpoints = one_of(ENDPOINTS, known, Endpoints::name, value)?;
            }
            "archived" => {
                let known = [Archived::Refuse, Archived::Skip];
                self.archived = one_of(ARCHIVED, known, Archived::name, value)?;
            }
            _ => return config_err!("there is no setting paratope.{key}"),
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![
            ConfigEntry {
                key: ENDPOINTS.into(),
                value: Some(self.endpoints.name().into()),
                description: "where clients fetch results: from the server, or each part from the node that computes it (nodes)",
            },
            ConfigEntry {
                key: ARCHIVED.into(),
                value: Some(self.archived.name().into()),
                description: "queries that need archived rows fail (refuse), or do without them (skip)",
            },
        ]
    }
}

fn one_of<T: Copy>(
    setting: &str,
    known: [T; 2],
    name: fn(T) -> &'static str,
    value: &str,
) -> Result<T> {
    let found = known
        .into_iter()
        .find(|it| name(*it).eq_ignore_ascii_case(value));
    match found {
        Some(found) => Ok(found),
        None => config_err!(
            "SET {setting}: {value} is neither {} nor {}",
            name(known[0]),
            name(known[1])
        ),
    }
}
