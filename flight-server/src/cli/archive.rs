//! `paratope archive list|restore`: cold partitions that moved out of their tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use clap::{Args, Subcommand};
use engine::Lake;
use engine::lifecycle::archive::{self, Put};
use indicatif::HumanBytes;

use super::arguments::Shared;
use super::exit::Exit;
use super::maintain::full_name;
use super::output::{self, Format, say};

/// List archived partitions, and bring them back
///
/// `paratope maintain` moves partitions whose rows are all older than a table's `paratope.archiveAfter` says to
/// `_archive/` in the lake. A query that needs them fails and says so; others do not notice.
#[derive(Debug, Args)]
pub struct Archive {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what is archived
    #[command(after_help = "\
In SQL: SELECT * FROM system.archive. Each location is a Delta table, which any reader of such tables reads.

Examples:
  paratope archive list
  paratope archive list chains")]
    List {
        /// Tables; all users' tables without
        #[arg(value_name = "TABLE")]
        tables: Vec<String>,
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Bring archived partitions back
    ///
    /// They stay for a week at least before maintenance archives them again.
    #[command(after_help = "\
Examples:
  paratope archive restore chains --where \"study = 'a'\"
  paratope archive restore chains")]
    Restore {
        /// The table
        #[arg(value_name = "TABLE")]
        table: String,
        /// Which partitions, as an SQL condition on the columns that the table is partitioned by; all without
        #[arg(long = "where", value_name = "CONDITION")]
        condition: Option<String>,
    },
}

impl Archive {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let lake = Lake::open(&shared.load()?).await?;
        match self.verb {
            Verb::List { tables, format } => {
                let names = super::table::names(&lake, &tables);
                let mut found = Vec::new();
                for name in &names {
                    found.extend(archive::contents(&lake.table(name)?).await?);
                }
                output::print(format, &rows(&found)?)?;
            }
            Verb::Restore { table, condition } => {
                let table = lake.table(&full_name(&table))?;
                let moved = archive::restore_archived(&table, condition.as_deref()).await?;
                say(format_args!(
                    "{}: {} partitions with {} rows in {} files ({}) are back",
                    table.name(),
                    moved.partitions,
                    moved.rows,
                    moved.files,
                    HumanBytes(moved.bytes)
                ))?;
            }
        }
        Ok(Exit::Success)
    }
}

fn rows(found: &[Put]) -> anyhow::Result<RecordBatch> {
    let text = |of: fn(&Put) -> Option<String>| -> ArrayRef {
        Arc::new(found.iter().map(of).collect::<StringArray>())
    };
    let number = |of: fn(&Put) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(found.iter().map(of)))
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("table", text(|put| Some(put.table.clone())), false),
        ("partition", text(|put| Some(put.partition.clone())), false),
        ("files", number(|put| put.held.files), false),
        ("rows", number(|put| put.held.rows), false),
        ("bytes", number(|put| put.held.bytes), false),
        (
            "archived_at",
            text(|put| Some(put.archived_at.to_rfc3339())),
            false,
        ),
        ("storage_class", text(|put| put.storage_class.clone()), true),
        ("location", text(|put| Some(put.location.clone())), false),
    ])?)
}
