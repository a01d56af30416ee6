//! `paratope table health`: the state of tables' files, and what maintenance would gain.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use clap::{Args, Subcommand};
use engine::Lake;
use engine::lifecycle::{self, Health};

use super::arguments::Shared;
use super::exit::Exit;
use super::maintain::full_name;
use super::output::{self, Format};

/// Look after single tables
#[derive(Debug, Args)]
pub struct Table {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is wrong with the files of tables, and what `paratope maintain` would gain
    #[command(after_help = "\
Examples:
  paratope table health
  paratope table health chains")]
    Health {
        /// Tables; all users' tables without
        #[arg(value_name = "TABLE")]
        tables: Vec<String>,
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
}

impl Table {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let lake = Lake::open(&shared.load()?).await?;
        let Verb::Health { tables, format } = self.verb;
        let names = names(&lake, &tables);
        let mut found = Vec::new();
        for name in &names {
            found.push(lifecycle::health(&lake, &lake.table(name)?).await?);
        }
        output::print(format, &rows(&found)?)?;
        Ok(Exit::Success)
    }
}

/// The tables that are asked for; all users' tables where none is.
pub fn names(lake: &Lake, asked: &[String]) -> Vec<String> {
    let all = lake.table_names("main");
    let names = if asked.is_empty() { &all } else { asked };
    names.iter().map(|name| full_name(name)).collect()
}

fn rows(found: &[Health]) -> anyhow::Result<RecordBatch> {
    let number = |of: fn(&Health) -> Option<u64>| -> ArrayRef {
        Arc::new(found.iter().map(of).collect::<UInt64Array>())
    };
    let names = StringArray::from_iter_values(found.iter().map(|health| &health.table));
    let advice: StringArray = found
        .iter()
        .map(|health| Some(health.advice().join("; ")).filter(|advice| !advice.is_empty()))
        .collect();
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("table", Arc::new(names) as ArrayRef, false),
        ("version", number(|health| Some(health.version)), false),
        ("files", number(|health| Some(health.files)), false),
        ("bytes", number(|health| Some(health.bytes)), false),
        ("rows", number(|health| health.rows), true),
        (
            "small_files",
            number(|health| Some(health.small_files)),
            false,
        ),
        (
            "files_after",
            number(|health| Some(health.files_after)),
            false,
        ),
        (
            "partitions",
            number(|health| Some(health.partitions)),
            false,
        ),
        ("skew", number(|health| Some(health.skew)), false),
        (
            "unsorted_files",
            number(|health| Some(health.unsorted_files)),
            false,
        ),
        (
            "files_without_statistics",
            number(|health| Some(health.files_without_statistics)),
            false,
        ),
        (
            "log_versions",
            number(|health| Some(health.log_versions)),
            false,
        ),
        (
            "log_entries",
            number(|health| Some(health.log_entries)),
            false,
        ),
        (
            "cold_partitions",
            number(|health| Some(health.cold_partitions)),
            false,
        ),
        (
            "archived_partitions",
            number(|health| Some(health.archived_partitions)),
            false,
        ),
        (
            "archived_bytes",
            number(|health| Some(health.archived_bytes)),
            false,
        ),
        ("orphans", number(|health| Some(health.orphans)), false),
        (
            "orphan_bytes",
            number(|health| Some(health.orphan_bytes)),
            false,
        ),
        ("advice", Arc::new(advice) as ArrayRef, true),
    ])?)
}
