//! What `system.job_runs` tells of each job: when it last ran, and how that ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};

use super::record::TABLE;
use crate::error::{Error, Result};
use crate::session::Session;

/// Runs of the past by job.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<String, Fact>);

/// Runs of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fact {
    /// Latest moment of the schedule that was done with.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Latest start of a run that came to an end.
    pub started_at: Option<DateTime<Utc>>,
    /// Latest end of a success.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// How the latest run ended.
    pub status: Option<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The latest run.
    pub run_id: Option<String>,
}

/// A run that was interrupted is made up for: its moment is not done with, and what it waited for is not used up.
const QUERY: &str = "\
SELECT job,
  max(scheduled_at) FILTER (WHERE status <> 'interrupted') AS scheduled_at,
  max(started_at) FILTER (WHERE status <> 'interrupted') AS started_at,
  max(ended_at) FILTER (WHERE status = 'succeeded') AS succeeded_at,
  last_value(status ORDER BY started_at) AS status,
  last_value(error ORDER BY started_at) AS error,
  last_value(run_id ORDER BY started_at) AS run_id
FROM system.job_runs GROUP BY job";

impl Facts {
    /// Reads the table.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn read(session: &Session) -> Result<Self> {
        let batches = session.rows_of(QUERY).await?;
        let mut found = BTreeMap::new();
        for batch in &batches {
            take(batch, &mut found)?;
        }
        Ok(Self(found))
    }

    /// Runs of one job.
    pub fn of(&self, job: &str) -> Fact {
        self.0.get(job).cloned().unwrap_or_default()
    }

    /// Whether the latest run of a job is this one.
    pub fn has_run(&self, job: &str, run_id: &str) -> bool {
        self.of(job).run_id.as_deref() == Some(run_id)
    }

    /// Enters what a test says of a job.
    #[cfg(test)]
    pub fn note(&mut self, job: &str, fact: Fact) {
        self.0.insert(job.to_string(), fact);
    }
}

fn take(batch: &RecordBatch, found: &mut BTreeMap<String, Fact>) -> Result<()> {
    let column = |name: &str, kind: &DataType| {
        let values = batch
            .column_by_name(name)
            .ok_or_else(|| Error::Corrupt(format!("{TABLE} has no column {name}")))?;
        Ok::<_, Error>(cast(values, kind)?)
    };
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = |name: &str, row: usize| -> Result<Option<String>> {
        let values = column(name, &DataType::Utf8)?;
        let values = values.as_string::<i32>();
        Ok(values.is_valid(row).then(|| values.value(row).to_string()))
    };
    let time = |name: &str, row: usize| -> Result<Option<DateTime<Utc>>> {
        let values = column(name, &moment)?;
        let values = values.as_primitive::<TimestampMicrosecondType>();
        Ok(match values.is_valid(row) {
            true => DateTime::from_timestamp_micros(values.value(row)),
            false => None,
        })
    };
    for row in 0..batch.num_rows() {
        let Some(job) = text("job", row)? else {
            continue;
        };
        let fact = Fact {
            scheduled_at: time("scheduled_at", row)?,
            started_at: time("started_at", row)?,
            succeeded_at: time("succeeded_at", row)?,
            status: text("status", row)?,
            error: text("error", row)?,
            run_id: text("run_id", row)?,
        };
        found.insert(job, fact);
    }
    Ok(())
}
