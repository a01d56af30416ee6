//! `paratope init`: creates a lake with its empty tables.

use clap::Args;
use engine::Lake;

use super::arguments::Shared;
use super::exit::Exit;
use super::output;

/// Create a lake
///
/// Creates the tables of a lake at a folder or URL. A lake that is there already stays as it is.
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
        let (lake, created) = Lake::init(&shared.load()?).await?;
        output::say(if created {
            format!("Created the lake {} (id {})", lake.url(), lake.id())
        } else {
            format!("The lake {} exists (id {})", lake.url(), lake.id())
        })?;
        Ok(Exit::Success)
    }
}
