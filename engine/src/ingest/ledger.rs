//! Which inputs the lake has: transaction ids of `chains` while they live, `system.files` for ever.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{col, lit};
use deltalake::kernel::{Action, EagerSnapshot, Transaction};

use super::identity::Identified;
use super::summary::InputSummary;
use crate::error::Result;
use crate::lake::Lake;
use crate::session;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::transactions::{self, Recorded};
use crate::tables::{LakeTableProvider, Table, write};

const FILES: &str = "system.files";
const CHAINS: &str = "main.chains";
/// DataFusion skips files by statistics for lists of up to 20 values.
const LOOKED_UP_AT_ONCE: usize = 20;
/// Transactions younger than this may still be entered by the process that made them.
const REPAIR_AFTER_MS: i64 = 10 * 60 * 1_000;

/// Transaction id of an input.
pub fn transaction_id(input_id: &str) -> String {
    format!("in:{input_id}")
}

/// Transaction of an input: its id and the records consumed.
pub fn transaction(input_id: &str, records: u64) -> Transaction {
    Transaction {
        app_id: transaction_id(input_id),
        version: records.try_into().unwrap_or(i64::MAX),
        last_updated: Some(chrono::Utc::now().timestamp_millis()),
    }
}

/// A snapshot, and the transaction ids of a version not older than it: what came later is
/// examined by the committer, so no id falls between the two.
#[derive(Debug)]
pub struct Known {
    /// The snapshot.
    pub base: EagerSnapshot,
    /// Transaction ids.
    pub ids: HashMap<String, Recorded>,
}

impl Known {
    /// Reads the log of `table`.
    pub async fn of(table: &Table) -> Result<Self> {
        Ok(Self {
            base: table.snapshot().await?,
            ids: transactions::all(table).await?,
        })
    }
}

/// The inputs that are done.
#[derive(Debug)]
pub struct Ledger {
    done: HashSet<String>,
    chains: Option<Known>,
    /// Inputs that `chains` has and `system.files` lacks: their process was interrupted between the
    /// two, or is about to enter them.
    unentered: HashMap<String, Recorded>,
}

impl Ledger {
    /// One pass over the transaction ids of `chains` and of `system.files`; inputs that an
    /// interrupted process did not enter in the latter are entered.
    pub async fn load(lake: &Lake) -> Result<Self> {
        let chains = Known::of(lake.table(CHAINS)?.as_ref()).await?;
        let entered = transactions::all(lake.table(FILES)?.as_ref()).await?;
        let mut ledger = Self {
            done: HashSet::with_capacity(chains.ids.len()),
            unentered: HashMap::new(),
            chains: None,
        };
        for (app_id, recorded) in &chains.ids {
            if let Some(id) = app_id.strip_prefix("in:") {
                ledger.done.insert(id.to_string());
                if !entered.contains_key(app_id) {
                    ledger.unentered.insert(id.to_string(), *recorded);
                }
            }
        }
        ledger.chains = Some(chains);
        ledger.repair_settled(lake).await?;
        Ok(ledger)
    }

    /// Enters interrupted inputs that nobody can be about to enter any more, with the little that
    /// their transaction tells.
    async fn repair_settled(&mut self, lake: &Lake) -> Result<()> {
        let now = chrono::Utc::now().timestamp_millis();
        let settled = |recorded: &Recorded| {
            recorded
                .last_updated
                .is_none_or(|at| now - at > REPAIR_AFTER_MS)
        };
        let rows: Vec<Row> = self
            .unentered
            .extract_if(|_, recorded| settled(recorded))
            .map(|(input_id, recorded)| Row {
                input_id,
                records: Some(recorded.version),
                ..Row::default()
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        tracing::info!(inputs = rows.len(), "completing the ledger system.files");
        enter(lake, rows).await
    }

    /// Enters those of `inputs` whose process was interrupted: ingested again, they are known by
    /// all but the numbers of their rows.
    pub async fn repair(&mut self, lake: &Lake, inputs: &[&Identified]) -> Result<()> {
        let rows: Vec<Row> = inputs
            .iter()
            .filter_map(|input| {
                let recorded = self.unentered.remove(&input.id)?;
                Some(Row {
                    records: Some(recorded.version),
                    ..Row::of(input)
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        enter(lake, rows).await
    }

    /// Looks up inputs whose transactions have expired. Files of the ledger that cannot hold one of
    /// them (by their minimum and maximum) are not read.
    pub async fn look_up(&mut self, lake: &Lake, input_ids: &[&str]) -> Result<()> {
        let unknown: Vec<&str> = input_ids
            .iter()
            .copied()
            .filter(|id| !self.done.contains(*id))
            .collect();
        for ids in unknown.chunks(LOOKED_UP_AT_ONCE) {
            self.done.extend(entered(lake, ids).await?);
        }
        Ok(())
    }

    /// What is known of `chains` from loading the ledger; only the first caller gets it, because it
    /// ages.
    pub fn take_chains(&mut self) -> Option<Known> {
        self.chains.take()
    }

    /// Whether the input's rows are in the lake.
    pub fn contains(&self, input_id: &str) -> bool {
        self.done.contains(input_id)
    }

    /// Notes an input that another process has done meanwhile.
    pub fn note(&mut self, input_id: &str) {
        self.done.insert(input_id.to_string());
    }

    /// Enters inputs that were just committed.
    pub async fn record(
        &mut self,
        lake: &Lake,
        inputs: &[Arc<Identified>],
        summaries: &[InputSummary],
    ) -> Result<()> {
        let rows = inputs
            .iter()
            .zip(summaries)
            .map(|(input, summary)| Row {
                records: Some(count(summary.records)),
                chains: Some(count(summary.chains)),
                proteins: Some(count(summary.proteins)),
                rejects: Some(count(summary.rejects)),
                ..Row::of(input)
            })
            .collect();
        self.done
            .extend(inputs.iter().map(|input| input.id.clone()));
        enter(lake, rows).await
    }
}

fn count(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[derive(Debug, Default)]
struct Row {
    input_id: String,
    source_file: Option<String>,
    format: Option<String>,
    bytes: Option<i64>,
    records: Option<i64>,
    chains: Option<i64>,
    proteins: Option<i64>,
    rejects: Option<i64>,
    options: Option<String>,
}

impl Row {
    /// What is known of an input before it is read.
    fn of(input: &Identified) -> Self {
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

/// Those of `input_ids` that are in `system.files`.
async fn entered(lake: &Lake, input_ids: &[&str]) -> Result<Vec<String>> {
    let table = lake.table(FILES)?;
    let provider = LakeTableProvider::try_new(&table, table.snapshot().await?).await?;
    let wanted = input_ids.iter().map(|id| lit(*id)).collect();
    let batches = session::reading_context(lake.storage())?
        .read_table(Arc::new(provider))?
        .filter(col("input_id").in_list(wanted, false))?
        .select_columns(&["input_id"])?
        .collect()
        .await?;
    Ok(batches
        .iter()
        .flat_map(|batch| batch.column(0).as_string_view().iter().flatten())
        .map(str::to_string)
        .collect())
}

/// Appends rows, each id once however many processes try.
async fn enter(lake: &Lake, rows: Vec<Row>) -> Result<()> {
    let table = lake.table(FILES)?;
    let mut rows: HashMap<String, Row> = rows
        .into_iter()
        .map(|row| (transaction_id(&row.input_id), row))
        .collect();
    while !rows.is_empty() {
        let base = table.snapshot().await?;
        for id in transactions::all(&table).await?.into_keys() {
            rows.remove(&id);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch(&base, rows.values())?;
        let stream =
            RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)]));
        let context = session::bare_context()?.task_ctx();
        let target = lake.config().ingest.target_file_bytes;
        let written = write::write_sorted(&table, &base, Box::pin(stream), context, target).await?;
        let changes = Commit {
            base,
            operation: append(),
            actions: written.adds.iter().cloned().map(Action::Add).collect(),
            transactions: rows
                .values()
                .map(|row| transaction(&row.input_id, row.records.unwrap_or(0).unsigned_abs()))
                .collect(),
            reads: Reads::Nothing,
        };
        match commit(&table, changes).await? {
            Outcome::Committed(_) => return Ok(()),
            Outcome::AlreadyDone(_) => write::discard(&table, &written).await,
        }
    }
    Ok(())
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
    Ok(RecordBatch::try_new(
        Table::schema(base),
        vec![
            text(|row| Some(&row.input_id)),
            text(|row| row.source_file.as_deref()),
            text(|row| row.format.as_deref()),
            number(|row| row.bytes),
            number(|row| row.records),
            number(|row| row.chains),
            number(|row| row.proteins),
            number(|row| row.rejects),
            text(|row| row.options.as_deref()),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows.len()]).with_timezone("UTC")),
        ],
    )?)
}
