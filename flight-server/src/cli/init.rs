//! `paratope init`: creates a lake with its empty tables.

use clap::Args;
use engine::{Creation, Lake};

use super::arguments::Shared;
use super::exit::Exit;
use super::output;

/// Create a lake
///
/// Creates the tables of a lake at a folder or URL. A lake that is there already stays as it is, but gets the tables
/// and views that this version has and an earlier one had not.
/// `ingest` does the same on its first run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  paratope init
  paratope init --lake /data/antibodies
  paratope init --lake s3://bucket/antibodies")]
pub struct Init {}

impl Init {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let (lake, creation) = Lake::init(&shared.load()?).await?;
        let (url, id) = (lake.url(), lake.id());
        output::say(match creation {
            Creation::Created => format!("Created the lake {url} (id {id})"),
            Creation::Completed => {
                format!(
                    "The lake {url} exists (id {id}) and has the tables and views of this version now"
                )
            }
            Creation::WasThere => format!("The lake {url} exists (id {id})"),
        })?;
        Ok(Exit::Success)
    }
}
