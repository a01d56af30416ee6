//! Which inputs the lake has: transaction ids of `chains` while they live, `system.files` for ever.
//!
//! An input is done when `chains` has its id. RESTORE may take it back: then the id is there with the
//! version [`transactions::UNDONE`], and where ids have expired, `system.files` tells: it is a book whose rows
//! are never changed, and an input is done where it was entered (`ingested`, `redone`) more often than
//! taken back (`undone`). Both books are written one after the other; whoever loads the ledger completes
//! what an interrupted process left out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deltalake::kernel::{EagerSnapshot, Transaction};

use super::book::{Event, FILES, LOOKED_UP_AT_ONCE, Row, count, enter, entries};
use super::identity::Identified;
use super::summary::InputSummary;
use crate::error::Result;
use crate::lake::Lake;
use crate::tables::Table;
use crate::tables::transactions::{self, Recorded};

/// Prefix of the transaction ids of inputs.
pub const INPUT_PREFIX: &str = "in:";
const CHAINS: &str = "main.chains";
/// Transactions younger than this may still be entered by the process that made them.
const REPAIR_AFTER_MS: i64 = 10 * 60 * 1_000;

/// Transaction id of an input.
pub fn transaction_id(input_id: &str) -> String {
    format!("{INPUT_PREFIX}{input_id}")
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

    /// Whether the table has the rows of an input.
    pub fn has(&self, input_id: &str) -> bool {
        let recorded = self.ids.get(&transaction_id(input_id));
        recorded.is_some_and(Recorded::is_done)
    }
}

/// The inputs that are done.
#[derive(Debug)]
pub struct Ledger {
    done: HashSet<String>,
    /// Inputs that RESTORE took out of `chains`, whatever `system.files` may still say.
    undone: HashSet<String>,
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
            undone: HashSet::new(),
            unentered: HashMap::new(),
            chains: None,
        };
        let mut untaken = Vec::new();
        for (app_id, recorded) in &chains.ids {
            let Some(id) = app_id.strip_prefix(INPUT_PREFIX) else {
                continue;
            };
            let in_files = entered.get(app_id).map(Recorded::is_done);
            if recorded.is_done() {
                ledger.done.insert(id.to_string());
                if in_files != Some(true) {
                    ledger.unentered.insert(id.to_string(), *recorded);
                }
            } else {
                ledger.undone.insert(id.to_string());
                if in_files != Some(false) && is_settled(recorded) {
                    untaken.push(id.to_string());
                }
            }
        }
        ledger.chains = Some(chains);
        ledger.repair_settled(lake).await?;
        take_back(lake, &untaken).await?;
        Ok(ledger)
    }

    /// Enters interrupted inputs that nobody can be about to enter any more, with the little that
    /// their transaction tells.
    async fn repair_settled(&mut self, lake: &Lake) -> Result<()> {
        let rows: Vec<Row> = self
            .unentered
            .extract_if(|_, recorded| is_settled(recorded))
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
            .filter(|id| !self.done.contains(*id) && !self.undone.contains(*id))
            .collect();
        for ids in unknown.chunks(LOOKED_UP_AT_ONCE) {
            let found = entries(lake, ids).await?;
            let done = found.into_iter().filter(|(_, entry)| entry.is_done());
            self.done.extend(done.map(|(id, _)| id));
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
        self.undone.remove(input_id);
        self.done.insert(input_id.to_string());
    }

    /// Enters inputs that were just committed; those that were replaced have their entry.
    pub async fn record(
        &mut self,
        lake: &Lake,
        inputs: &[Arc<Identified>],
        summaries: &[InputSummary],
    ) -> Result<()> {
        let rows = inputs
            .iter()
            .zip(summaries)
            .filter(|(input, _)| !self.done.contains(&input.id))
            .map(|(input, summary)| Row {
                records: Some(count(summary.records)),
                chains: Some(count(summary.chains)),
                proteins: Some(count(summary.proteins)),
                rejects: Some(count(summary.rejects)),
                ..Row::of(input)
            })
            .collect();
        for input in inputs {
            self.note(&input.id);
        }
        enter(lake, rows).await
    }
}

/// Enters what a RESTORE of `table` did to inputs, given by their transaction ids: `undone` ones can be
/// ingested again, `redone` ones (with the records they have) are done again. Only `chains` decides
/// on that; other tables leave the ledger alone.
pub async fn note_restored(
    lake: &Lake,
    table: &Table,
    undone: &[String],
    redone: &[(String, i64)],
) -> Result<()> {
    if table.name() != CHAINS {
        return Ok(());
    }
    let input = |id: &str| id.strip_prefix(INPUT_PREFIX).map(str::to_string);
    let undone: Vec<String> = undone.iter().filter_map(|id| input(id)).collect();
    take_back(lake, &undone).await?;
    let redone: Vec<(String, i64)> = redone
        .iter()
        .filter_map(|(id, records)| Some((input(id)?, *records)))
        .collect();
    let ids: Vec<&str> = redone.iter().map(|(id, _)| id.as_str()).collect();
    let mut found = entries(lake, &ids).await?;
    let mut rows = Vec::with_capacity(redone.len());
    for (input_id, records) in redone {
        let entry = found.remove(&input_id).unwrap_or_default();
        if !entry.is_done() {
            rows.push(Row {
                input_id,
                event: Event::Redone,
                records: Some(records),
                ..entry.row
            });
        }
    }
    enter(lake, rows).await
}

/// Enters inputs as undone, with what the ledger knows of them. One that it never had is noted
/// by its transaction alone.
async fn take_back(lake: &Lake, input_ids: &[String]) -> Result<()> {
    let ids: Vec<&str> = input_ids.iter().map(String::as_str).collect();
    let mut found = entries(lake, &ids).await?;
    let rows = input_ids.iter().map(|id| {
        let entry = found.remove(id).unwrap_or_default();
        Row {
            input_id: id.clone(),
            event: match entry.is_done() {
                true => Event::Undone,
                false => Event::NeverEntered,
            },
            ..entry.row
        }
    });
    let rows = rows.collect();
    enter(lake, rows).await
}

/// Whether a transaction is so old that its process cannot be about to enter it in the ledger.
fn is_settled(recorded: &Recorded) -> bool {
    let now = chrono::Utc::now().timestamp_millis();
    recorded
        .last_updated
        .is_none_or(|at| now - at > REPAIR_AFTER_MS)
}
