//! `system.files`: the book of inputs, whose rows are never changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::prelude::{col, lit};
use deltalake::kernel::{EagerSnapshot, Transaction};

use super::identity::Identified;
use super::ledger::{transaction, transaction_id};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::session;
use crate::tables::commit::Outcome;
use crate::tables::transactions::{self, UNDONE};
use crate::tables::{LakeTableProvider, Table, append_rows};

/// The table.
pub const FILES: &str = "system.files";
/// DataFusion skips files by statistics for lists of up to 20 values.
pub const LOOKED_UP_AT_ONCE: usize = 20;
/// What it says of an input that RESTORE took back.
const UNDONE_EVENT: &str = "undone";

/// What a row of the ledger tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Event {
    /// Rows of the input were added.
    #[default]
    Ingested,
    /// RESTORE took them away.
    Undone,
    /// RESTORE brought them back.
    Redone,
    /// RESTORE took away what the ledger never had: a transaction, and no row.
    NeverEntered,
}

impl Event {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Ingested => Some("ingested"),
            Self::Undone => Some(UNDONE_EVENT),
            Self::Redone => Some("redone"),
            Self::NeverEntered => None,
        }
    }

    /// Whether the input is done after it.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Ingested | Self::Redone)
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Identity of the input.
    pub input_id: String,
    /// What happened to it.
    pub event: Event,
    /// URL of the input.
    pub source_file: Option<String>,
    /// Its reader.
    pub format: Option<String>,
    /// Its size as stored.
    pub bytes: Option<i64>,
    /// Records consumed.
    pub records: Option<i64>,
    /// Rows in `chains`.
    pub chains: Option<i64>,
    /// Rows in `proteins`.
    pub proteins: Option<i64>,
    /// Rows in `system.rejects`.
    pub rejects: Option<i64>,
    /// Options that change rows (JSON).
    pub options: Option<String>,
}

impl Row {
    /// What is known of an input before it is read.
    pub fn of(input: &Identified) -> Self {
        Self {
            input_id: input.id.clone(),
            source_file: Some(input.input.url.clone()),
            format: Some(input.format.name().to_string()),
            bytes: Some(count(input.input.size)),
            options: Some(input.options.clone()),
            ..Self::default()
        }
    }
}

/// A number as the table has it.
pub fn count(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// All that the ledger has of an input.
#[derive(Debug, Default)]
pub struct Entry {
    /// How much more often it was entered than taken back.
    balance: i64,
    /// The last that was told of it.
    pub row: Row,
}

impl Entry {
    /// Whether its rows are in the lake.
    pub fn is_done(&self) -> bool {
        self.balance > 0
    }
}

/// What `system.files` has of these inputs: looked up where they are few, else read as a whole.
pub async fn entries(lake: &Lake, input_ids: &[&str]) -> Result<HashMap<String, Entry>> {
    let mut found: HashMap<String, Entry> = HashMap::new();
    if input_ids.is_empty() {
        return Ok(found);
    }
    let table = lake.table(FILES)?;
    let provider = LakeTableProvider::try_new(&table, table.snapshot().await?).await?;
    let mut frame = session::reading_context(lake.storage())?.read_table(Arc::new(provider))?;
    if input_ids.len() <= LOOKED_UP_AT_ONCE {
        let wanted = input_ids.iter().map(|id| lit(*id)).collect();
        frame = frame.filter(col("input_id").in_list(wanted, false))?;
    }
    let wanted: HashSet<&str> = input_ids.iter().copied().collect();
    let batches = frame.collect().await?;
    for batch in &batches {
        let text = |name: &str, row: usize| -> Option<String> {
            let column = batch.column_by_name(name)?.as_string_view_opt()?;
            column.is_valid(row).then(|| column.value(row).to_string())
        };
        let number = |name: &str, row: usize| -> Option<i64> {
            let column = batch
                .column_by_name(name)?
                .as_primitive_opt::<Int64Type>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        for row in 0..batch.num_rows() {
            let input_id = text("input_id", row);
            let Some(input_id) = input_id.filter(|id| wanted.contains(id.as_str())) else {
                continue;
            };
            let undone = text("event", row).as_deref() == Some(UNDONE_EVENT);
            let entry = found.entry(input_id.clone()).or_default();
            entry.balance += if undone { -1 } else { 1 };
            let earlier = std::mem::take(&mut entry.row);
            entry.row = Row {
                input_id,
                event: Event::default(),
                source_file: text("source_file", row).or(earlier.source_file),
                format: text("format", row).or(earlier.format),
                bytes: number("bytes", row).or(earlier.bytes),
                records: number("records", row).or(earlier.records),
                chains: number("chains", row).or(earlier.chains),
                proteins: number("proteins", row).or(earlier.proteins),
                rejects: number("rejects", row).or(earlier.rejects),
                options: text("options", row).or(earlier.options),
            };
        }
    }
    Ok(found)
}

/// Appends rows, each event once however many processes try.
pub async fn enter(lake: &Lake, rows: Vec<Row>) -> Result<()> {
    let table = lake.table(FILES)?;
    let mut rows: HashMap<String, Row> = rows
        .into_iter()
        .map(|row| (transaction_id(&row.input_id), row))
        .collect();
    while !rows.is_empty() {
        let base = table.snapshot().await?;
        for (id, recorded) in transactions::all(&table).await? {
            if rows
                .get(&id)
                .is_some_and(|row| row.event.is_done() == recorded.is_done())
            {
                rows.remove(&id);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch(
            &base,
            rows.values().filter(|row| row.event.name().is_some()),
        )?;
        let target = lake.config().ingest.target_file_bytes;
        let transactions = rows.values().map(entry_transaction).collect();
        if let Outcome::Committed(_) =
            append_rows(&table, base, batch, transactions, target).await?
        {
            return Ok(());
        }
    }
    Ok(())
}

fn entry_transaction(row: &Row) -> Transaction {
    let mut transaction = transaction(&row.input_id, row.records.unwrap_or(0).unsigned_abs());
    if !row.event.is_done() {
        transaction.version = UNDONE;
    }
    transaction
}

fn batch<'a>(base: &EagerSnapshot, rows: impl Iterator<Item = &'a Row>) -> Result<RecordBatch> {
    let rows: Vec<&Row> = rows.collect();
    let text = |of: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<StringArray>())
    };
    let number = |of: fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<Int64Array>())
    };
    let now = chrono::Utc::now().timestamp_micros();
    let schema = Table::schema(base);
    if schema.field_with_name("event").is_err() && rows.iter().any(|row| !row.event.is_done()) {
        return Err(Error::Unsupported(format!(
            "{FILES} of this lake has no column event to note that RESTORE undid inputs; add it: ALTER TABLE {FILES} ADD COLUMN event STRING"
        )));
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "input_id" => text(|row| Some(&row.input_id)),
            "event" => text(|row| row.event.name()),
            "source_file" => text(|row| row.source_file.as_deref()),
            "format" => text(|row| row.format.as_deref()),
            "bytes" => number(|row| row.bytes),
            "records" => number(|row| row.records),
            "chains" => number(|row| row.chains),
            "proteins" => number(|row| row.proteins),
            "rejects" => number(|row| row.rejects),
            "options" => text(|row| row.options.as_deref()),
            "ingested_at" => Arc::new(
                TimestampMicrosecondArray::from(vec![now; rows.len()]).with_timezone("UTC"),
            ),
            // Added to the table by others.
            _ => new_null_array(field.data_type(), rows.len()),
        })
        .collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
