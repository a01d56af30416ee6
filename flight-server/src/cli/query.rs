//! `paratope query`: SQL from a flag, a file or stdin; rows to stdout or a file.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use engine::config::{Config, LakeConfig};
use engine::session::Session;
use engine::{Error, Lake};

use super::arguments::Shared;
use super::exit::{Exit, Usage};
use super::output::{DEFAULT_ROWS, Destination, Format, Output};

/// Query the lake with SQL
///
/// Runs one or several statements over the tables of the lake, over files
/// (`FROM 'file.parquet'`, `FROM read_fasta('file.fasta.gz')`) or over none.
#[derive(Debug, Args)]
#[command(after_help = "\
Where neither -c nor -f is given, SQL is read from standard input. Without --format, rows go as a
table to a terminal and as CSV into a pipe; a file's extension says its format.

Examples:
  paratope query -c 'SELECT chain, species, count(*) FROM chains GROUP BY chain, species'
  paratope query -f sql/examples/cdr3_lengths.sql
  paratope query -c 'SELECT * FROM chains' -o chains.parquet
  paratope query -c \"SELECT ab_cdr3(sequence_aa) FROM read_fasta('vh.fasta')\" --format json
  echo 'SHOW TABLES' | paratope query")]
pub struct Query {
    /// The statements, separated by `;`
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// A file with the statements; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How rows are written
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Rows that a table shows before it cuts; 0: all
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ROWS)]
    rows: usize,
    /// Print the time of each statement, its rows included, to stderr
    #[arg(long)]
    timing: bool,
}

impl Query {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        let output = self.output.as_deref();
        let format = self.format.unwrap_or_else(|| Format::default_for(output));
        if format.is_binary() && output.is_none() && io::stdout().is_terminal() {
            return Err(Usage(format!(
                "{format} is not for a terminal; use --output FILE or redirect stdout"
            ))
            .into());
        }
        let sql = self.sql().await?;
        let lake = open(shared, &config).await?;
        let session = Session::new(lake.clone(), &config)?;
        let statements = session.parse(&sql)?;
        if statements.is_empty() {
            return Err(Usage("there is no statement to run".into()).into());
        }
        let destination = match output {
            Some(path) => Destination::file(path)?,
            None => Destination::stdout(),
        };
        let mut output = Output::new(format, self.rows, destination);
        for statement in statements {
            let started = Instant::now();
            let answer = session
                .execute(statement)
                .await
                .map_err(|error| hint(error, lake.is_some(), &config))?;
            output.answer(answer).await?;
            if self.timing {
                let elapsed = started.elapsed().as_secs_f64() * 1e3;
                writeln!(io::stderr(), "time: {elapsed:.3} ms")?;
            }
        }
        output.commit()?;
        Ok(Exit::Success)
    }

    async fn sql(&self) -> anyhow::Result<String> {
        if let Some(sql) = &self.command {
            return Ok(sql.clone());
        }
        match self.file.as_deref() {
            Some(path) if path != Path::new("-") => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display())),
            None if io::stdin().is_terminal() => {
                Err(Usage("no SQL given; use -c SQL, -f FILE, or standard input".into()).into())
            }
            _ => {
                let read = tokio::task::spawn_blocking(|| {
                    let mut sql = String::new();
                    io::stdin().read_to_string(&mut sql).map(|_| sql)
                });
                read.await?.context("cannot read standard input")
            }
        }
    }
}

/// The lake; none where nobody named one and the default does not exist: files and functions
/// can be queried without.
async fn open(shared: &Shared, config: &Config) -> engine::Result<Option<Arc<Lake>>> {
    let named = shared.lake.is_some() || config.lake != LakeConfig::default();
    match Lake::open(config).await {
        Ok(lake) => Ok(Some(lake)),
        Err(Error::NotFound(_)) if !named => Ok(None),
        Err(error) => Err(error),
    }
}

/// A table that is missing for want of a lake gets the remedy with it.
fn hint(error: Error, has_lake: bool, config: &Config) -> anyhow::Error {
    let about_names = matches!(error, Error::Invalid(_) | Error::NotFound(_));
    let error = anyhow::Error::new(error);
    if has_lake || !about_names {
        return error;
    }
    anyhow::anyhow!(
        "{error:#}\nThere is no lake at {}: `paratope quickstart` makes one with example data, `paratope init` an empty one",
        config.lake.url
    )
}
