//! `CREATE JOB` and `DROP JOB`: jobs that are kept in the lake.
//!
//! A job runs with all rights, whoever wrote it: so it takes an administrator to write one.

use super::statement::CreateJob;
use crate::catalog::{self, CreateMode};
use crate::error::{Error, Result};
use crate::jobs::{self, Book, Job, Origin, lint};
use crate::policy::Deed;
use crate::session::Session;

/// The schema in which jobs are seen.
const SCHEMA: &str = "system";

/// Keeps a job in the lake, once it can be read as one.
pub async fn create_job(session: &Session, statement: &CreateJob) -> Result<()> {
    let CreateJob {
        name,
        or_replace,
        if_not_exists,
        settings,
        sql,
    } = statement;
    may_write(session)?;
    let mode = match (or_replace, if_not_exists) {
        (true, true) => {
            return Err(super::resolve::unsupported(
                "OR REPLACE together with IF NOT EXISTS",
            ));
        }
        (true, false) => CreateMode::OrReplace,
        (false, true) => CreateMode::IfNotExists,
        (false, false) => CreateMode::New,
    };
    let mut text = format!("-- job: {name}\n");
    for (setting, value) in settings {
        if setting == "job" || value.contains('\n') {
            return Err(Error::Invalid(format!(
                "option {setting}: the name stands behind CREATE JOB, and values have one line"
            )));
        }
        text.push_str(&format!("-- {setting}: {value}\n"));
    }
    text.push_str(sql);
    text.push('\n');
    add(session, name, &text, mode).await?;
    Ok(())
}

/// Keeps a job's file in the lake. Tells whether anything was changed.
pub async fn add(session: &Session, name: &str, text: &str, mode: CreateMode) -> Result<bool> {
    may_write(session)?;
    let lake = session.require_lake()?;
    let job = Job::read(text, Some(name), &format!("job {name}"))?;
    let folder = session.config().jobs.folder.as_deref();
    let book = Book::read(lake, folder)
        .await?
        .with(job.clone(), Origin::Lake);
    lint::check_among(&book, &job)?;
    catalog::create_job(lake, name, text, mode).await
}

/// Keeps a job no longer.
pub async fn drop_job(session: &Session, name: &str, if_exists: bool) -> Result<()> {
    may_write(session)?;
    catalog::drop_job(session.require_lake()?, name, if_exists).await?;
    Ok(())
}

fn may_write(session: &Session) -> Result<()> {
    session
        .caller()
        .grants
        .check(Deed::Write, SCHEMA, jobs::TABLE)
}
