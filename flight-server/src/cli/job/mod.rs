//! `paratope job`: jobs listed, run, watched and looked after.

mod backfill;
mod lint;
mod run;
mod table;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use engine::catalog::CreateMode;
use engine::config::Config;
use engine::jobs::{self, Book, Graph, Job as Definition, Lease, Mark, Origin};
use engine::session::{Caller, Session, Sessions};
use engine::storage::Access;
use engine::{Error, Lake};

pub use run::message;

use super::arguments::Shared;
use super::exit::Exit;
use super::output::{self, Format};

/// List, run and look after jobs
///
/// A job is one SQL file: a query with a target, or statements. Its header says when it runs and what becomes of its rows.
/// Jobs ship with paratope, lie in a folder (--jobs DIR), or are kept in the lake (`paratope job add`, CREATE JOB).
#[derive(Debug, Args)]
#[command(after_help = "\
A job's file:
  -- job: annotate_chains
  -- schedule: 0 2 * * * Europe/Zurich
  -- target: annotations
  -- mode: incremental on chains
  -- key: v_domain_hash
  SELECT v_domain_hash, ab_regions(v_domain_aa) AS regions FROM chains WHERE v_domain_aa IS NOT NULL

Modes: incremental on TABLE, append, replace, replace partition, merge on COLUMN.
Also: chunk, timeout, retries, after, jitter, missed (once, skip, all), partition, deleted (stop, keep).")]
pub struct Job {
    /// Folder with jobs, one `.sql` file each [default: jobs.folder of the configuration]
    #[arg(long, global = true, value_name = "DIR")]
    jobs: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List jobs: state, schedule, how the last run ended
    List {
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Show a job as it was written
    Show {
        /// Name of the job
        name: String,
    },
    /// Run a job now
    ///
    /// By name, or from a file that nobody keeps. Runs to the end, and shows how far it is on a terminal.
    #[command(after_help = "\
Exit status: 0 the run succeeded, 1 it failed, 2 wrong usage, 3 it was stopped before its end.

Examples:
  paratope job run annotate_chains
  paratope job run --jobs jobs nightly
  paratope job run jobs/nightly.sql")]
    Run(run::Run),
    /// Keep a job in the lake
    #[command(after_help = "\
Examples:
  paratope job add annotate.sql
  paratope job add --replace annotate.sql")]
    Add {
        /// The job's file; `-` is standard input
        file: PathBuf,
        /// Take the place of a job of this name
        #[arg(long)]
        replace: bool,
    },
    /// Keep a job in the lake no longer
    Remove {
        /// Name of the job
        name: String,
    },
    /// Stop the run of a job, on whichever machine it is
    Cancel {
        /// Name of the job
        name: String,
    },
    /// Keep a job from running by itself
    Pause {
        /// Name of the job
        name: String,
    },
    /// Let a job run by itself again; shipped jobs start so
    Resume {
        /// Name of the job
        name: String,
    },
    /// List runs, the latest first
    History {
        /// Name of the job; all without
        name: Option<String>,
        /// Runs that are listed
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Compute a range of an incremental job's source again
    ///
    /// Rows that were computed from this version of the source or a later one go, and the job reads the source from there
    /// on; version 0 means everything. Of a job with a key, results stay: what is there already is not computed again.
    #[command(after_help = "\
Examples:
  paratope job backfill annotate_chains --from-version 0
  paratope job backfill annotate_chains --from-version 812")]
    Backfill(backfill::Backfill),
    /// Say what is wrong with jobs, before they run
    #[command(after_help = "\
Examples:
  paratope job lint
  paratope job lint jobs/*.sql")]
    Lint(lint::Lint),
    /// Show which job runs after which
    Graph,
}

impl Job {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let mut config = shared.load()?;
        if self.jobs.is_some() {
            config.jobs.folder = self.jobs;
        }
        let place = Place::open(config).await?;
        match self.verb {
            Verb::List { format } => {
                table::print(&place, table::LIST, format).await?;
            }
            Verb::Show { name } => {
                let book = place.book().await?;
                output::say(book.kept(&name)?.text.trim_end())?;
            }
            Verb::Run(run) => return run.run(&place).await,
            Verb::Add { file, replace } => return add(&place, &file, replace).await,
            Verb::Remove { name } => {
                place
                    .session()?
                    .drop_job(&jobs::check_name(&name).map_err(Error::Invalid)?)
                    .await?;
                output::say(format!("Job {name} is kept no longer"))?;
            }
            Verb::Cancel { name } => return cancel(&place, &name).await,
            Verb::Pause { name } => return pause(&place, &name).await,
            Verb::Resume { name } => return resume(&place, &name).await,
            Verb::History {
                name,
                limit,
                format,
            } => {
                if let Some(name) = &name {
                    jobs::check_name(name).map_err(Error::Invalid)?;
                }
                table::print(&place, &table::history(name.as_deref(), limit), format).await?;
            }
            Verb::Backfill(backfill) => return backfill.run(&place).await,
            Verb::Lint(lint) => return lint.run(&place).await,
            Verb::Graph => {
                let book = place.book().await?;
                for (depth, name) in Graph::of(book.sound()).lines() {
                    output::say(format!("{}{name}", "  ".repeat(depth)))?;
                }
            }
        }
        Ok(Exit::Success)
    }
}

/// The lake, with the jobs that are known here.
struct Place {
    config: Config,
    lake: Arc<Lake>,
    sessions: Arc<Sessions>,
}

impl Place {
    async fn open(config: Config) -> anyhow::Result<Self> {
        let mut lake = Lake::open(&config).await?;
        if lake.table(jobs::RUNS).is_err() {
            // An earlier version made the lake.
            lake = Lake::init(&config).await?.0;
        }
        let access = Access::everything(&config)?;
        let sessions = Sessions::new(Some(Arc::clone(&lake)), &config, access)?;
        Ok(Self {
            config,
            lake,
            sessions: Arc::new(sessions),
        })
    }

    fn session(&self) -> anyhow::Result<Session> {
        Ok(self.sessions.open(Caller::local(), None)?)
    }

    async fn book(&self) -> anyhow::Result<Book> {
        Ok(Book::read(&self.lake, self.config.jobs.folder.as_deref()).await?)
    }
}

/// Who asks, as marks in the lake say it.
fn whoever() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
    user.unwrap_or_else(|_| "somebody".into())
}

/// A file, or standard input.
fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// The job in a file.
fn from_file(file: &Path) -> anyhow::Result<Definition> {
    let text = read(file)?;
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let place = file.display().to_string();
    Ok(Definition::read(
        &text,
        stem.filter(|stem| *stem != "-"),
        &place,
    )?)
}

async fn add(place: &Place, file: &Path, replace: bool) -> anyhow::Result<Exit> {
    let job = from_file(file)?;
    let mode = match replace {
        true => CreateMode::OrReplace,
        false => CreateMode::New,
    };
    place.session()?.add_job(&job.name, &job.text, mode).await?;
    let when = match &job.schedule {
        Some(schedule) => format!("a server runs it: {schedule}"),
        None if job.after.is_empty() => "run it with `paratope job run`".to_string(),
        None => format!("a server runs it after {}", job.after.join(", ")),
    };
    output::say(format!("Job {} is kept in the lake; {when}", job.name))?;
    Ok(Exit::Success)
}

async fn cancel(place: &Place, name: &str) -> anyhow::Result<Exit> {
    let storage = place.lake.storage();
    place.book().await?.kept(name)?;
    let Some(holder) = Lease::holder(storage, name).await? else {
        anyhow::bail!("no run of job {name} is at work");
    };
    jobs::cancel(storage, name, &holder.run_id, &whoever()).await?;
    output::say(format!(
        "The run {} of job {name} on {} is told to stop",
        holder.run_id, holder.host
    ))?;
    Ok(Exit::Success)
}

async fn pause(place: &Place, name: &str) -> anyhow::Result<Exit> {
    let book = place.book().await?;
    let storage = place.lake.storage();
    if book.kept(name)?.origin == Origin::Shipped {
        jobs::unset(storage, name, Mark::On).await?;
    }
    jobs::set(storage, name, Mark::Paused, &whoever()).await?;
    output::say(format!(
        "Job {name} does not run by itself any more; `paratope job run {name}` runs it"
    ))?;
    Ok(Exit::Success)
}

async fn resume(place: &Place, name: &str) -> anyhow::Result<Exit> {
    let book = place.book().await?;
    let storage = place.lake.storage();
    let kept = book.kept(name)?;
    if kept.origin == Origin::Shipped {
        jobs::set(storage, name, Mark::On, &whoever()).await?;
    }
    jobs::unset(storage, name, Mark::Paused).await?;
    let job = book.job(name)?;
    let when = match &job.schedule {
        Some(schedule) => format!("when it is due: {schedule}"),
        None if job.after.is_empty() => "never, for it has no schedule".to_string(),
        None => format!("after {}", job.after.join(", ")),
    };
    output::say(format!("Job {name} runs by itself {when}"))?;
    Ok(Exit::Success)
}
