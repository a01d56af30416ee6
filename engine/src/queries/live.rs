//! `system.queries`: the statements that wait or run, as a table.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::registry::Queries;
use super::{Query, current};
use crate::catalog::Live;
use crate::error::Result;
use crate::policy::Grants;

/// The table as one principal sees it: their own statements, or everybody's where they are an admin.
#[derive(Debug)]
pub struct LiveQueries {
    queries: Arc<Queries>,
    user: String,
    sees_all: bool,
    schema: SchemaRef,
}

impl LiveQueries {
    /// For `user` with `grants`.
    pub fn new(queries: Arc<Queries>, user: &str, grants: &Grants) -> Self {
        Self {
            queries,
            user: user.to_string(),
            sees_all: grants.is_admin(),
            schema: schema(),
        }
    }
}

#[async_trait]
impl Live for LiveQueries {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let own = current().map(|query| query.id);
        let seen = |query: &Arc<Query>| {
            (self.sees_all || query.user == self.user) && Some(query.id) != own
        };
        let all: Vec<_> = self.queries.list().into_iter().filter(seen).collect();
        let text = |of: fn(&Query) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                all.iter().map(|query| of(query)),
            ))
        };
        let number = |of: fn(&Query) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(
                all.iter().map(|query| of(query)),
            ))
        };
        let seconds = |of: fn(&Query) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(
                all.iter().map(|query| of(query)),
            ))
        };
        let time = |of: fn(&Query) -> Option<i64>| -> ArrayRef {
            let times: TimestampMicrosecondArray = all.iter().map(|query| of(query)).collect();
            Arc::new(times.with_timezone("UTC"))
        };
        Ok(RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                text(|query| query.id.to_string()),
                text(|query| query.user.clone()),
                text(|query| query.state().to_string()),
                time(|query| Some(query.enqueued_at.timestamp_micros())),
                time(|query| query.started_at().map(|at| at.timestamp_micros())),
                seconds(|query| query.elapsed().as_secs_f64()),
                number(Query::rows),
                number(Query::bytes),
                number(|query| query.memory_bytes() as u64),
                number(|query| query.peak_memory_bytes() as u64),
                text(|query| query.statement.clone()),
            ],
        )?)
    }
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("query_id", DataType::Utf8, false),
        Field::new("user", DataType::Utf8, false),
        Field::new("state", DataType::Utf8, false),
        Field::new("enqueued_at", time.clone(), false),
        Field::new("started_at", time, true),
        Field::new("elapsed_s", DataType::Float64, false),
        Field::new("rows", DataType::UInt64, false),
        Field::new("bytes", DataType::UInt64, false),
        Field::new("memory_bytes", DataType::UInt64, false),
        Field::new("peak_memory_bytes", DataType::UInt64, false),
        Field::new("statement", DataType::Utf8, false),
    ]))
}
