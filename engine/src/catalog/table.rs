//! The Delta table `system.catalog`, read incrementally and changed by one commit at a time.

use std::sync::{Arc, PoisonError, RwLock};

use deltalake::kernel::{Action, EagerSnapshot, Transaction};

use super::{Contents, Entry, Kind, NAME, rows};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::{Table, write};

/// Its folder, which is fixed.
const LOCATION: &str = "system/catalog";
/// How often a change that others overtook is decided again.
const ATTEMPTS: usize = 100;
/// Transaction id of every change that could make views refer to each other in a circle. Each of
/// two racing ones may be sound by itself.
const VIEWS: &str = "catalog:views";

/// `system.catalog`, and what this process last read of it.
#[derive(Debug)]
pub struct CatalogTable {
    table: Arc<Table>,
    contents: RwLock<Arc<Contents>>,
}

/// What is to be entered into the catalog, as one.
#[derive(Debug, Default)]
pub struct Change {
    /// Entries; their names must not have been changed meanwhile.
    pub entries: Vec<Entry>,
    /// Whether the change depends on what all views refer to.
    pub on_views: bool,
}

impl CatalogTable {
    /// The catalog of the lake in `storage`. Nothing is read yet.
    pub fn new(storage: &Storage) -> Result<Self> {
        Ok(Self {
            table: Table::new(storage, NAME, LOCATION)?,
            contents: RwLock::default(),
        })
    }

    /// The table itself.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The newest contents: one small request where nothing is new.
    ///
    /// # Errors
    /// Whatever keeps the table from being read.
    pub async fn read(&self) -> Result<Arc<Contents>> {
        Ok(self.read_with_base().await?.1)
    }

    /// The newest contents, and a snapshot that is not newer than they are.
    async fn read_with_base(&self) -> Result<(EagerSnapshot, Arc<Contents>)> {
        let snapshot = self.table.snapshot().await?;
        let known = Arc::clone(&self.contents.read().unwrap_or_else(PoisonError::into_inner));
        if known.version() >= Some(snapshot.version()) {
            return Ok((snapshot, known));
        }
        let fresh = Arc::new(known.at(&self.table, &snapshot).await?);
        let mut kept = self
            .contents
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Another task may have read a later version meanwhile.
        if kept.version() < fresh.version() {
            *kept = Arc::clone(&fresh);
        }
        Ok((snapshot, fresh))
    }

    /// Makes the change that `decide` finds right for the newest contents, where it finds one.
    /// Where others changed one of its names meanwhile, it decides again. Tells whether anything
    /// was changed.
    ///
    /// # Errors
    /// Those of `decide`; `Conflict` where others are faster all the time; those of the committer.
    pub async fn change(
        &self,
        decide: impl Fn(&Contents) -> Result<Option<Change>>,
    ) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let (base, contents) = self.read_with_base().await?;
            let Some(change) = decide(&contents)? else {
                return Ok(false);
            };
            let written = rows::write(&self.table, &base, &change.entries).await?;
            let changes = Commit {
                base,
                operation: append(),
                actions: written.adds.iter().cloned().map(Action::Add).collect(),
                transactions: transactions(&change),
                reads: Reads::Nothing,
            };
            match commit(&self.table, changes).await {
                Ok(Outcome::Committed(_)) => return Ok(true),
                Ok(Outcome::AlreadyDone(_)) => write::discard(&self.table, &written).await,
                Err(error) => {
                    // After other errors the commit may yet appear, and needs its file.
                    if matches!(error, Error::Conflict(_)) {
                        write::discard(&self.table, &written).await;
                    }
                    return Err(error);
                }
            }
        }
        Err(Error::Conflict(format!(
            "{NAME} is changed so often that {ATTEMPTS} attempts were overtaken; try again later"
        )))
    }
}

/// One id a name: whoever changes a name meanwhile has committed the same id, and the committer
/// notices.
fn transactions(change: &Change) -> Vec<Transaction> {
    let updated = Some(chrono::Utc::now().timestamp_millis());
    let mut names: Vec<(String, i64)> = Vec::new();
    for entry in &change.entries {
        let id = match entry.kind {
            Kind::Job => format!("catalog:job:{}", entry.name),
            Kind::Table | Kind::View => format!("catalog:{}", entry.name),
        };
        match names.iter_mut().find(|(known, _)| *known == id) {
            Some((_, at)) => *at = entry.changed_at.max(*at),
            None => names.push((id, entry.changed_at)),
        }
    }
    let mut ids: Vec<Transaction> = names
        .into_iter()
        .map(|(id, at)| Transaction::new_with_last_update(id, at, updated))
        .collect();
    if change.on_views {
        let at = change.entries.iter().map(|entry| entry.changed_at).max();
        ids.push(Transaction::new_with_last_update(
            VIEWS,
            at.unwrap_or(0),
            updated,
        ));
    }
    ids
}
