//! What every command has in common, and the list of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use engine::config::Config;

use super::logging::Reader;
use super::{
    archive, config, function, ingest, init, job, maintain, model, query, quickstart, serve, table,
    worker,
};

/// An analytical query engine for antibody discovery.
///
/// Heavy- and light-chain files become partitioned Delta tables in a lake (a folder or a bucket);
/// SQL over them has functions that number, cut and compare antibodies.
#[derive(Debug, Parser)]
#[command(
    name = "paratope",
    bin_name = "paratope",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
    after_help = "\
Start here:
  paratope quickstart                     a lake with real data and example analyses
  paratope ingest --species human *.fasta.gz
  paratope query -c 'SELECT chain, count(*) FROM chains GROUP BY chain'

Exit status: 0 success, 1 failure, 2 wrong usage, 3 done in part."
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub shared: Shared,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Shared {
    /// The lake: a folder or a URL (file://, s3://, az://, gs://) [default: ./paratope-lake]
    #[arg(long, global = true, value_name = "URL")]
    pub lake: Option<String>,
    /// Configuration file [default: paratope.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log more to stderr: -v what is done, -vv how, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Shared {
    /// The effective configuration: file, then environment, then flags.
    pub fn load(&self) -> engine::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(lake) = &self.lake {
            config.lake.url.clone_from(lake);
        }
        Ok(config)
    }
}

/// The commands. A new one is a file beside this one and an arm here and in `run`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Quickstart(quickstart::Quickstart),
    Init(init::Init),
    Ingest(ingest::Ingest),
    Query(query::Query),
    Serve(serve::Serve),
    Worker(worker::Worker),
    Model(model::Model),
    Job(job::Job),
    Table(table::Table),
    Maintain(maintain::Maintain),
    Archive(archive::Archive),
    Function(function::Function),
    Config(config::ConfigCommand),
}

impl Command {
    /// Who reads what it logs.
    pub fn reader(&self) -> Reader {
        match self {
            Self::Serve(serve) => Reader::Operator(serve.log_format),
            Self::Worker(worker) => Reader::Operator(worker.log_format),
            _ => Reader::Person,
        }
    }
}
