//! Carries a statement out and watches it to its last row.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt as _, stream};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::query::{CURRENT, Outcome, Query};
use super::registry::Queries;
use super::turns::Turn;
use crate::error::Result;
use crate::session::{Answer, IngestMode, Planned, Rows, Session, Statement};

/// A statement whose turn has come. Dropping it ends the statement.
#[derive(Debug)]
pub struct Running {
    queries: Arc<Queries>,
    query: Arc<Query>,
    turn: Option<Turn>,
    clock: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn new(
        queries: Arc<Queries>,
        query: Arc<Query>,
        clock: Option<JoinHandle<()>>,
    ) -> Self {
        Self {
            queries,
            query,
            turn: None,
            clock,
        }
    }

    pub(super) fn start(&mut self, turn: Option<Turn>) {
        self.turn = turn;
        self.query.start();
    }

    /// What is known of it.
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// Plans a statement for it.
    ///
    /// # Errors
    /// The statement's; that it was stopped.
    pub async fn plan(&self, session: &Session, statement: Statement) -> Result<Planned> {
        self.unless_stopped(session.plan(statement)).await
    }

    /// Starts what was planned. The answer's rows are counted; it ends where the statement is stopped or takes too long,
    /// and the statement ends with it.
    ///
    /// # Errors
    /// The statement's; that it was stopped.
    pub async fn run(self, session: &Session, planned: Planned) -> Result<Answer> {
        let answer = self.unless_stopped(planned.run(session)).await?;
        let schema = Arc::clone(&answer.schema);
        let rows = stream::unfold(Some((answer.stream, self)), |state| async move {
            let (mut rows, running) = state?;
            let query = Arc::clone(&running.query);
            let next = tokio::select! {
                biased;
                stopped = query.stopped() => Some(Err(DataFusionError::from(stopped))),
                next = within(&query, rows.next()) => next,
            };
            match next {
                Some(Ok(batch)) => {
                    query.count(batch.num_rows(), batch.get_array_memory_size());
                    Some((Ok(batch), Some((rows, running))))
                }
                Some(Err(error)) => {
                    let error = query.stopped_or(error.into());
                    query.end(Outcome::Failed(error.to_string()));
                    // Rows that were under way are given up before the end is told.
                    drop(rows);
                    Some((Err(error.into()), None))
                }
                None => {
                    query.end(Outcome::Succeeded);
                    drop(rows);
                    None
                }
            }
        });
        Ok(Answer {
            stream: Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows)),
            schema,
        })
    }

    /// Writes rows that come from outside, within the statement's limits.
    ///
    /// # Errors
    /// A table that should or should not be there; rows that do not fit; that it was stopped.
    pub async fn ingest(
        self,
        session: &Session,
        schema: &str,
        table: &str,
        mode: IngestMode,
        rows: Rows,
    ) -> Result<u64> {
        let written = session.ingest(schema, table, mode, rows);
        let rows = self.unless_stopped(written).await?;
        self.query.end(Outcome::Succeeded);
        Ok(rows)
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = tokio::select! {
            biased;
            stopped = self.query.stopped() => Err(stopped),
            done = within(&self.query, work) => match done {
                Err(error) => Err(self.query.stopped_or(error)),
                done => done,
            },
        };
        done.inspect_err(|error| self.query.end(Outcome::Failed(error.to_string())))
    }
}

/// Work of a statement: it knows whose it is, and so do the lines that it logs.
fn within<F: Future>(query: &Arc<Query>, work: F) -> impl Future<Output = F::Output> {
    CURRENT
        .scope(Arc::clone(query), work)
        .instrument(query.span())
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.abort();
        }
        self.queries.finish(&self.query);
    }
}
