//! The lake: a location, its identity, and its tables by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::catalog::{self, CatalogTable, Contents, Entry, Kind, Name};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::models::Library;
use crate::storage::{Ranges, Storage, probe_atomic_create, redact};
use crate::tables::{Table, definitions};

/// Version of the layout that this software reads and writes.
const FORMAT_VERSION: u32 = 1;
/// Read first; written last, so that a lake is there whole or not at all.
const MARKER: &str = "_paratope/lake.json";

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format_version: u32,
    id: String,
    created_at: String,
}

/// An opened lake. Shared by everything in the process that reads or writes it.
#[derive(Debug)]
pub struct Lake {
    id: String,
    config: Config,
    storage: Storage,
    catalog: CatalogTable,
    models: Arc<Library>,
    known: RwLock<Known>,
}

/// The catalog as last read, and its tables.
#[derive(Debug, Default)]
struct Known {
    contents: Arc<Contents>,
    tables: HashMap<String, Arc<Table>>,
}

/// What [`Lake::init`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// There was no lake.
    Created,
    /// The lake lacked tables or views of this version.
    Completed,
    /// There was nothing to do.
    WasThere,
}

impl Lake {
    /// Opens an existing lake.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Unsupported` where a newer version made it; whatever the
    /// store says.
    pub async fn open(config: &Config) -> Result<Arc<Self>> {
        let storage = open_storage(config).await?;
        match read_marker(&storage).await? {
            Some(marker) => Self::load(config, storage, marker.id).await,
            None => Err(Error::NotFound(format!(
                "there is no lake at {}; create it with `paratope init --lake {}`, or name another with --lake",
                redact(storage.url()),
                config.lake.url
            ))),
        }
    }

    /// Creates a lake, or opens the one that is there; tells what was done. A lake that an earlier version made gets the
    /// tables and views that it lacks.
    ///
    /// # Errors
    /// `Unsupported` where the location cannot hold a lake; whatever the store says.
    pub async fn init(config: &Config) -> Result<(Arc<Self>, Creation)> {
        let storage = open_storage(config).await?;
        if let Some(marker) = read_marker(&storage).await? {
            let creation = match create_tables(&storage).await? {
                true => Creation::Completed,
                false => Creation::WasThere,
            };
            let lake = Self::load(config, storage, marker.id).await?;
            return Ok((lake, creation));
        }
        probe_atomic_create(&storage).await?;
        create_tables(&storage).await?;
        let marker = Marker {
            format_version: FORMAT_VERSION,
            id: Uuid::new_v4().to_string(),
            created_at: chrono::Utc::now().to_rfc3339(),
        };
        let json = serde_json::to_vec_pretty(&marker)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let created = storage.create(MARKER, json.into()).await?;
        // Another process may have been first: its identity counts.
        let marker = read_marker(&storage).await?.unwrap_or(marker);
        let creation = match created {
            true => Creation::Created,
            false => Creation::WasThere,
        };
        Ok((Self::load(config, storage, marker.id).await?, creation))
    }

    /// Opens the lake, creating it where there is none.
    pub async fn open_or_init(config: &Config) -> Result<Arc<Self>> {
        match Self::open(config).await {
            Err(Error::NotFound(_)) => Ok(Self::init(config).await?.0),
            other => other,
        }
    }

    /// A lake in a store of a test's own, created where it is not there.
    #[cfg(test)]
    pub(crate) async fn in_storage(config: &Config, storage: Storage) -> Result<Arc<Self>> {
        create_tables(&storage).await?;
        Self::load(config, storage, "test".into()).await
    }

    /// The same, which is there.
    #[cfg(test)]
    pub(crate) async fn of_storage(config: &Config, storage: Storage) -> Result<Arc<Self>> {
        Self::load(config, storage, "test".into()).await
    }

    async fn load(config: &Config, storage: Storage, id: String) -> Result<Arc<Self>> {
        let lake = Self {
            id,
            config: config.clone(),
            catalog: CatalogTable::new(&storage)?,
            models: Arc::new(Library::new(&storage, config)),
            known: RwLock::default(),
            storage,
        };
        lake.refresh_if_changed().await?;
        Ok(Arc::new(lake))
    }

    /// Reads the catalog again where it changed: what others created, renamed or dropped appears
    /// or goes. One small request where nothing is new. Tells whether anything was.
    ///
    /// # Errors
    /// Whatever keeps the catalog from being read.
    pub async fn refresh_if_changed(&self) -> Result<bool> {
        let contents = self.catalog.read().await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contents.version() >= contents.version() {
            return Ok(false);
        }
        let mut tables = HashMap::new();
        for entry in contents.entries() {
            let (Kind::Table, Some(location)) = (entry.kind, &entry.location) else {
                continue;
            };
            let name = entry.name.to_string();
            let table = match known.tables.get(&name) {
                Some(table) if table.location() == location => Arc::clone(table),
                _ if *location == self.catalog.table().location() => {
                    Arc::clone(self.catalog.table())
                }
                _ => Table::new(&self.storage, &name, location)?,
            };
            tables.insert(name, table);
        }
        *known = Known { contents, tables };
        Ok(true)
    }

    /// Identity of the lake, made at its creation.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the lake lies, without secrets.
    pub fn url(&self) -> String {
        redact(self.storage.url())
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The lake's storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The catalog's own table, through which names are changed.
    pub fn catalog(&self) -> &CatalogTable {
        &self.catalog
    }

    /// Its protein language models.
    pub fn models(&self) -> &Arc<Library> {
        &self.models
    }

    /// The catalog as last read.
    pub fn contents(&self) -> Arc<Contents> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.contents)
    }

    /// The table `schema.name`.
    ///
    /// # Errors
    /// `NotFound`, also where the name is a view's.
    pub fn table(&self, full_name: &str) -> Result<Arc<Table>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.tables.get(full_name).cloned().ok_or_else(|| {
            let url = self.url();
            let remedy = match definitions::definition(full_name) {
                Ok(_) => format!("; an earlier version made the lake: `paratope init --lake {url}` adds the table"),
                Err(_) => String::new(),
            };
            Error::NotFound(format!("there is no table {full_name} in {url}{remedy}"))
        })
    }

    /// The query of the view `schema.name`, where there is one.
    pub fn view(&self, full_name: &str) -> Option<String> {
        let (schema, name) = full_name.split_once('.')?;
        let entry = self.entry(&Name::new(schema, name))?;
        entry.definition.filter(|_| entry.kind == Kind::View)
    }

    /// Queries of all views by `schema.name`.
    pub fn views(&self) -> BTreeMap<String, String> {
        self.contents().views()
    }

    /// What a name stands for.
    pub fn entry(&self, name: &Name) -> Option<Entry> {
        self.contents().entry(name).cloned()
    }

    /// Names of the tables of a schema, sorted.
    pub fn table_names(&self, schema: &str) -> Vec<String> {
        self.names(schema, Kind::Table)
    }

    /// Names of the views of a schema, sorted.
    pub fn view_names(&self, schema: &str) -> Vec<String> {
        self.names(schema, Kind::View)
    }

    fn names(&self, schema: &str, kind: Kind) -> Vec<String> {
        self.contents()
            .entries()
            .filter(|entry| entry.kind == kind && entry.name.schema_name == schema)
            .map(|entry| entry.name.name.clone())
            .collect()
    }
}

/// Creates the tables and views that every lake has; tells whether any was missing.
async fn create_tables(storage: &Storage) -> Result<bool> {
    for definition in definitions::all()? {
        Table::new(storage, &definition.full_name(), &folder(definition))?
            .create(definition)
            .await?;
    }
    catalog::record_definitions(&CatalogTable::new(storage)?).await
}

/// Folder of a table that every lake has.
pub fn folder(definition: &crate::tables::TableDefinition) -> String {
    format!("{}/{}", definition.schema_name, definition.name)
}

async fn read_marker(storage: &Storage) -> Result<Option<Marker>> {
    let Some(bytes) = storage.read(MARKER).await? else {
        return Ok(None);
    };
    let place = format!("{}{MARKER}", redact(storage.url()));
    let version = serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()
        .and_then(|json| json.get("format_version")?.as_u64())
        .ok_or_else(|| Error::Corrupt(format!("{place} is not the mark of a lake")))?;
    if version != u64::from(FORMAT_VERSION) {
        return Err(Error::Unsupported(format!(
            "{place} says format version {version}; this paratope reads version {FORMAT_VERSION}. Use the paratope that made the lake, or a newer one"
        )));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::Corrupt(format!("{place}: {error}")))
}
/// The lake's folder. What is far away is read through a cache.
async fn open_storage(config: &Config) -> Result<Storage> {
    let storage = Storage::open(&config.lake.url, &config.storage)?;
    if storage.url().scheme() == "file" || config.storage.ranges.is_some() {
        return Ok(storage);
    }
    let mut reached = config.storage.clone();
    reached.ranges = Ranges::open(&config.cache).await?;
    Storage::open(&config.lake.url, &reached)
}
