//! Rows that come from outside, once: what clients send to be written.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session as DataFusionSession, TableProvider};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::{Answer, Session};
use crate::catalog::{Name, SCHEMAS};
use crate::error::{Error, Result};
use crate::policy::Deed;
use crate::sql::quoted;

/// What becomes of the table that rows are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestMode {
    /// It must not be there, and is created.
    Create,
    /// It must be there, and the rows are added.
    Append,
    /// It must be there, and the rows take the place of its own.
    Replace,
    /// It is created where it is not there.
    CreateOrAppend,
    /// It is created, also in the place of one that is there.
    CreateOrReplace,
}

/// Rows that can be read once.
pub struct Rows {
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
}

impl Rows {
    /// Rows with these columns.
    pub fn new(
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        let batches = batches.map_err(DataFusionError::from);
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), batches);
        Self {
            schema,
            stream: Box::pin(stream),
        }
    }
}

impl Session {
    /// Writes rows to a table in one commit, or leaves everything as it is; tells how many they were.
    ///
    /// # Errors
    /// `Conflict` for a table that is there and should not be, `NotFound` for one that is not; rows that do not fit.
    pub async fn ingest(
        &self,
        schema: &str,
        table: &str,
        mode: IngestMode,
        rows: Rows,
    ) -> Result<u64> {
        let lake = self.require_lake()?;
        lake.refresh_if_changed().await?;
        let schema = match schema {
            "" => SCHEMAS[0],
            given => given,
        };
        self.caller().grants.check(Deed::Write, schema, table)?;
        let is_there = lake.entry(&Name::new(schema, table)).is_some();
        let full = format!("{}.{}", quoted(schema), quoted(table));
        let columns: Vec<String> = rows
            .schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "" => Err(Error::Invalid(
                    "a column that is sent has no name; give it one".into(),
                )),
                name => Ok(quoted(name)),
            })
            .collect::<Result<_>>()?;
        let verb = match (mode, is_there) {
            (IngestMode::Create, true) => {
                return Err(Error::Conflict(format!(
                    "{full} is there already; append to it or replace it"
                )));
            }
            (IngestMode::Append | IngestMode::Replace, false) => {
                return Err(Error::NotFound(format!(
                    "there is no table {full}; create it"
                )));
            }
            (IngestMode::Create | IngestMode::CreateOrAppend, false) => {
                format!("CREATE TABLE {full} AS")
            }
            (IngestMode::CreateOrReplace, _) => format!("CREATE OR REPLACE TABLE {full} AS"),
            (IngestMode::Append | IngestMode::CreateOrAppend, true) => {
                format!("INSERT INTO {full} ({})", columns.join(", "))
            }
            (IngestMode::Replace, true) => {
                format!("INSERT OVERWRITE {full} ({})", columns.join(", "))
            }
        };
        let source = format!("__paratope_sent_{}", Uuid::new_v4().simple());
        let laid = Laid::over(self, &source, rows)?;
        let sql = format!(
            "{verb} SELECT {} FROM {}.{source}",
            columns.join(", "),
            SCHEMAS[0]
        );
        let statement = self.parse(&sql)?.pop();
        let statement = statement.ok_or_else(|| Error::Internal("nothing to ingest".into()))?;
        let answer = self.execute(statement).await;
        drop(laid);
        count(answer?).await
    }
}

async fn count(answer: Answer) -> Result<u64> {
    use datafusion::arrow::array::AsArray as _;
    use datafusion::arrow::datatypes::UInt64Type;
    let batches: Vec<RecordBatch> = answer.stream.try_collect().await?;
    let counts = batches.iter().flat_map(|batch| batch.columns().first());
    Ok(counts
        .filter_map(|counts| counts.as_primitive_opt::<UInt64Type>())
        .filter_map(datafusion::arrow::compute::sum)
        .sum())
}

/// A table of the session for as long as it is wanted.
struct Laid<'a> {
    session: &'a Session,
    name: &'a str,
}

impl<'a> Laid<'a> {
    fn over(session: &'a Session, name: &'a str, rows: Rows) -> Result<Self> {
        let catalog = session
            .lake_catalog()
            .ok_or_else(|| Error::NotFound("there is no lake to write to".into()))?;
        let table = Sent {
            schema: Arc::clone(&rows.schema),
            source: Arc::new(Once {
                schema: rows.schema,
                stream: Mutex::new(Some(rows.stream)),
            }),
        };
        catalog.lay_over(SCHEMAS[0], name, Arc::new(table));
        Ok(Self { session, name })
    }
}

impl Drop for Laid<'_> {
    fn drop(&mut self) {
        if let Some(catalog) = self.session.lake_catalog() {
            catalog.take_off(SCHEMAS[0], self.name);
        }
    }
}

/// The rows as a table.
#[derive(Debug)]
struct Sent {
    schema: SchemaRef,
    source: Arc<Once>,
}

#[async_trait]
impl TableProvider for Sent {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn DataFusionSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DFResult<Arc<dyn ExecutionPlan>> {
        let partition = Arc::clone(&self.source) as Arc<dyn PartitionStream>;
        let table = StreamingTable::try_new(self.schema(), vec![partition])?;
        table.scan(state, projection, filters, limit).await
    }
}

/// The stream, until somebody reads it.
struct Once {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows of a client")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        taken.unwrap_or_else(|| {
            let again = exec_err!("the table changed while the rows came, and they cannot be read twice: send them again");
            let again = futures::stream::once(std::future::ready(again)).boxed();
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), again))
        })
    }
}
