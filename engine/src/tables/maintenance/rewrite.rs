//! Old rows in new files: one group of files of one partition is read, put in order, written and
//! exchanged for the new files in one commit that changes no rows.
//!
//! A rewrite gives way: where others have replaced one of the files meanwhile, its work is thrown away.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use deltalake::kernel::{Action, Add, EagerSnapshot};
use deltalake::protocol::DeltaOperation;
use futures::StreamExt as _;
use serde_json::json;

use super::features;
use super::files::DataFile;
use super::provenance::commit_info;
use super::zorder::{self, Quantiles};
use crate::error::{Error, Result};
use crate::tables::commit::{Commit, Guards, Outcome, Reads, commit_guarded};
use crate::tables::write::{self, SORT_COLUMNS, Written};
use crate::tables::{LakeTableProvider, Table};

/// Tag of a file by which columns its partition was z-ordered.
pub const ZORDER_TAG: &str = "paratope.zorder";

/// The order of rows in the new files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The table's sort columns.
    Sorted,
    /// These columns at once.
    Z(Vec<String>),
}

impl Order {
    /// Value of [`ZORDER_TAG`], where the order has one.
    pub fn tag(&self) -> Option<String> {
        match self {
            Self::Sorted => None,
            Self::Z(columns) => Some(columns.join(",")),
        }
    }
}

/// How groups of one statement are rewritten.
pub struct Rewriter {
    /// The table.
    pub table: Arc<Table>,
    /// The order of rows in the new files.
    pub order: Order,
    /// Target size of the new files, bytes; 0: one file a group.
    pub target_file_bytes: u64,
    /// What is recorded.
    pub operation: DeltaOperation,
    /// Guards of the commit.
    pub guards: Guards,
}

/// How a group ended.
pub enum Rewrite {
    /// Its files were exchanged for these.
    Done(Vec<Add>),
    /// Others have replaced one of its files: nothing was changed.
    GaveWay,
}

impl Rewriter {
    /// Rewrites files of one partition, sorting in the memory of `context`.
    ///
    /// # Errors
    /// Whatever keeps rows from being read, sorted or written; never a conflict.
    pub async fn rewrite(&self, files: &[DataFile], context: &SessionContext) -> Result<Rewrite> {
        let base = self.table.snapshot().await?;
        features::check_rewriting(&self.table, &base, self.operation.name())?;
        if !all_active(&base, files)? {
            return Ok(Rewrite::GaveWay);
        }
        let written = match self.write(&base, files, context).await {
            Ok(written) => written,
            // A file that others have replaced may be deleted by now.
            Err(_) if !all_active(&self.table.snapshot().await?, files)? => {
                return Ok(Rewrite::GaveWay);
            }
            Err(error) => return Err(error.context(self.table.name())),
        };
        if let Err(error) = self.check_rows(files, &written) {
            write::discard(&self.table, &written).await;
            return Err(error);
        }
        let adds = self.adds(&written);
        match commit_guarded(&self.table, self.exchange(base, files, &adds), self.guards).await {
            Ok(Outcome::Committed(_)) => Ok(Rewrite::Done(adds)),
            Ok(Outcome::AlreadyDone(_)) | Err(Error::Conflict(_)) => {
                write::discard(&self.table, &written).await;
                Ok(Rewrite::GaveWay)
            }
            // After an unknown outcome the files may be in use: then VACUUM decides.
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(error) => {
                write::discard(&self.table, &written).await;
                Err(error)
            }
        }
    }

    async fn write(
        &self,
        base: &EagerSnapshot,
        files: &[DataFile],
        context: &SessionContext,
    ) -> Result<Written> {
        let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let provider = LakeTableProvider::try_new(&self.table, base.clone())
            .await?
            .restricted_to(&paths)?;
        let frame = context.read_table(Arc::new(provider))?;
        let schema = Table::schema(base);
        let context = context.task_ctx();
        let target = self.target_file_bytes;
        let Order::Z(columns) = &self.order else {
            let rows = stored(frame, schema).await?;
            return write::write_sorted(&self.table, base, rows, context, target).await;
        };
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let sampled = names
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let sample = frame.clone().select_columns(&names)?;
        let sample = stored(sample, Arc::new(schema.project(&sampled)?)).await?;
        let quantiles = Quantiles::sample(sample).await?;
        let rows = quantiles.keyed(stored(frame, Arc::clone(&schema)).await?);
        let mut keys = vec![zorder::KEY.to_string()];
        keys.extend(Table::column_list(base, SORT_COLUMNS).unwrap_or_default());
        let keyed = rows.schema();
        let sorted = write::sort(rows, &keyed, &keys, context)?;
        let rows = without_key(sorted, schema);
        write::write_ordered(&self.table, base, rows, target).await
    }

    /// The last line of defence: a rewrite that gains or loses rows is not committed.
    fn check_rows(&self, files: &[DataFile], written: &Written) -> Result<()> {
        let before = files
            .iter()
            .try_fold(0_u64, |sum, file| Some(sum + file.rows?));
        match before {
            Some(before) if before != written.rows => Err(Error::Corrupt(format!(
                "{}: the log promises {before} rows in {} files, but they hold {}; nothing was changed",
                self.table.name(),
                files.len(),
                written.rows
            ))),
            _ => Ok(()),
        }
    }

    fn adds(&self, written: &Written) -> Vec<Add> {
        let tag = self.order.tag();
        written
            .adds
            .iter()
            .cloned()
            .map(|mut add| {
                add.data_change = false;
                if let Some(columns) = &tag {
                    let tags = add.tags.get_or_insert_default();
                    tags.insert(ZORDER_TAG.into(), Some(columns.clone()));
                }
                add
            })
            .collect()
    }

    fn exchange(&self, base: EagerSnapshot, files: &[DataFile], adds: &[Add]) -> Commit {
        let metrics = json!({
            "numRemovedFiles": files.len(),
            "numRemovedBytes": files.iter().map(|file| file.bytes).sum::<u64>(),
            "numAddedFiles": adds.len(),
            "numAddedBytes": adds.iter().map(|add| add.size).sum::<i64>(),
        });
        let mut info = commit_info(&self.operation, base.version(), metrics);
        if let Order::Z(columns) = &self.order {
            let parameters = info.operation_parameters.get_or_insert_default();
            parameters.insert("zOrderBy".into(), json!(json!(columns).to_string()));
        }
        let removes = files.iter().map(|file| Action::Remove(file.remove(false)));
        let actions = std::iter::once(Action::CommitInfo(info))
            .chain(removes)
            .chain(adds.iter().cloned().map(Action::Add))
            .collect();
        Commit {
            base,
            operation: self.operation.clone(),
            actions,
            transactions: Vec::new(),
            reads: Reads::Nothing,
        }
    }
}

/// Whether all of `files` are part of `snapshot`.
fn all_active(snapshot: &EagerSnapshot, files: &[DataFile]) -> Result<bool> {
    let mut missing: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for file in snapshot.try_log_data()?.iter() {
        missing.remove(file.path().as_ref());
    }
    Ok(missing.is_empty())
}

/// The rows of a query in the types that are stored.
async fn stored(frame: DataFrame, schema: SchemaRef) -> Result<SendableRecordBatchStream> {
    let rows = frame.execute_stream().await?;
    let batches = {
        let schema = Arc::clone(&schema);
        rows.map(move |batch| write::as_stored(&batch?, &schema))
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

/// The rows without the last column, by which they were sorted.
fn without_key(rows: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    let batches = {
        let schema = Arc::clone(&schema);
        rows.map(move |batch| Ok(batch?.project(&columns)?.with_schema(Arc::clone(&schema))?))
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}
