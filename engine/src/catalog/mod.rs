//! The catalog: what is in the lake, kept in the Delta table `system.catalog`.
//!
//! Rows are only ever appended; the latest row of a name counts.

mod provider;

pub use provider::LakeCatalog;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::Result as DFResult;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, Transaction};

use crate::error::Result;
use crate::lake::folder;
use crate::session;
use crate::storage::Storage;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::definitions::{self, definition};
use crate::tables::{LakeTableProvider, Table, transactions, write};

/// The catalog's own place, which is fixed.
const NAME: &str = "system.catalog";
const LOCATION: &str = "system/catalog";
/// Catalog of the lake in SQL: `lake.main.chains`.
pub const CATALOG: &str = "lake";
/// Schemas of a lake.
pub const SCHEMAS: [&str; 2] = ["main", "system"];

/// A name of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `main` or `system`.
    pub schema_name: String,
    /// Name within the schema.
    pub name: String,
    /// `table`, `view`, …
    pub kind: String,
    /// Folder, relative to the lake.
    pub location: String,
}

impl Entry {
    /// `schema.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema_name, self.name)
    }
}

/// The tables the catalog knows at present.
pub async fn entries(storage: &Storage) -> Result<Vec<Entry>> {
    let table = Table::new(storage, NAME, LOCATION)?;
    let provider = LakeTableProvider::try_new(&table, table.snapshot().await?).await?;
    let batches = session::reading_context(storage)?
        .read_table(Arc::new(provider))?
        .select_columns(&[
            "schema_name",
            "name",
            "kind",
            "location",
            "dropped",
            "changed_at",
        ])?
        .collect()
        .await?;
    let mut latest: BTreeMap<(String, String), (i64, bool, Entry)> = BTreeMap::new();
    for batch in &batches {
        let text = |index: usize| batch.column(index).as_string_view();
        let dropped = batch.column(4).as_boolean();
        let changed = batch.column(5).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let entry = Entry {
                schema_name: text(0).value(row).into(),
                name: text(1).value(row).into(),
                kind: text(2).value(row).into(),
                location: match text(3).is_valid(row) {
                    true => text(3).value(row).into(),
                    false => continue,
                },
            };
            let key = (entry.schema_name.clone(), entry.name.clone());
            let candidate = (changed.value(row), dropped.value(row), entry);
            match latest.get(&key) {
                Some((at, ..)) if *at > candidate.0 => {}
                _ => {
                    latest.insert(key, candidate);
                }
            }
        }
    }
    Ok(latest
        .into_values()
        .filter(|(_, dropped, entry)| !dropped && entry.kind == "table")
        .map(|(_, _, entry)| entry)
        .collect())
}

/// Enters the tables that every lake has; any number of processes may try, one succeeds.
pub async fn record_definitions(storage: &Storage) -> Result<()> {
    let table = Table::new(storage, NAME, LOCATION)?;
    let base = table.snapshot().await?;
    let known = transactions::all(&table).await?;
    let missing: Vec<_> = definitions::all()?
        .iter()
        .filter(|table| !known.contains_key(&transaction_id(table)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = |of: fn(&definitions::TableDefinition) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            missing.iter().map(|table| of(table)),
        ))
    };
    let now = chrono::Utc::now().timestamp_micros();
    let rows = missing.len();
    let batch = RecordBatch::try_new(
        definition(NAME)?.arrow_schema(),
        vec![
            text(|table| table.schema_name.clone()),
            text(|table| table.name.clone()),
            text(|_| "table".into()),
            text(folder),
            text(|table| table.sql.clone()),
            Arc::new(BooleanArray::from(vec![false; rows])),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows]).with_timezone("UTC")),
        ],
    )?;
    let transactions = missing
        .iter()
        .map(|table| Transaction::new(transaction_id(table), 1))
        .collect();
    let stream =
        RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([DFResult::Ok(batch)]));
    let context = session::bare_context()?.task_ctx();
    let written = write::write_sorted(&table, &base, Box::pin(stream), context, 128 << 20).await?;
    let changes = Commit {
        base,
        operation: append(),
        actions: written.adds.iter().cloned().map(Action::Add).collect(),
        transactions,
        reads: Reads::Nothing,
    };
    match commit(&table, changes).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::AlreadyDone(_) => {
            write::discard(&table, &written).await;
            Ok(())
        }
    }
}

fn transaction_id(table: &definitions::TableDefinition) -> String {
    format!("catalog:{}", table.full_name())
}
