//! Results of language models as a table of the lake, `system.inference_results`, which all processes over it share.
//!
//! Operators fetch what is stored of a batch before they compute the rest, and append what they computed: a few times a minute
//! while they run, and when they end. A table that cannot be read or written costs time and no query.

mod file;
mod index;
mod values;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use object_store::ObjectStore;

pub(super) use self::index::Index;
use crate::error::Result;
use crate::lake::Lake;
use crate::measures;
use crate::policy::RESULTS;
use crate::tables::{Table, append_rows, maintenance};

/// Its name in the schema `system`.
pub(super) const TABLE: &str = RESULTS;

/// What a result is known by.
pub(super) type Key = [u8; 32];

/// Computed results that wait in memory before they are written, in bytes.
const WAITING_BYTES: usize = 32 << 20;
/// How long they wait at most while more are computed.
const WAITING_TIME: Duration = Duration::from_secs(30);

/// The calls whose results these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallName {
    /// Hash of all that makes the call.
    pub id: String,
    /// The function.
    pub function: String,
    /// The model, `name@version`.
    pub model: String,
}

/// The table.
#[derive(Debug)]
pub(super) struct StoredResults {
    lake: Arc<Lake>,
    /// By call. Locked while one is brought up to date.
    indices: tokio::sync::Mutex<HashMap<String, Arc<Index>>>,
    /// What all of these may hold.
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    results: Vec<Computed>,
    bytes: usize,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Computed {
    call: Arc<CallName>,
    key: Key,
    result: Vec<u8>,
    at: i64,
}

impl StoredResults {
    /// Those of a lake; what is known of where they are takes about so many bytes.
    pub fn new(lake: &Arc<Lake>, index_bytes: usize) -> Self {
        Self {
            lake: Arc::clone(lake),
            indices: tokio::sync::Mutex::default(),
            most: index_bytes / index::ENTRY_BYTES,
            waiting: Mutex::default(),
        }
    }

    fn table(&self) -> Result<Arc<Table>> {
        let table = self.lake.table(&format!("system.{TABLE}"));
        table.map_err(|error| {
            error.context("`paratope init` adds the tables that a lake of an earlier version lacks")
        })
    }

    fn store(table: &Table) -> Arc<dyn ObjectStore> {
        table.log_store().object_store(None)
    }

    /// Where the results of a call are, as the table is now; as it was known to be where it cannot be read.
    pub async fn index(&self, call: &str) -> Arc<Index> {
        let mut indices = self.indices.lock().await;
        let index = Arc::clone(indices.entry(call.to_string()).or_default());
        if let Err(error) = self.refresh(&index, call, &indices).await {
            tracing::warn!(%error, "stored results of models cannot be read, and are computed again");
            // What is known of it may be wrong.
            indices.remove(call);
            return Arc::default();
        }
        index
    }

    async fn refresh(
        &self,
        index: &Index,
        call: &str,
        all: &HashMap<String, Arc<Index>>,
    ) -> Result<()> {
        let table = self.table()?;
        let snapshot = table.snapshot().await?;
        if index.version() == Some(snapshot.version()) {
            return Ok(());
        }
        let mut files = maintenance::active_files(&snapshot)?;
        files.retain(|file| file.partition.first().and_then(Option::as_deref) == Some(call));
        let of_others: usize = all.values().map(|it| it.len()).sum::<usize>() - index.len();
        let most = self.most.saturating_sub(of_others);
        index
            .refresh(&Self::store(&table), snapshot.version(), files, most)
            .await
    }

    /// The stored results of `keys`, which are of the type `of`: keys and, in their order, results.
    pub async fn fetch(
        &self,
        index: &Index,
        keys: &HashSet<Key>,
        of: &DataType,
    ) -> Option<(BinaryArray, ArrayRef)> {
        let fetched = async {
            let table = self.table()?;
            index.fetch(&Self::store(&table), keys).await
        };
        match fetched.await {
            Ok(found) => {
                let found = found?;
                let results = values::decoded(&found.results, of)?;
                Some((found.keys, results))
            }
            Err(error) => {
                tracing::warn!(%error, "stored results of models cannot be read, and are computed again");
                None
            }
        }
    }

    /// Takes in results: one row of `results` for each of `keys`.
    pub fn add<'a>(
        &self,
        call: &Arc<CallName>,
        keys: impl Iterator<Item = &'a Key>,
        results: &ArrayRef,
    ) {
        let encoded = match values::encoded(results) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::warn!(%error, function = call.function, "results of a model cannot be stored");
                return;
            }
        };
        let at = Utc::now().timestamp_micros();
        let mut waiting = self.waiting();
        waiting.since.get_or_insert_with(Instant::now);
        for (key, result) in keys.zip(encoded) {
            waiting.bytes += result.len() + size_of::<Computed>();
            waiting.results.push(Computed {
                call: Arc::clone(call),
                key: *key,
                result,
                at,
            });
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, where it is much or waits for long.
    pub async fn save_if_due(&self) {
        let is_due = {
            let waiting = self.waiting();
            let is_old = waiting.since.is_some_and(|it| it.elapsed() >= WAITING_TIME);
            waiting.bytes >= WAITING_BYTES || is_old
        };
        if is_due {
            self.save().await;
        }
    }

    /// Writes what waits.
    pub async fn save(&self) {
        let Waiting { results, .. } = std::mem::take(&mut *self.waiting());
        if results.is_empty() {
            return;
        }
        if let Err(error) = self.append(&results).await {
            tracing::warn!(%error, results = results.len(), "results of models cannot be stored, and will be computed again");
            measures::results_dropped(results.len());
        }
    }

    async fn append(&self, results: &[Computed]) -> Result<()> {
        let table = self.table()?;
        let base = table.snapshot().await?;
        let rows = batch(&Table::schema(&base), results)?;
        let target = self.lake.config().ingest.target_file_bytes;
        append_rows(&table, base, rows, Vec::new(), target).await?;
        Ok(())
    }
}

fn batch(schema: &SchemaRef, results: &[Computed]) -> Result<RecordBatch> {
    let text = |of: fn(&Computed) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(results.iter().map(of)))
    };
    let bytes = |of: fn(&Computed) -> &[u8]| -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values(results.iter().map(of)))
    };
    let fields = schema.fields().iter();
    let columns = fields.map(|field| match field.name().as_str() {
        "call" => text(|it| &it.call.id),
        "function" => text(|it| &it.call.function),
        "model" => text(|it| &it.call.model),
        "key" => bytes(|it| &it.key),
        "result" => bytes(|it| &it.result),
        "computed_at" => {
            let times = TimestampMicrosecondArray::from_iter_values(results.iter().map(|it| it.at));
            Arc::new(times.with_timezone("UTC"))
        }
        // Added to the table by others.
        _ => new_null_array(field.data_type(), results.len()),
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}
