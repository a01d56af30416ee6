//! `paratope query`: SQL from a flag, a file or stdin; rows to stdout or a file. On a terminal, a
//! shell.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::config::{Config, LakeConfig};
use engine::distributed::Cluster;
use engine::session::{Caller, Sessions};
use engine::storage::{Access, IoThreads};
use engine::{Error, Lake};

use super::arguments::Shared;
use super::connection::{Connection, Credentials, Remote, Target};
use super::exit::{Exit, Usage};
use super::output::{DEFAULT_ROWS, Destination, Format, Output, Tables, say_time};
use super::progress::Bar;
use super::shell;

/// Query the lake with SQL
///
/// Runs one or several statements over the tables of the lake, over files
/// (`FROM 'file.parquet'`, `FROM read_fasta('file.fasta.gz')`) or over none.
#[derive(Debug, Args)]
#[command(after_help = "\
Where neither -c nor -f is given, SQL is read from standard input; where that is a terminal, a
shell starts, with history, completion and commands of its own (\\? lists them). Without --format,
rows go as a table to a terminal and as CSV into a pipe; a file's extension says its format.

Examples:
  paratope query
  paratope query -c 'SELECT chain, species, count(*) FROM chains GROUP BY chain, species'
  paratope query -f sql/examples/cdr3_lengths.sql
  paratope query -c 'SELECT * FROM chains' -o chains.parquet
  paratope query --connect grpc+tls://lake.example.org:32010 --user ana
  paratope query -c \"SELECT ab_cdr3(sequence_aa) FROM read_fasta('vh.fasta')\" --format json
  echo 'SHOW TABLES' | paratope query")]
pub struct Query {
    /// The statements, separated by `;`
    // Statements may start with a comment: `-- …`.
    #[arg(
        short,
        long,
        value_name = "SQL",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
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
    /// Send the statements to this server (grpc://host:port, grpc+tls://host:port) instead of
    /// opening the lake
    #[arg(long, value_name = "URL", conflicts_with = "lake")]
    connect: Option<Target>,
    /// Who connects; the password is read from PARATOPE_PASSWORD or asked for. PARATOPE_TOKEN holds a
    /// token instead
    #[arg(long, value_name = "NAME", requires = "connect")]
    user: Option<String>,
    /// PEM file with the authorities that the server's certificate may come from [default: the
    /// system's]
    #[arg(long, value_name = "FILE", requires = "connect")]
    ca: Option<PathBuf>,
    /// Nodes that compute parts of the queries, separated by commas (`paratope worker` starts one)
    #[arg(
        long,
        value_name = "URL,…",
        value_delimiter = ',',
        conflicts_with = "connect"
    )]
    workers: Vec<String>,
    /// Print the time of each statement, its rows included, to stderr
    #[arg(long)]
    timing: bool,
}

impl Query {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let mut config = shared.load()?;
        if !self.workers.is_empty() {
            config.cluster.workers.clone_from(&self.workers);
        }
        let output = self.output.as_deref();
        let format = self.format.unwrap_or_else(|| Format::default_for(output));
        if format.is_binary() && output.is_none() && io::stdout().is_terminal() {
            return Err(Usage(format!(
                "{format} is not for a terminal; use --output FILE or redirect stdout"
            ))
            .into());
        }
        if self.wants_shell()? {
            let (connection, place) = self.connection(shared, &config).await?;
            let settings = shell::Settings::new(format, self.rows, self.timing);
            return shell::run(
                connection,
                place.unwrap_or_else(|| no_lake(&config)),
                settings,
            )
            .await;
        }
        let sql = self.sql().await?;
        let (connection, place) = self.connection(shared, &config).await?;
        let refused = async |nth, error: anyhow::Error| match error.downcast::<Error>() {
            Ok(error) => {
                let text = connection.explain(&sql, nth, &error).await;
                hint(text, &error, place.is_some(), &config)
            }
            Err(other) => other,
        };
        let statements = match connection.statements(&sql) {
            Ok(statements) => statements,
            Err(error) => bail!(connection.explain(&sql, 0, &error).await),
        };
        if statements.is_empty() {
            return Err(Usage("there is no statement to run".into()).into());
        }
        let destination = match output {
            Some(path) => Destination::file(path)?,
            None => Destination::stdout(),
        };
        let mut output = Output::new(format, Tables::of_rows(self.rows), destination);
        for (nth, statement) in statements.into_iter().enumerate() {
            let started = Instant::now();
            if output.leaves_room_for_progress() {
                output.count_on(Bar::of_query());
            }
            let done = match connection.execute(statement).await {
                Ok(answer) => output.answer(answer).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = done {
                return Err(refused(nth, error).await);
            }
            if self.timing {
                say_time(started.elapsed())?;
            }
        }
        output.commit()?;
        Ok(Exit::Success)
    }

    /// Where the statements go, and how that place is called; `None` for no lake.
    async fn connection(
        &self,
        shared: &Shared,
        config: &Config,
    ) -> anyhow::Result<(Connection, Option<String>)> {
        let Some(target) = &self.connect else {
            let lake = open(shared, config).await?;
            let place = lake.as_ref().map(|lake| format!("Lake {}", lake.url()));
            let cluster = match &lake {
                Some(lake) if !config.cluster.workers.is_empty() => {
                    let io = IoThreads::current()?;
                    Some(Cluster::open(&config.cluster, lake, io).await?)
                }
                _ => None,
            };
            let mut sessions = Sessions::new(lake, config, Access::everything(config)?)?;
            if let Some(cluster) = cluster {
                cluster.watch();
                sessions = sessions.with_cluster(cluster)?;
            }
            let session = sessions.open(Caller::local(), None)?;
            return Ok((Connection::Local(Arc::new(session)), place));
        };
        let remote = Remote::connect(target, self.credentials()?, self.ca.clone()).await?;
        Ok((
            Connection::Remote(Box::new(remote)),
            Some(format!("Server {target}")),
        ))
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        let secret = |name| std::env::var(name).ok().filter(|secret| !secret.is_empty());
        match (&self.user, secret("PARATOPE_TOKEN")) {
            (None, Some(token)) => Ok(Credentials::Token(token)),
            (None, None) => Ok(Credentials::None),
            (Some(user), _) => {
                let password = match secret("PARATOPE_PASSWORD") {
                    Some(password) => password,
                    None if io::stdin().is_terminal() => {
                        console::Term::stderr().write_str(&format!("Password of {user}: "))?;
                        console::Term::stderr().read_secure_line()?
                    }
                    None => {
                        return Err(Usage(
                            "--user needs a password: set PARATOPE_PASSWORD, or run it on a terminal, which is asked".into(),
                        )
                        .into());
                    }
                };
                Ok(Credentials::Password(user.clone(), password))
            }
        }
    }

    /// Whether somebody sits at a terminal and has given no SQL.
    fn wants_shell(&self) -> anyhow::Result<bool> {
        if self.command.is_some() || self.file.is_some() || !io::stdin().is_terminal() {
            return Ok(false);
        }
        // The shell draws on both.
        let is_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let is_dumb = std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb");
        if self.output.is_some() || !is_terminal || is_dumb {
            return Err(
                Usage("no SQL given; use -c SQL, -f FILE, or standard input".into()).into(),
            );
        }
        Ok(true)
    }

    async fn sql(&self) -> anyhow::Result<String> {
        if let Some(sql) = &self.command {
            return Ok(sql.clone());
        }
        match self.file.as_deref() {
            Some(path) if path != Path::new("-") => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display())),
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
fn hint(text: String, error: &Error, has_lake: bool, config: &Config) -> anyhow::Error {
    let about_names = matches!(error, Error::Invalid(_) | Error::NotFound(_));
    if has_lake || !about_names {
        return anyhow::anyhow!(text);
    }
    anyhow::anyhow!("{text}\n{}", no_lake(config))
}

/// That there is no lake, and how to get one.
pub fn no_lake(config: &Config) -> String {
    format!(
        "There is no lake at {}: `paratope quickstart` makes one with example data, `paratope init` an empty one",
        config.lake.url
    )
}
