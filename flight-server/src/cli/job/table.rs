//! Jobs and runs as rows.

use super::Place;
use crate::cli::output::{DEFAULT_ROWS, Destination, Format, Output, Tables};

/// What `job list` shows.
pub const LIST: &str = "\
SELECT job, state, schedule, target, mode, next_run_at, last_run_at, last_status, last_success_at, origin
FROM system.jobs ORDER BY job";

/// What `job history` shows.
pub fn history(name: Option<&str>, limit: usize) -> String {
    let of = match name {
        Some(name) => format!("WHERE job = '{name}' "),
        None => String::new(),
    };
    format!(
        "SELECT started_at, job, status, cause, \
           date_part('epoch', ended_at) - date_part('epoch', started_at) AS elapsed_s, attempts, chunks, rows_read, \
           rows_written, source_from, source_to, target_version, error, run_id, host \
         FROM system.job_runs {of}ORDER BY started_at DESC LIMIT {limit}"
    )
}

/// Writes the rows of a query to stdout.
pub async fn print(place: &Place, sql: &str, format: Option<Format>) -> anyhow::Result<()> {
    let session = place.session()?;
    let mut output = Output::new(
        format.unwrap_or_else(|| Format::default_for(None)),
        Tables::of_rows(DEFAULT_ROWS),
        Destination::stdout(),
    );
    for statement in session.parse(sql)? {
        output.answer(session.execute(statement).await?).await?;
    }
    output.commit()
}
