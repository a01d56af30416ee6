//! `paratope job backfill`: a range of the source again, and the run that computes it.

use clap::Args;
use engine::jobs::{self, Cause, lint};

use super::{Place, run};
use crate::cli::exit::Exit;
use crate::cli::output;

/// The arguments.
#[derive(Debug, Args)]
pub struct Backfill {
    /// Name of the job
    name: String,
    /// Version of the source from which it reads again; 0: everything
    #[arg(long, value_name = "N")]
    from_version: u64,
    /// Only move the cursor; the next run computes
    #[arg(long)]
    no_run: bool,
}

impl Backfill {
    /// Runs the command.
    pub async fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let book = place.book().await?;
        let job = book.job(&self.name)?.clone();
        lint::check_among(&book, &job)?;
        let session = place.session()?;
        let done = jobs::backfill(&place.lake, &session, &job, self.from_version).await?;
        let from = match done.from_version {
            Some(version) => format!("from version {version} on"),
            None => "from its beginning".to_string(),
        };
        output::say(format!(
            "Job {}: {} rows removed; it reads its source {from}",
            job.name, done.rows_removed
        ))?;
        match self.no_run {
            true => Ok(Exit::Success),
            false => run::run(place, job, Cause::Backfill, false).await,
        }
    }
}
