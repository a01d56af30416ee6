//! The change data feed: where a table has it, a statement that rewrites files also writes which
//! rows it changed, as the Delta protocol has it (`_change_data`, a `_change_type` a row).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result as DFResult;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, AddCDCFile};
use futures::stream::unfold;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::target::Target;
use crate::error::{Error, Result};
use crate::session::{self, Session};
use crate::tables::Table;
use crate::tables::write;

/// Table property that turns the feed on.
const ENABLED: &str = "delta.enableChangeDataFeed";
/// Column of the kind of change.
const CHANGE_TYPE: &str = "_change_type";
/// Batches that may wait for the writer.
const WAITING: usize = 4;

/// What became of a row.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// It is new.
    Insert,
    /// It is gone.
    Delete,
    /// How it was.
    Before,
    /// How it is.
    After,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Before => "update_preimage",
            Self::After => "update_postimage",
        }
    }
}

/// The feed of one statement. Clones write to the same.
#[derive(Clone)]
pub struct Feed {
    schema: SchemaRef,
    sender: Sender<RecordBatch>,
}

/// The files of a feed, being written.
pub struct FeedFiles(JoinHandle<Result<Vec<AddCDCFile>>>);

impl Feed {
    /// Starts the feed, where the table has one.
    pub fn start(session: &Session, target: &Target) -> Result<Option<(Self, FeedFiles)>> {
        let base = target.base()?.clone();
        if Table::property(&base, ENABLED).as_deref() != Some("true") {
            return Ok(None);
        }
        let mut fields = target.stored_schema()?.fields().to_vec();
        fields.push(Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false)));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let (sender, receiver) = channel(WAITING);
        let rows = unfold(receiver, |mut receiver: Receiver<RecordBatch>| async {
            let batch = receiver.recv().await?;
            Some((Ok(batch), receiver))
        });
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        let table = Arc::clone(&target.table);
        let context = session::write_context(session.require_lake()?)?.task_ctx();
        let bytes = session.config().ingest.target_file_bytes;
        let files = tokio::spawn(async move {
            write::write_change_data(&table, &base, Box::pin(rows), context, bytes).await
        });
        Ok(Some((Self { schema, sender }, FeedFiles(files))))
    }

    /// Adds rows (columns of the table, as stored).
    pub async fn send(&self, rows: &RecordBatch, change: Change) -> DFResult<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let kinds = StringArray::from(vec![change.name(); rows.num_rows()]);
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(kinds) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.sender
            .send(batch)
            .await
            .map_err(|_| exec_datafusion_err!("the change data could not be written"))
    }
}

impl FeedFiles {
    /// The actions of the files, when all feeds are dropped.
    pub async fn finish(self) -> Result<Vec<Action>> {
        let files = self
            .0
            .await
            .map_err(|error| Error::Internal(format!("writing change data: {error}")))??;
        Ok(files.into_iter().map(Action::Cdc).collect())
    }
}
