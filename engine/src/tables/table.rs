//! A Delta table of the lake: its folder, its log, and the newest snapshot this process has seen.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::{LogStoreRef, commit_uri_from_version};
use deltalake::protocol::SaveMode;
use object_store::ObjectStoreExt as _;
use tokio::sync::Mutex;

use super::{LakeTableProvider, TableDefinition, maintenance};
use crate::error::{Error, Result};
use crate::measures;
use crate::storage::Storage;

/// How long the absence of the next log entry is taken for "nothing new". After that the log is
/// listed again: entries older than the log's retention vanish, and then absence says nothing.
const LISTING_LASTS: Duration = Duration::from_secs(60);

/// A point in a table's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A version.
    Version(u64),
    /// The last version at or before a time.
    Timestamp(DateTime<Utc>),
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => write!(f, "as of version {version}"),
            Self::Timestamp(time) => write!(f, "as of {}", time.to_rfc3339()),
        }
    }
}

/// A table by its folder. Cheap to share; snapshots taken from it are immutable.
pub struct Table {
    name: String,
    location: String,
    storage: Storage,
    log_store: LogStoreRef,
    newest: Mutex<Newest>,
    /// The reader of the version that was read last.
    reader: RwLock<Option<(u64, Arc<LakeTableProvider>)>>,
}

/// The newest version known, and when the log was last listed for it.
struct Newest {
    table: DeltaTable,
    listed: Option<Instant>,
}

impl Newest {
    /// Takes in what others have committed.
    async fn refresh(&mut self, log_store: &LogStoreRef) -> Result<()> {
        let recent = self.listed.is_some_and(|at| at.elapsed() < LISTING_LASTS);
        if let (true, Some(version)) = (recent, self.table.version()) {
            let next = commit_uri_from_version(Some(version + 1));
            // One small request, where listing a log takes several on an object store.
            match log_store.object_store(None).head(&next).await {
                Err(object_store::Error::NotFound { .. }) => {
                    measures::cache("snapshot", true);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        measures::cache("snapshot", false);
        self.table.update_state().await?;
        self.listed = Some(Instant::now());
        Ok(())
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The table in the folder `location` of `storage`. Nothing is read yet.
    pub fn new(storage: &Storage, name: &str, location: &str) -> Result<Arc<Self>> {
        let log_store = storage.log_store(location)?;
        Ok(Arc::new(Self {
            name: name.into(),
            location: location.into(),
            storage: storage.clone(),
            newest: Mutex::new(Newest {
                table: DeltaTable::new(Arc::clone(&log_store)),
                listed: None,
            }),
            reader: RwLock::default(),
            log_store,
        }))
    }

    /// Creates the table as defined unless it is there already; any number of processes may try.
    pub async fn create(&self, definition: &TableDefinition) -> Result<()> {
        let configuration = definition
            .properties
            .iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())));
        let created = DeltaTable::new(Arc::clone(&self.log_store))
            .create()
            .with_save_mode(SaveMode::Ignore)
            .with_table_name(&definition.name)
            .with_columns(definition.schema.fields().cloned())
            .with_partition_columns(definition.partition_columns.clone())
            .with_configuration(configuration)
            .with_raise_if_key_not_exists(false)
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        match created {
            Ok(_) => Ok(()),
            // Somebody else was first, or our own creation was applied and its answer lost.
            Err(error) => match self.snapshot().await {
                Ok(_) => Ok(()),
                Err(Error::NotFound(_)) => Err(Error::from(error).context(&self.name)),
                Err(other) => Err(other),
            },
        }
    }

    /// `schema.name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's folder, relative to the lake.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The lake's storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The table's log.
    pub fn log_store(&self) -> &LogStoreRef {
        &self.log_store
    }

    /// The newest snapshot; only what is new in the log is read.
    ///
    /// # Errors
    /// `NotFound` where there is no table; whatever the store says.
    pub async fn snapshot(&self) -> Result<EagerSnapshot> {
        let mut newest = self.newest.lock().await;
        newest
            .refresh(&self.log_store)
            .await
            .map_err(|error| error.context(&self.name))?;
        let state = newest.table.snapshot().map_err(Error::from)?;
        Ok(state.snapshot().clone())
    }

    fn kept(&self, version: u64) -> Option<Arc<LakeTableProvider>> {
        let kept = self.reader.read().unwrap_or_else(PoisonError::into_inner);
        let (of, reader) = kept.as_ref()?;
        (*of == version).then(|| Arc::clone(reader))
    }

    /// A reader of the newest snapshot, which is kept until there is a newer one.
    ///
    /// # Errors
    /// As [`Table::snapshot`] and [`LakeTableProvider::try_new`].
    pub async fn reader(&self) -> Result<Arc<LakeTableProvider>> {
        let snapshot = self.snapshot().await?;
        let version = snapshot.version();
        if let Some(reader) = self.kept(version) {
            return Ok(reader);
        }
        let reader = Arc::new(LakeTableProvider::try_new(self, snapshot).await?);
        let mut kept = self.reader.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((version, Arc::clone(&reader)));
        Ok(reader)
    }

    /// A reader of an older version.
    ///
    /// # Errors
    /// `NotFound` where there is no such version, or its log or its files are gone already.
    pub async fn reader_at(&self, moment: Moment) -> Result<Arc<LakeTableProvider>> {
        // Tickets name versions, mostly the newest: nothing has to be asked of the store, nor the log to be read again.
        if let Moment::Version(version) = moment
            && let Some(reader) = self.kept(version)
        {
            return Ok(reader);
        }
        let snapshot = maintenance::snapshot_at(self, moment).await?;
        Ok(Arc::new(LakeTableProvider::try_new(self, snapshot).await?))
    }

    /// Logical schema of a snapshot.
    pub fn schema(snapshot: &EagerSnapshot) -> SchemaRef {
        snapshot.arrow_schema()
    }

    /// A table property, where set.
    pub fn property(snapshot: &EagerSnapshot, key: &str) -> Option<String> {
        snapshot.metadata().configuration().get(key).cloned()
    }

    /// A table property that lists columns, separated by commas.
    pub fn column_list(snapshot: &EagerSnapshot, key: &str) -> Option<Vec<String>> {
        Self::property(snapshot, key).map(|list| {
            list.split(',')
                .map(|column| column.trim().to_string())
                .filter(|column| !column.is_empty())
                .collect()
        })
    }
}
