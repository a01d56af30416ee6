//! `paratope job run`: one run, by hand or by an outside scheduler.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use engine::jobs::{Cause, Counts, Job, Progress, Record, Request, Runner, Status, Stop, lint};
use indicatif::HumanCount;
use tokio::runtime::Handle;

use super::Place;
use crate::cli::exit::{Exit, complain};
use crate::cli::interrupt::Interrupts;
use crate::cli::output;
use crate::cli::progress::{Bar, per_second};

/// The arguments.
#[derive(Debug, Args)]
pub struct Run {
    /// Name of a job, or a file
    #[arg(value_name = "NAME|FILE.sql")]
    job: String,
    /// Print what was done as one JSON object
    #[arg(long)]
    json: bool,
}

impl Run {
    /// Runs the command.
    pub async fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let job = self.find(place).await?;
        run(place, job, Cause::Hand, self.json).await
    }

    async fn find(&self, place: &Place) -> anyhow::Result<Job> {
        let book = place.book().await?;
        let is_file = self.job.ends_with(".sql") || self.job.contains(std::path::MAIN_SEPARATOR);
        let job = match is_file {
            true => super::from_file(&PathBuf::from(&self.job))?,
            false => book.job(&self.job)?.clone(),
        };
        let book = match is_file {
            true => book.with(
                job.clone(),
                engine::jobs::Origin::File(Path::new(&self.job).to_path_buf()),
            ),
            false => book,
        };
        lint::check_among(&book, &job)?;
        Ok(job)
    }
}

/// Runs a job to its end and says how it went.
pub async fn run(place: &Place, job: Job, cause: Cause, json: bool) -> anyhow::Result<Exit> {
    let runner = Runner::new(Arc::clone(&place.sessions), Handle::current())?;
    let progress = Arc::new(Progress::default());
    let stop = Stop::default();
    let bar = Bar::of_job(&progress);
    let interrupted = stop.clone();
    let mut interrupts = Interrupts::take();
    let listener = tokio::spawn(async move {
        interrupts.next().await;
        interrupted.now(Status::Cancelled("cancelled by Ctrl-C".into()));
    });
    let request = Request {
        job,
        cause,
        scheduled_at: None,
    };
    let record = runner
        .run(request, &stop, &progress, async || Ok(true))
        .await;
    listener.abort();
    drop(bar);
    let Some(record) = record? else {
        return Ok(Exit::Success);
    };
    report(&record, json)
}

fn report(record: &Record, json: bool) -> anyhow::Result<Exit> {
    let counts = &record.counts;
    if json {
        let told = serde_json::json!({
            "run_id": record.run_id,
            "job": record.job,
            "status": record.status.name(),
            "error": record.status.reason(),
            "elapsed_s": record.duration().as_secs_f64(),
            "attempts": record.attempts,
            "chunks": counts.chunks,
            "rows_read": counts.rows_read,
            "bytes_read": counts.bytes_read,
            "rows_written": counts.rows_written,
            "bytes_written": counts.bytes_written,
            "source_from": counts.versions.map(|(from, _)| from),
            "source_to": counts.versions.map(|(_, to)| to),
            "target_version": counts.target_version,
        });
        output::say(told)?;
    }
    match &record.status {
        Status::Succeeded => {
            if !json {
                output::say(summary(record))?;
            }
            Ok(Exit::Success)
        }
        Status::Failed(why) => {
            complain(why);
            Ok(Exit::Failure)
        }
        Status::Cancelled(why) | Status::TimedOut(why) | Status::Interrupted(why) => {
            complain(format_args!("job {}: {why}", record.job));
            Ok(Exit::Partial)
        }
    }
}

fn summary(record: &Record) -> String {
    let counts = &record.counts;
    let seconds = record.duration().as_secs_f64();
    let written = HumanCount(counts.rows_written);
    let read = match (counts.versions, &record.source) {
        (Some((from, to)), Some(source)) if from == to => format!(
            " from {} of version {from} of {source}",
            HumanCount(counts.rows_read)
        ),
        (Some((from, to)), Some(source)) => format!(
            " from {} of versions {from} to {to} of {source}",
            HumanCount(counts.rows_read)
        ),
        (None, Some(source)) => format!("; {source} has nothing new"),
        _ => String::new(),
    };
    let target = match &record.target {
        Some(target) => format!(" in {target}"),
        None => String::new(),
    };
    format!(
        "Job {}: {written} rows written{target}{read}, in {seconds:.1} s",
        record.job
    )
}

/// How far a run is, in a line.
pub fn message(counts: &Counts, seconds: f64) -> String {
    let left = match counts.rows_left {
        Some(left) if left > 0 => format!(" · {} to go", HumanCount(left)),
        _ => String::new(),
    };
    format!(
        "{seconds:.0} s · {} commits · {} rows written · {} rows/s{left} · Ctrl-C stops",
        HumanCount(counts.chunks),
        HumanCount(counts.rows_written),
        per_second(counts.rows_read, seconds)
    )
}
