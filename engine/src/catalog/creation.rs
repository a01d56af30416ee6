//! New tables: a Delta table in a folder of its own first, its entry in the catalog second. Who is
//! killed in between leaves a folder that no name stands for.

use std::sync::Arc;

use futures::TryStreamExt as _;

use super::changes::{change, creation};
use super::table::{CatalogTable, Change};
use super::{Contents, CreateMode, Entry, Kind, Name, supplied};
use crate::error::{Error, Result};
use crate::lake::{Lake, folder};
use crate::tables::{Table, TableDefinition, definitions, write_first_version};

/// Creates an empty table. Tells whether anything was changed: under
/// [`CreateMode::IfNotExists`] it may be there already.
///
/// # Errors
/// `Invalid` where the name is taken or cannot be a name; `Denied` for names that are not the users'.
pub async fn create_table(
    lake: &Lake,
    definition: &TableDefinition,
    mode: CreateMode,
) -> Result<bool> {
    match NewTable::begin(lake, definition, mode).await? {
        Some(new) => new.publish(lake).await,
        None => Ok(false),
    }
}

/// A table that has no name yet: rows may be committed to it before anybody sees it.
///
/// End with [`NewTable::publish`] or [`NewTable::abandon`].
#[derive(Debug)]
pub struct NewTable {
    table: Arc<Table>,
    name: Name,
    sql: Option<String>,
    mode: CreateMode,
}

impl NewTable {
    /// Creates the table in a new folder, empty. `None` where it is there already and stays as
    /// it is.
    ///
    /// # Errors
    /// As [`create_table`].
    pub async fn begin(
        lake: &Lake,
        definition: &TableDefinition,
        mode: CreateMode,
    ) -> Result<Option<Self>> {
        let name = Name::of(definition);
        let table = Table::new(lake.storage(), &name.to_string(), &name.new_folder())?;
        let new = Self {
            table,
            name,
            sql: Some(definition.sql.clone()).filter(|sql| !sql.is_empty()),
            mode,
        };
        // Asked before anything is written, and again when the name is given.
        if new.decide(lake.catalog().read().await?.as_ref())?.is_none() {
            return Ok(None);
        }
        write_first_version(&new.table, definition).await?;
        Ok(Some(new))
    }

    /// The table, for its first rows.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Gives the table its name. `false` where another has it by now and stays: the folder is then
    /// deleted.
    ///
    /// # Errors
    /// As [`create_table`].
    pub async fn publish(self, lake: &Lake) -> Result<bool> {
        let outcome = change(lake, |contents| self.decide(contents)).await;
        match &outcome {
            // Only where the name is known not to stand for the folder may the folder go.
            Ok(false) | Err(Error::Invalid(_)) => self.abandon().await,
            _ => {}
        }
        outcome
    }

    /// Deletes the folder. What cannot be deleted falls to maintenance.
    pub async fn abandon(&self) {
        let storage = self.table.storage();
        let folder = storage.path(self.table.location());
        let delete = async {
            let files: Vec<_> = storage.store().list(Some(&folder)).try_collect().await?;
            for file in files {
                storage.delete(&file.location).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = delete.await {
            tracing::debug!(%folder, %error, "an unused folder stays until maintenance");
        }
    }

    fn decide(&self, contents: &Contents) -> Result<Option<Change>> {
        let entry = Entry {
            name: self.name.clone(),
            kind: Kind::Table,
            location: Some(self.table.location().to_string()),
            definition: self.sql.clone(),
            dropped: false,
            changed_at: 0,
        };
        let entries = creation(contents, entry, self.mode)?;
        Ok(entries.map(|entries| Change {
            entries,
            on_views: false,
        }))
    }
}

/// Enters the tables and views that every lake has and this one does not know yet; any number of processes may try,
/// one succeeds. Tells whether anything was entered.
pub async fn record_definitions(catalog: &CatalogTable) -> Result<bool> {
    let mut supplied = supplied::views()?;
    supplied.extend(definitions::all()?.iter().map(|table| Entry {
        name: Name::of(table),
        kind: Kind::Table,
        location: Some(folder(table)),
        definition: Some(table.sql.clone()),
        dropped: false,
        changed_at: 0,
    }));
    catalog
        .change(|contents| {
            let missing: Vec<Entry> = supplied
                .iter()
                // What a user dropped, or made under the name, stays as it is.
                .filter(|entry| !contents.has_known(&entry.name))
                .map(|entry| Entry {
                    changed_at: contents.next_time(&entry.name),
                    ..entry.clone()
                })
                .collect();
            Ok((!missing.is_empty()).then_some(Change {
                entries: missing,
                on_views: false,
            }))
        })
        .await
}
