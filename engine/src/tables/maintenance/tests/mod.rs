//! Maintenance of small tables on a local disk. Rows are compared as multisets.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod changes;
mod history;
mod optimize;
mod restore;
mod vacuum;
mod zorder;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::DeltaTable;
use deltalake::kernel::Action;
use futures::TryStreamExt as _;
use tempfile::TempDir;

use crate::config::Config;
use crate::lake::Lake;
use crate::session::{self, Session};
use crate::storage::Access;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::{LakeTableProvider, Moment, Table, TableDefinition, write};

/// A lake with one table of the test's own.
pub struct Bench {
    folder: TempDir,
    pub lake: Arc<Lake>,
    pub table: Arc<Table>,
}

impl Bench {
    /// A lake with the table that `sql` defines.
    pub async fn new(sql: &str) -> Self {
        Self::with(sql, |_| {}).await
    }

    pub async fn with(sql: &str, configure: impl FnOnce(&mut Config)) -> Self {
        Self::of(TableDefinition::parse(sql).unwrap(), configure).await
    }

    pub async fn of(definition: TableDefinition, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        config.maintenance.vacuum_floor_hours = 0;
        config.maintenance.orphan_hours = 0;
        configure(&mut config);
        let (lake, _) = Lake::init(&config).await.unwrap();
        let location = format!("main/{}", definition.name);
        let table = Table::new(lake.storage(), &definition.full_name(), &location).unwrap();
        table.create(&definition).await.unwrap();
        Self {
            folder,
            lake,
            table,
        }
    }

    /// Appends the rows of a query, as one commit.
    pub async fn append(&self, query: &str) -> u64 {
        let base = self.table.snapshot().await.unwrap();
        let schema = Table::schema(&base);
        let batches: Vec<RecordBatch> = select(query)
            .await
            .iter()
            .map(|batch| write::as_stored(batch, &schema).unwrap())
            .collect();
        let rows = futures::stream::iter(batches.into_iter().map(Ok));
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        let context = session::bare_context().unwrap().task_ctx();
        let written = write::write_sorted(&self.table, &base, rows, context, 1 << 30)
            .await
            .unwrap();
        let changes = Commit {
            base,
            operation: append(),
            actions: written.adds.into_iter().map(Action::Add).collect(),
            transactions: Vec::new(),
            reads: Reads::Nothing,
        };
        match commit(&self.table, changes).await.unwrap() {
            Outcome::Committed(version) => version,
            Outcome::AlreadyDone(ids) => panic!("{ids:?}"),
        }
    }

    /// All rows of the newest version, as sorted text.
    pub async fn rows(&self) -> Vec<String> {
        let snapshot = self.table.snapshot().await.unwrap();
        self.rows_of(
            LakeTableProvider::try_new(&self.table, snapshot)
                .await
                .unwrap(),
        )
        .await
    }

    pub async fn rows_of(&self, provider: impl TableProvider + 'static) -> Vec<String> {
        self.rows_where(Arc::new(provider), "true").await
    }

    /// Rows of a provider that satisfy a condition, as sorted text.
    pub async fn rows_where(
        &self,
        provider: Arc<dyn TableProvider>,
        condition: &str,
    ) -> Vec<String> {
        let context = session::reading_context(self.lake.storage()).unwrap();
        context.register_table("t", provider).unwrap();
        let sql = format!("SELECT * FROM t WHERE {condition}");
        let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
        text(&batches)
    }

    /// The table as deltalake sees it.
    pub async fn delta(&self) -> DeltaTable {
        let mut delta = DeltaTable::new(Arc::clone(self.table.log_store()));
        delta.load().await.unwrap();
        delta
    }

    /// The table's folder on disk.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lake").join(self.table.location())
    }

    /// Data files of the newest version.
    pub async fn files(&self) -> Vec<super::files::DataFile> {
        super::files::active(&self.table.snapshot().await.unwrap()).unwrap()
    }

    /// Parquet files on disk, relative to the table's folder, sorted.
    pub fn on_disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "parquet") {
                    let relative = path.strip_prefix(self.path()).unwrap();
                    let relative = relative.to_str().unwrap().to_string();
                    if !relative.starts_with("_delta_log") {
                        found.push(relative);
                    }
                }
            }
        }
        found.sort();
        found
    }
}

/// The rows of a query that needs no lake.
pub async fn select(query: &str) -> Vec<RecordBatch> {
    let session = Session::new(
        None,
        &Config::default(),
        Access::everything(&Config::default()).unwrap(),
    )
    .unwrap();
    let statement = session.parse(query).unwrap().remove(0);
    let answer = session.execute(statement).await.unwrap();
    answer.stream.try_collect().await.unwrap()
}

/// Rows as sorted text.
pub fn text(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            rows.push(cells.join(" | "));
        }
    }
    rows.sort();
    rows
}

/// Statements run on any thread of a server: a future that cannot move does not compile here.
#[allow(dead_code)] // compiling is the test
fn statements_can_move_between_threads(lake: &Lake, table: &Arc<Table>) {
    fn send<T: Send>(_: T) {}
    let at = Moment::Version(0);
    send(super::optimize(lake, table, &super::Optimize::default()));
    send(super::vacuum(lake, table, super::Vacuum::default()));
    send(super::restore(lake, table, at));
    send(super::history(table, None));
    send(super::detail(table));
    send(super::checkpoint(table));
    send(super::table_changes(table, at, None));
    send(super::resolve(table, at));
    send(super::snapshot_at(table, at));
}
