//! `paratope job lint`: what is wrong with jobs, before they run.

use std::path::PathBuf;

use clap::Args;
use engine::jobs::{Fault, Job, Kept, Origin, lint};

use super::{Place, read};
use crate::cli::exit::{Exit, complain};
use crate::cli::output;
use crate::diagnosis;

/// The arguments.
#[derive(Debug, Args)]
pub struct Lint {
    /// Names of jobs, or files; all jobs but shipped ones without
    #[arg(value_name = "NAME|FILE.sql")]
    names: Vec<String>,
}

impl Lint {
    /// Runs the command.
    pub async fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let mut book = place.book().await?;
        let mut chosen: Vec<Kept> = Vec::new();
        for name in &self.names {
            if !name.ends_with(".sql") {
                chosen.push(book.kept(name)?.clone());
                continue;
            }
            let path = PathBuf::from(name);
            let text = read(&path)?;
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let job = Job::parse(&text, stem);
            if let Ok(job) = &job {
                book = book.with(job.clone(), Origin::File(path.clone()));
            }
            chosen.push(Kept {
                name: job
                    .as_ref()
                    .map_or_else(|_| name.clone(), |job| job.name.clone()),
                origin: Origin::File(path),
                job,
                text,
                is_on: false,
            });
        }
        if self.names.is_empty() {
            let own = book.all().filter(|kept| kept.origin != Origin::Shipped);
            chosen.extend(own.cloned());
        }
        let mut count = 0;
        for fault in &book.doubles {
            complain(&fault.message);
            count += 1;
        }
        for kept in &chosen {
            let faults = match &kept.job {
                Err(faults) => faults.clone(),
                Ok(job) => {
                    let mut faults = lint::among(&book, job);
                    faults.extend(planned(place, kept, job).await?);
                    faults
                }
            };
            count += faults.len();
            for fault in faults {
                complain(match fault.line {
                    0 => format!("{}: {}", kept.place(), fault.message),
                    line => format!("{}, line {line}: {}", kept.place(), fault.message),
                });
            }
        }
        match count {
            0 => {
                output::say(format!("{} jobs, no faults", chosen.len()))?;
                Ok(Exit::Success)
            }
            _ => Ok(Exit::Failure),
        }
    }
}

/// What is wrong with the query, at its place in the file.
async fn planned(place: &Place, kept: &Kept, job: &Job) -> anyhow::Result<Option<Fault>> {
    let session = place.session()?;
    let Err(error) = lint::plan(&place.lake, &session, job).await else {
        return Ok(None);
    };
    // Lines of the whole file, and not of the statement in it.
    let explained = diagnosis::explain(&session, &kept.text, 0, &error).await;
    Ok(Some(Fault::new(
        match explained.contains("\nline ") {
            true => 0,
            false => job.sql_line,
        },
        explained,
    )))
}
