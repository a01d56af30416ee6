//! Old rows in new files: one group of files of one partition is read, put in order, written and
//! exchanged for the new files in one commit that changes no rows.
//!
//! A rewrite gives way: where others have replaced one of the files meanwhile, its work is thrown away.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use deltalake::kernel::{Action, Add, EagerSnapshot};
use deltalake::protocol::DeltaOperation;
use futures::StreamExt as _;
use serde_json::json;

use super::arrangement::{Arrangement, gathered, of_table};
use super::features;
use super::files::DataFile;
use super::provenance::commit_info;
use super::zorder::{self, Quantiles};
use crate::error::{Error, Result};
use crate::tables::archive::RESTORED_TAG;
use crate::tables::commit::{Commit, Guards, Outcome, Reads, commit_guarded};
use crate::tables::layout::SORT_COLUMNS;
use crate::tables::write::{self, Written};
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

/// What rewriting a group may use.
pub struct Room {
    /// Reads, with as many streams as threads.
    pub context: SessionContext,
    /// Memory for rows that are sorted, bytes.
    pub memory: usize,
    /// Files written at once.
    pub writers: usize,
}

/// How a group ended.
pub enum Rewrite {
    /// Its files were exchanged for these.
    Done(Vec<Add>),
    /// Others have replaced one of its files: nothing was changed.
    GaveWay,
}

impl Rewriter {
    /// Rewrites files of one partition within `room`.
    ///
    /// # Errors
    /// Whatever keeps rows from being read, sorted or written; never a conflict.
    pub async fn rewrite(&self, files: &[DataFile], room: &Room) -> Result<Rewrite> {
        let base = self.table.snapshot().await?;
        features::check_rewriting(&self.table, &base, self.operation.name())?;
        if !all_active(&base, files)? {
            return Ok(Rewrite::GaveWay);
        }
        let written = match self.write(&base, files, room).await {
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
        let adds = self.adds(files, &written);
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
        room: &Room,
    ) -> Result<Written> {
        let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let provider = LakeTableProvider::try_new(&self.table, base.clone())
            .await?
            .restricted_to(&paths)?
            .with_stored_types()?;
        let frame = room.context.read_table(Arc::new(provider))?;
        let stored = Table::schema(base);
        let sort_columns = Table::column_list(base, SORT_COLUMNS).unwrap_or_default();
        if self.order == Order::Sorted && sort_columns.is_empty() {
            // One stream after the other, in the order in which they lie: they have no other.
            let streams = frame.execute_stream_partitioned().await?;
            let rows = futures::stream::iter(streams).flatten();
            let rows = RecordBatchStreamAdapter::new(stored, rows);
            let rows = gathered(vec![of_table(Box::pin(rows), base)]);
            return write::write_ordered(&self.table, base, rows, self.target_file_bytes).await;
        }
        let mut arrangement = Arrangement {
            table: Arc::clone(&self.table),
            base: base.clone(),
            schema: stored,
            keys: sort_columns,
            files: 1,
            boundaries: Vec::new(),
            target_file_bytes: self.target_file_bytes,
            memory: room.memory,
            writers: room.writers,
        };
        let mut rows = frame.clone().execute_stream_partitioned().await?;
        if let Order::Z(columns) = &self.order {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let sample = frame.select_columns(&names)?.execute_stream().await?;
            let quantiles = Arc::new(Quantiles::sample(sample).await?);
            rows = rows.into_iter().map(|rows| quantiles.keyed(rows)).collect();
            arrangement.schema = Quantiles::keyed_schema(&arrangement.schema);
            arrangement.keys.insert(0, zorder::KEY.to_string());
            arrangement.files = pieces(files, self.target_file_bytes);
            arrangement.boundaries = quantiles.boundaries(arrangement.files);
        }
        let runtime = room.context.runtime_env();
        arrangement.write(gathered(rows), &runtime).await
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

    fn adds(&self, files: &[DataFile], written: &Written) -> Vec<Add> {
        let tag = self.order.tag();
        let restored = files.iter().filter_map(|file| file.tag(RESTORED_TAG)).max();
        written
            .adds
            .iter()
            .cloned()
            .map(|mut add| {
                add.data_change = false;
                if let Some(at) = &restored {
                    let tags = add.tags.get_or_insert_default();
                    tags.insert(RESTORED_TAG.into(), Some(at.clone()));
                }
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

/// How many files of at most the target size the rows of `files` will fill. Sizes after sorting are known roughly: a little
/// less than the target is aimed at, as what goes beyond makes one more file.
fn pieces(files: &[DataFile], target: u64) -> usize {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let aim = (target - target / 10).max(1);
    bytes.div_ceil(aim).max(1).try_into().unwrap_or(usize::MAX)
}
