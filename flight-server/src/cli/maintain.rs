//! `paratope maintain`: everything that keeps tables fast and small, in one go.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use clap::Args;
use engine::Lake;
use engine::lifecycle::{self, Maintained};
use engine::session::Session;
use engine::storage::Access;

use super::arguments::Shared;
use super::exit::{Exit, complain};
use super::output::{self, Format};

/// Keep tables fast and small
///
/// For each table: rows older than its `paratope.retain` are deleted, partitions that `paratope.archiveAfter` calls cold go to
/// the archive, small files are put together, a checkpoint is written where the log is long, and files go that no version
/// within the retention needs. Folders of dropped tables go too. Writers and readers are never kept waiting.
#[derive(Debug, Args)]
#[command(after_help = "\
Files are kept as long as delta.deletedFileRetentionDuration of a table says, and never shorter than
maintenance.vacuum_floor_hours. Exit status 3 says that a step failed for some table.

Examples:
  paratope maintain --dry-run
  paratope maintain --table chains --table annotations")]
pub struct Maintain {
    /// Only this table; may be given again
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// How rows are written
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl Maintain {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        let lake = Lake::open(&config).await?;
        let access = Access::nothing(&config)?;
        let session = Session::new(Some(Arc::clone(&lake)), &config, access)?;
        let options = lifecycle::Maintain {
            tables: self.table.iter().map(|name| full_name(name)).collect(),
            dry_run: self.dry_run,
        };
        let (done, swept) = lifecycle::maintain(&lake, &session, &options).await?;
        output::print(self.format, &rows(&done)?)?;
        if swept.folders > 0 {
            let verb = if self.dry_run { "would go" } else { "are gone" };
            output::note(format_args!(
                "{} folders of dropped tables with {} files ({} bytes) {verb}",
                swept.folders, swept.files, swept.bytes
            ));
        }
        let mut failed = false;
        for table in &done {
            for note in &table.notes {
                failed = true;
                complain(format_args!("{}: {note}", table.table));
            }
        }
        Ok(match failed {
            true => Exit::Partial,
            false => Exit::Success,
        })
    }
}

/// Tables without a schema are users' tables.
pub fn full_name(name: &str) -> String {
    match name.contains('.') {
        true => name.to_string(),
        false => format!("main.{name}"),
    }
}

fn rows(done: &[Maintained]) -> anyhow::Result<RecordBatch> {
    let number = |of: fn(&Maintained) -> Option<u64>| -> ArrayRef {
        Arc::new(done.iter().map(of).collect::<UInt64Array>())
    };
    let names = StringArray::from_iter_values(done.iter().map(|table| &table.table));
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(names) as ArrayRef),
        ("rows_expired", number(|table| Some(table.rows_expired))),
        (
            "partitions_archived",
            number(|table| Some(table.partitions_archived)),
        ),
        (
            "files_compacted",
            number(|table| Some(table.files_compacted)),
        ),
        (
            "files_clustered",
            number(|table| Some(table.files_clustered)),
        ),
        ("files_expected", number(|table| Some(table.files_expected))),
        ("files_after", number(|table| Some(table.files_after))),
        ("checkpoint", number(|table| table.checkpoint)),
        ("files_deleted", number(|table| Some(table.files_deleted))),
        ("bytes_deleted", number(|table| Some(table.bytes_deleted))),
    ])?)
}
