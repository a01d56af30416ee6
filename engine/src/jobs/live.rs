//! `system.jobs`: every job with its state, when it is due and how it last went.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::book::{Book, Kept, Origin};
use super::definition::short;
use super::facts::{Fact, Facts};
use super::lease::{Holder, Lease};
use crate::catalog::Live;
use crate::error::Result;
use crate::lake::Lake;
use crate::session::Session;
use crate::storage::Access;

/// Name of the table in the schema `system`.
pub const TABLE: &str = "jobs";
const TEXTS: [&str; 10] = [
    "job",
    "state",
    "origin",
    "schedule",
    "target",
    "mode",
    "after",
    "last_status",
    "last_error",
    "description",
];
const TIMES: [&str; 4] = [
    "next_run_at",
    "running_since",
    "last_run_at",
    "last_success_at",
];

/// The table.
#[derive(Debug)]
pub struct LiveJobs {
    lake: Arc<Lake>,
    folder: Option<PathBuf>,
    schema: SchemaRef,
}

impl LiveJobs {
    /// The jobs of `lake`, and of the folder that its configuration names.
    pub fn new(lake: Arc<Lake>) -> Self {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let texts = TEXTS.iter().map(|name| {
            Field::new(
                *name,
                DataType::Utf8,
                !matches!(*name, "job" | "state" | "origin"),
            )
        });
        let times = TIMES
            .iter()
            .map(|name| Field::new(*name, time.clone(), true));
        let mut fields: Vec<Field> = texts.chain(times).collect();
        // Moments stand before the explanations.
        let explanations = fields.split_off(TEXTS.len() - 3);
        let (texts, times) = explanations.split_at(3);
        fields.extend_from_slice(times);
        fields.extend_from_slice(texts);
        Self {
            folder: lake.config().jobs.folder.clone(),
            lake,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

#[async_trait]
impl Live for LiveJobs {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let book = Book::read(&self.lake, self.folder.as_deref()).await?;
        let config = self.lake.config();
        let session = Session::new(
            Some(Arc::clone(&self.lake)),
            config,
            Access::nothing(config)?,
        )?;
        let facts = Facts::read(&session).await?;
        let mut rows = Vec::new();
        for kept in book.all() {
            let holder = Lease::holder(self.lake.storage(), &kept.name).await?;
            rows.push((kept, facts.of(&kept.name), holder));
        }
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                let name = field.name().as_str();
                match TIMES.contains(&name) {
                    true => {
                        let times: TimestampMicrosecondArray = rows
                            .iter()
                            .map(|(kept, fact, holder)| {
                                let at = time(name, kept, fact, holder.as_ref())?;
                                Some(at.timestamp_micros())
                            })
                            .collect();
                        Arc::new(times.with_timezone("UTC"))
                    }
                    false => Arc::new(
                        rows.iter()
                            .map(|(kept, fact, holder)| text(name, kept, fact, holder.as_ref()))
                            .collect::<StringArray>(),
                    ),
                }
            })
            .collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn time(name: &str, kept: &Kept, fact: &Fact, holder: Option<&Holder>) -> Option<DateTime<Utc>> {
    match name {
        "next_run_at" => {
            let schedule = kept.job.as_ref().ok()?.schedule.as_ref()?;
            kept.is_on.then(|| schedule.after(Utc::now()))?
        }
        "running_since" => holder.map(|holder| holder.started_at),
        "last_run_at" => fact.started_at,
        _ => fact.succeeded_at,
    }
}

fn text(name: &str, kept: &Kept, fact: &Fact, holder: Option<&Holder>) -> Option<String> {
    let job = kept.job.as_ref().ok();
    match name {
        "job" => Some(kept.name.clone()),
        "state" => Some(
            match (holder, job, kept.is_on, &kept.origin) {
                (Some(_), ..) => "running",
                (_, None, ..) => "invalid",
                (.., true, _) => "on",
                (.., false, Origin::Shipped) => "off",
                _ => "paused",
            }
            .to_string(),
        ),
        "origin" => Some(kept.origin.to_string()),
        "schedule" => job?.schedule.as_ref().map(ToString::to_string),
        "target" => job?.target.as_ref().map(short),
        "mode" => Some(job?.mode.to_string()),
        "after" => Some(job?.after.join(", ")).filter(|after| !after.is_empty()),
        "last_status" => fact.status.clone(),
        "last_error" => match &kept.job {
            Ok(_) => fact.error.clone(),
            Err(faults) => Some(super::definition::together(&kept.place(), faults).to_string()),
        },
        _ => Some(job?.description.clone()).filter(|text| !text.is_empty()),
    }
}
