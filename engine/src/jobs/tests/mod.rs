//! Jobs in one process: what they compute, how they end, and that nothing makes them lose or double a row.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a failed step is a failed test

mod bad;
mod faulty;
mod histories;
mod modes;
mod scheduling;

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt as _;
use tempfile::TempDir;

use super::incremental::Guards;
use super::run::Work;
use super::{Counts, Job, Progress, Stop};
use crate::config::Config;
use crate::error::Result;
use crate::lake::Lake;
use crate::session::Session;
use crate::storage::Access;

/// A lake with a session.
struct Place {
    _folder: TempDir,
    config: Config,
    lake: Arc<Lake>,
    session: Session,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        config.maintenance.vacuum_floor_hours = 0;
        config.jobs.poll_s = 3_600;
        let (lake, _) = Lake::init(&config).await.unwrap();
        let access = Access::nothing(&config).unwrap();
        let session = Session::new(Some(Arc::clone(&lake)), &config, access).unwrap();
        Self {
            _folder: folder,
            config,
            lake,
            session,
        }
    }

    async fn run(&self, job: &Job) -> Result<Counts> {
        run(&self.lake, &self.session, job, Guards::default()).await
    }

    async fn sql(&self, sql: &str) {
        sql_of(&self.session, sql).await.unwrap();
    }

    /// Rows of a query as text, sorted.
    async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.session, sql).await.unwrap()
    }
}

/// Carries a job out once, without lease and record.
async fn run(lake: &Arc<Lake>, session: &Session, job: &Job, guards: Guards) -> Result<Counts> {
    let progress = Progress::default();
    Work {
        lake,
        session,
        job,
        run_id: "run",
        started_at: Utc::now(),
        scheduled_at: None,
        progress: &progress,
        stop: &Stop::default(),
        guards,
    }
    .carry_out()
    .await?;
    Ok(progress.counts())
}

async fn sql_of(session: &Session, sql: &str) -> Result<()> {
    for statement in session.parse(sql)? {
        let _: Vec<RecordBatch> = session
            .execute(statement)
            .await?
            .stream
            .try_collect()
            .await?;
    }
    Ok(())
}

async fn rows(session: &Session, sql: &str) -> Result<Vec<String>> {
    let statement = session.parse(sql)?.pop().unwrap();
    let batches: Vec<RecordBatch> = session
        .execute(statement)
        .await?
        .stream
        .try_collect()
        .await?;
    let text = pretty_format_batches(&batches)?.to_string();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    Ok(lines)
}

fn job(header: &str, sql: &str) -> Job {
    Job::parse(&format!("{header}\n{sql}\n"), Some("j")).unwrap()
}
