//! `paratope config show`: the configuration that commands would use.

use clap::{Args, Subcommand};

use super::arguments::Shared;
use super::exit::Exit;
use super::output;

/// Show the configuration
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the effective configuration as TOML, with secrets masked
    ///
    /// Defaults, then the file (`paratope.toml` or --config), then environment variables
    /// (PARATOPE__STORAGE__ENDPOINT sets `endpoint` of `[storage]`), then flags.
    #[command(after_help = "\
Examples:
  paratope config show > paratope.toml      start a configuration file
  PARATOPE__QUERY__THREADS=4 paratope config show")]
    Show,
}

impl ConfigCommand {
    /// Runs the command.
    pub fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::Show => output::say(shared.load()?.to_toml()?.trim_end())?,
        }
        Ok(Exit::Success)
    }
}
