//! OPTIMIZE: many small files become few large ones, in the table's sort order or z-ordered.
//!
//! Our own, because deltalake's lets two of them at once commit and double rows. Each group of files
//! is a commit of its own, made as soon as it is finished: others see short exchanges of files and
//! never wait, and what is done stays done when the rest fails.
//!
//! Run twice, it changes nothing the second time: small files are put together until no two fit into one,
//! and a partition that is z-ordered by the same columns and has no other files is left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::logical_expr::Expr;
use deltalake::kernel::EagerSnapshot;
use deltalake::protocol::DeltaOperation;
use futures::StreamExt as _;

use super::files::{self, DataFile};
use super::rewrite::{Order, Rewrite, Rewriter, Room, ZORDER_TAG};
use super::{bins, features, zorder};
use crate::config::{Config, threads};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session;
use crate::tables::Table;
use crate::tables::commit::Guards;

/// Files that were put together may still fit into one with others; each round at least halves
/// their number.
const ROUNDS: usize = 8;
/// What rewriting one group may take in all, reading and writing included; fewer groups run at once where
/// queries have less.
const GROUP_MEMORY: usize = 1 << 30;
/// What one writer takes: the row group that it packs, in the columns as they are and packed.
const WRITER_MEMORY: usize = 768 << 20;
/// Share of the memory for queries that sorted rows take.
const SHARE: (usize, usize) = (1, 3);
/// Most memory for sorted rows: more saves no time. New memory costs about as much as a run on disk, which mostly stays in
/// the system's cache.
const MOST_SORT_MEMORY: usize = 768 << 20;
/// Table property: target size of data files, bytes.
const TARGET_PROPERTY: &str = "delta.targetFileSize";

/// What OPTIMIZE is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Optimize {
    /// Which partitions: a condition on partition columns. All without.
    pub filter: Option<Expr>,
    /// Columns to z-order by; the table's sort columns without.
    pub zorder: Vec<String>,
    /// Target size of data files, bytes. Without: the table's `delta.targetFileSize`, else the
    /// configuration's `ingest.target_file_bytes`.
    pub target_file_bytes: Option<u64>,
}

/// What OPTIMIZE did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptimizeSummary {
    /// Files that are not in the table any more.
    pub files_removed: u64,
    /// Files that are there instead.
    pub files_added: u64,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes_after: u64,
    /// Partitions with at least one such file.
    pub partitions: u64,
    /// Groups of files that were left as they are because others changed them meanwhile.
    pub skipped_conflicts: u64,
}

/// Compacts `table`.
///
/// # Errors
/// `Invalid` for columns or conditions that do not fit the table; `Unsupported` for a table that
/// cannot be rewritten; whatever keeps rows from being read or written. Conflicts with other
/// writers are no error: they are counted.
pub async fn optimize(
    lake: &Lake,
    table: &Arc<Table>,
    options: &Optimize,
) -> Result<OptimizeSummary> {
    optimize_guarded(lake, table, options, Guards::default()).await
}

#[doc(hidden)]
pub async fn optimize_guarded(
    lake: &Lake,
    table: &Arc<Table>,
    options: &Optimize,
    guards: Guards,
) -> Result<OptimizeSummary> {
    let base = table.snapshot().await?;
    features::check_rewriting(table, &base, "OPTIMIZE")?;
    let order = order(table, &base, &options.zorder)?;
    let target = target(&base, options, lake.config())?;
    let rewriter = Arc::new(Rewriter {
        table: Arc::clone(table),
        target_file_bytes: match order {
            // A bin is packed to be one file.
            Order::Sorted => 0,
            Order::Z(_) => target,
        },
        operation: DeltaOperation::Optimize {
            predicate: options
                .filter
                .as_ref()
                .map(|filter| filter.human_display().to_string()),
            target_size: target.try_into().unwrap_or(i64::MAX),
        },
        order,
        guards,
    });
    let known = files::active(&base)?.into_iter().map(|file| file.path);
    let mut progress = Progress::over(known);
    for _ in 0..ROUNDS {
        let groups = groups(&rewriter, options.filter.as_ref(), target, &progress).await?;
        if groups.is_empty() {
            break;
        }
        progress.skipped = 0;
        rewrite(lake, &rewriter, groups, &mut progress).await?;
    }
    Ok(progress.summary())
}

/// Rewrites groups, several at once: they share memory and threads.
async fn rewrite(
    lake: &Lake,
    rewriter: &Arc<Rewriter>,
    mut groups: Vec<Vec<DataFile>>,
    progress: &mut Progress,
) -> Result<()> {
    // The last to finish is a small one.
    groups.sort_by_key(|group| std::cmp::Reverse(bytes(group)));
    let threads = threads(lake.config().ingest.threads);
    let at_once = concurrency(lake.config()).min(groups.len()).max(1);
    let memory = sort_memory(lake.config()) / at_once;
    let writers = threads.min(session::query_memory(lake.config()) / at_once / WRITER_MEMORY);
    let mut running = futures::stream::iter(groups)
        .map(|group| {
            let rewriter = Arc::clone(rewriter);
            let context = session::rewrite_context(lake, threads);
            SpawnedTask::spawn(async move {
                let outcome = match context {
                    Ok(context) => {
                        let room = Room {
                            context,
                            memory,
                            writers: writers.max(1),
                        };
                        rewriter.rewrite(&group, &room).await
                    }
                    Err(error) => Err(error),
                };
                (group, outcome)
            })
            .join()
        })
        .buffer_unordered(at_once);
    while let Some(finished) = running.next().await {
        let (group, outcome) =
            finished.map_err(|error| Error::Internal(format!("OPTIMIZE stopped: {error}")))?;
        progress.note(&group, outcome?);
    }
    Ok(())
}

fn bytes(group: &[DataFile]) -> u64 {
    group.iter().map(|file| file.bytes).sum()
}

/// The groups of files to rewrite, as the table is now. Files that others add while the statement
/// runs are left to the next one, or it would follow a busy writer for ever.
async fn groups(
    rewriter: &Rewriter,
    filter: Option<&Expr>,
    target: u64,
    progress: &Progress,
) -> Result<Vec<Vec<DataFile>>> {
    let table = &rewriter.table;
    let snapshot = table.snapshot().await?;
    let mut files = files::active(&snapshot)?;
    files.retain(|file| progress.knows(&file.path));
    if let Some(predicate) = filter {
        let state = session::bare_context()?.state();
        files = files::in_partitions(table, &snapshot, &state, files, predicate)?;
    }
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        let partition = file.partition.clone();
        partitions.entry(partition).or_default().push(file);
    }
    let partitions = partitions.into_values();
    Ok(match rewriter.order.tag() {
        None => partitions
            .flat_map(|files| bins::pack(files, target))
            .collect(),
        Some(columns) => partitions
            .filter(|files| {
                let ordered = |file: &DataFile| file.tag(ZORDER_TAG).as_ref() == Some(&columns);
                !files.iter().all(ordered)
            })
            .collect(),
    })
}

fn order(table: &Table, snapshot: &EagerSnapshot, columns: &[String]) -> Result<Order> {
    if columns.is_empty() {
        return Ok(Order::Sorted);
    }
    let refuse = |why: String| Error::Invalid(format!("ZORDER BY on {}: {why}", table.name()));
    if columns.len() > zorder::COLUMNS {
        return Err(refuse(format!(
            "{} columns are too many to be near in each; name at most {}",
            columns.len(),
            zorder::COLUMNS
        )));
    }
    let schema = Table::schema(snapshot);
    for (index, column) in columns.iter().enumerate() {
        let Ok(field) = schema.field_with_name(column) else {
            return Err(refuse(format!("there is no column {column}")));
        };
        if snapshot.metadata().partition_columns().contains(column) {
            return Err(refuse(format!(
                "{column} is a partition column: files hold one value of it already"
            )));
        }
        if columns[..index].contains(column) {
            return Err(refuse(format!("{column} is named twice")));
        }
        zorder::check(field)?;
    }
    Ok(Order::Z(columns.to_vec()))
}

fn target(snapshot: &EagerSnapshot, options: &Optimize, config: &Config) -> Result<u64> {
    if let Some(target) = options.target_file_bytes {
        return match target {
            0 => Err(Error::Invalid("the target size of files is 0".into())),
            _ => Ok(target),
        };
    }
    let property = Table::property(snapshot, TARGET_PROPERTY);
    Ok(property
        .and_then(|text| text.parse().ok())
        .filter(|target| *target > 0)
        .unwrap_or(config.ingest.target_file_bytes))
}

/// Groups that are rewritten at once: one more than threads, or one of them would idle while the last group, whose file is
/// written by one thread, is finished.
fn concurrency(config: &Config) -> usize {
    let fit = session::query_memory(config) / GROUP_MEMORY;
    (threads(config.ingest.threads) + 1).min(fit).max(1)
}

/// Memory for rows that are sorted, of all groups together. What reads and writes them takes about as much again.
fn sort_memory(config: &Config) -> usize {
    let share = session::query_memory(config) / SHARE.1 * SHARE.0;
    share.clamp(
        config.ingest.sort_memory_bytes,
        MOST_SORT_MEMORY.max(config.ingest.sort_memory_bytes),
    )
}

/// What became of the groups so far.
#[derive(Default)]
struct Progress {
    /// Files of the version the statement started from.
    known: HashSet<String>,
    /// Files made by this statement, with their sizes: a later round may put them together again.
    added: HashMap<String, u64>,
    files_removed: u64,
    bytes_before: u64,
    partitions: BTreeSet<Vec<Option<String>>>,
    /// Groups of the last round that gave way.
    skipped: u64,
}

impl Progress {
    fn over(known: impl Iterator<Item = String>) -> Self {
        Self {
            known: known.collect(),
            ..Self::default()
        }
    }

    fn knows(&self, path: &str) -> bool {
        self.known.contains(path) || self.added.contains_key(path)
    }

    fn note(&mut self, group: &[DataFile], outcome: Rewrite) {
        let Rewrite::Done(adds) = outcome else {
            self.skipped += 1;
            return;
        };
        for file in group {
            if self.added.remove(&file.path).is_none() {
                self.files_removed += 1;
                self.bytes_before += file.bytes;
            }
            self.partitions.insert(file.partition.clone());
        }
        for add in adds {
            let bytes = add.size.try_into().unwrap_or(0);
            self.added.insert(add.path, bytes);
        }
    }

    fn summary(self) -> OptimizeSummary {
        OptimizeSummary {
            files_removed: self.files_removed,
            files_added: self.added.len() as u64,
            bytes_before: self.bytes_before,
            bytes_after: self.added.values().sum(),
            partitions: self.partitions.len() as u64,
            skipped_conflicts: self.skipped,
        }
    }
}
