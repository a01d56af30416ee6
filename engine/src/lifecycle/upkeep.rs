//! Maintenance of tables as one piece of work: rows that have expired, cold partitions, small files, checkpoints, files that
//! nobody needs.
//!
//! Rows go first, so that their files are gone when the rest is put together; files are deleted last. Each step is one that a
//! statement takes too (DELETE, OPTIMIZE, CHECKPOINT, VACUUM), with its guards: nothing here fails a writer.

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::{Int64Type, UInt64Type};

use super::age::{Age, RETAIN};
use super::archive::{self, ArchivedAge};
use super::health::{Health, health};
use super::retired::{self, Swept};
use crate::catalog::SCHEMAS;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session::{ARCHIVED, Session};
use crate::sql::quoted;
use crate::storage::Access;
use crate::tables::Table;
use crate::tables::archive::pinned;
use crate::tables::layout::ZORDER_COLUMNS;
use crate::tables::maintenance::{self, DataFile, Optimize, Vacuum, ZORDER_TAG};

/// Log entries behind a checkpoint from which on another is written.
const CHECKPOINT_AFTER: u64 = 20;

/// One byte in so many that is not z-ordered makes it worth doing that again.
const UNCLUSTERED: u64 = 5;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintain {
    /// The tables, as `schema.name`; all without.
    pub tables: Vec<String>,
    /// Only tell what would be done.
    pub dry_run: bool,
}

/// What was done to a table, or would be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maintained {
    /// `schema.name`.
    pub table: String,
    /// Rows that had expired.
    pub rows_expired: u64,
    /// Partitions that were cold and went to the archive.
    pub partitions_archived: u64,
    /// Files that were put together.
    pub files_compacted: u64,
    /// Files that were z-ordered.
    pub files_clustered: u64,
    /// Files that it was thought there would be.
    pub files_expected: u64,
    /// Files that there are.
    pub files_after: u64,
    /// The version of a checkpoint that was written.
    pub checkpoint: Option<u64>,
    /// Files deleted.
    pub files_deleted: u64,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// Why a step was left out, or failed.
    pub notes: Vec<String>,
}

/// Maintains tables one after the other; what fails with one does not keep the others from it.
///
/// # Errors
/// A table that is not there; a catalog that cannot be read.
pub async fn maintain(
    lake: &Arc<Lake>,
    session: &Session,
    options: &Maintain,
) -> Result<(Vec<Maintained>, Swept)> {
    lake.refresh_if_changed().await?;
    let names = match options.tables.is_empty() {
        false => options.tables.clone(),
        true => SCHEMAS
            .iter()
            .flat_map(|schema| {
                let names = lake.table_names(schema).into_iter();
                names.map(move |name| format!("{schema}.{name}"))
            })
            .collect(),
    };
    let tables = names
        .iter()
        .map(|name| lake.table(name))
        .collect::<Result<Vec<_>>>()?;
    let mut done = Vec::with_capacity(tables.len());
    for table in tables {
        done.push(one(lake, session, &table, options.dry_run).await);
    }
    let swept = match options.tables.is_empty() {
        true => retired::sweep(lake, Utc::now(), options.dry_run).await?,
        false => Swept::default(),
    };
    Ok((done, swept))
}

async fn one(lake: &Arc<Lake>, session: &Session, table: &Arc<Table>, dry_run: bool) -> Maintained {
    let mut done = Maintained {
        table: table.name().to_string(),
        ..Maintained::default()
    };
    let step = |notes: &mut Vec<String>, error: Error| notes.push(error.to_string());
    match expire(lake, session, table, dry_run).await {
        Ok(rows) => done.rows_expired = rows,
        Err(error) => step(&mut done.notes, error),
    }
    match archive::archive_cold(table, Utc::now(), dry_run).await {
        Ok(moved) => done.partitions_archived = moved.partitions,
        Err(error) => step(&mut done.notes, error),
    }
    let before = match health(lake, table).await {
        Ok(before) => before,
        Err(error) => {
            step(&mut done.notes, error);
            return done;
        }
    };
    done.files_expected = before.files_after;
    done.files_after = before.files;
    if before.small_files > 0 {
        match dry_run {
            true => done.files_compacted = before.small_files,
            false => match maintenance::optimize(lake, table, &Optimize::default()).await {
                Ok(summary) => {
                    done.files_compacted = summary.files_removed;
                    if summary.skipped_conflicts > 0 {
                        done.notes.push(format!(
                            "{} groups of files were left to writers that changed them meanwhile",
                            summary.skipped_conflicts
                        ));
                    }
                }
                Err(error) => step(&mut done.notes, error),
            },
        }
    }
    if let Err(error) = cluster(lake, table, &mut done, dry_run).await {
        step(&mut done.notes, error);
    }
    if let Err(error) = finish(lake, table, &before, &mut done, dry_run).await {
        step(&mut done.notes, error);
    }
    done
}

/// Z-orders the table as its property says, where enough has come since it was.
async fn cluster(
    lake: &Arc<Lake>,
    table: &Arc<Table>,
    done: &mut Maintained,
    dry_run: bool,
) -> Result<()> {
    let snapshot = table.snapshot().await?;
    let Some(columns) = Table::column_list(&snapshot, ZORDER_COLUMNS) else {
        return Ok(());
    };
    let options = Optimize {
        zorder: columns,
        ..Optimize::default()
    };
    let files = maintenance::active_files(&snapshot)?;
    let is_new = |file: &&DataFile| file.tag(ZORDER_TAG) != Some(options.zorder.join(","));
    let all: u64 = files.iter().map(|file| file.bytes).sum();
    let new: u64 = files.iter().filter(is_new).map(|file| file.bytes).sum();
    // A partition is z-ordered as a whole: that is worth its while now and then.
    if new * UNCLUSTERED < all.max(1) {
        return Ok(());
    }
    done.files_clustered = match dry_run {
        true => files.len() as u64,
        false => {
            maintenance::optimize(lake, table, &options)
                .await?
                .files_removed
        }
    };
    Ok(())
}

/// A checkpoint where the log is long, and files that nobody needs.
async fn finish(
    lake: &Arc<Lake>,
    table: &Arc<Table>,
    before: &Health,
    done: &mut Maintained,
    dry_run: bool,
) -> Result<()> {
    if before.log_entries >= CHECKPOINT_AFTER {
        done.checkpoint = Some(match dry_run {
            true => before.version,
            false => maintenance::checkpoint(table).await?,
        });
    }
    let options = Vacuum {
        retain: None,
        dry_run,
    };
    let deleted = maintenance::vacuum(lake, table, options).await?;
    let archived = archive::tidy(lake, table, options).await?;
    done.files_deleted = deleted.files + archived.files;
    done.bytes_deleted = deleted.bytes + archived.bytes;
    if !dry_run {
        let snapshot = table.snapshot().await?;
        done.files_after = maintenance::active_files(&snapshot)?.len() as u64;
    }
    Ok(())
}

/// Deletes rows that are older than the table keeps them; tells how many.
async fn expire(
    lake: &Arc<Lake>,
    session: &Session,
    table: &Arc<Table>,
    dry_run: bool,
) -> Result<u64> {
    let snapshot = table.snapshot().await?;
    let Some(retention) = Age::of(&snapshot, RETAIN)? else {
        return Ok(0);
    };
    let now = Utc::now();
    let age = ArchivedAge {
        retention: &retention,
        now,
    };
    let archived = archive::drop_expired(table, age, dry_run).await?;
    let expired = retention.reached(now);
    let name = match table.name().split_once('.') {
        Some((schema, name)) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(table.name()),
    };
    let sql = match dry_run {
        true => format!("SELECT count(*) AS count FROM {name} WHERE {expired}"),
        false => format!("DELETE FROM {name} WHERE {expired}"),
    };
    let batches = match pinned(table, &table.snapshot().await?).await? {
        None => session.rows_of(&sql).await?,
        Some(_) => {
            // Archived rows go by whole files, above. The caller's session is asked other things meanwhile.
            let config = session.config();
            let own = Session::new(Some(Arc::clone(lake)), config, Access::nothing(config)?)?;
            own.set(ARCHIVED, Some("skip")).await?;
            own.rows_of(&sql).await?
        }
    };
    let count = batches.iter().find_map(|batch| {
        let counts = batch.columns().first()?;
        match counts.as_primitive_opt::<UInt64Type>() {
            Some(counts) => counts.values().first().copied(),
            None => {
                let counts = counts.as_primitive_opt::<Int64Type>()?;
                counts.values().first()?.to_owned().try_into().ok()
            }
        }
    });
    Ok(archived + count.unwrap_or(0))
}
