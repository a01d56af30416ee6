//! Where the stored results of one call are: file and row by key. Files are read once, and only their keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::{BinaryArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore;

use super::Key;
use super::file::{File, binary};
use crate::error::Result;
use crate::tables::maintenance::DataFile;

/// Files whose keys are read at a time.
const AT_ONCE: usize = 8;
/// What an entry takes, about, with the room that a hash table leaves.
pub(super) const ENTRY_BYTES: usize = 56;

/// A row of a file.
type Place = (u32, u32);

/// The results of one call in one version of the table.
#[derive(Debug, Default)]
pub(in crate::inference) struct Index {
    inner: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    version: Option<u64>,
    files: Vec<Arc<File>>,
    /// By half of the key: two that agree in it are told apart when the row is read.
    places: HashMap<u128, Place>,
}

fn half(key: &[u8]) -> Option<u128> {
    Some(u128::from_le_bytes(key.get(..16)?.try_into().ok()?))
}

impl Index {
    fn read<T>(&self, what: impl FnOnce(&Rows) -> T) -> T {
        what(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The version that it is of.
    pub fn version(&self) -> Option<u64> {
        self.read(|rows| rows.version)
    }

    /// How many results it knows.
    pub fn len(&self) -> usize {
        self.read(|rows| rows.places.len())
    }

    /// Whether a result is stored.
    pub fn knows(&self, key: &Key) -> bool {
        half(key).is_some_and(|half| self.read(|rows| rows.places.contains_key(&half)))
    }

    /// Takes in what is new in `files`, those of the call at `version`, until there are `most` results.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn refresh(
        &self,
        store: &Arc<dyn ObjectStore>,
        version: u64,
        files: Vec<DataFile>,
        most: usize,
    ) -> Result<()> {
        let known: HashSet<String> =
            self.read(|rows| rows.files.iter().map(|it| it.path().to_string()).collect());
        // Places in files that were put together are no good any more.
        let still = files.iter().filter(|file| known.contains(&file.path));
        let starts_anew = still.count() < known.len();
        let is_new = |file: &DataFile| starts_anew || !known.contains(&file.path);
        let new: Vec<_> = files
            .into_iter()
            .filter(is_new)
            .map(|file| File::open(Arc::clone(store), file))
            .collect();
        let mut new = stream::iter(new).buffered(AT_ONCE);
        let mut read = Rows::default();
        if !starts_anew {
            self.read(|rows| read.files.clone_from(&rows.files));
        }
        let before = if starts_anew { 0 } else { self.len() };
        while before + read.places.len() < most
            && let Some((file, keys)) = new.try_next().await?
        {
            let number = u32::try_from(read.files.len()).unwrap_or(u32::MAX);
            let halves = (0..).zip(keys.iter());
            read.places
                .extend(halves.filter_map(|(row, key)| Some((half(key?)?, (number, row)))));
            read.files.push(Arc::new(file));
        }
        let mut rows = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if starts_anew {
            rows.places.clear();
        }
        rows.places.extend(read.places);
        rows.files = read.files;
        rows.version = Some(version);
        Ok(())
    }

    /// The stored results of `keys`, with the key of each, in no order.
    ///
    /// # Errors
    /// A file that cannot be read: OPTIMIZE and VACUUM may have taken it away.
    pub(super) async fn fetch(
        &self,
        store: &Arc<dyn ObjectStore>,
        keys: &HashSet<Key>,
    ) -> Result<Option<Stored>> {
        let wanted: BTreeMap<u32, (Arc<File>, Vec<u32>)> = self.read(|rows| {
            let mut wanted = BTreeMap::new();
            for key in keys {
                let place = half(key).and_then(|half| rows.places.get(&half));
                if let Some((number, row)) = place
                    && let Some(file) = rows.files.get(*number as usize)
                {
                    let (_, list): &mut (_, Vec<u32>) = wanted
                        .entry(*number)
                        .or_insert_with(|| (Arc::clone(file), Vec::new()));
                    list.push(*row);
                }
            }
            wanted
        });
        let read: Vec<_> = wanted
            .into_values()
            .map(|(file, rows)| file.rows(Arc::clone(store), rows))
            .collect();
        let found: Vec<Vec<RecordBatch>> =
            stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        let found: Vec<RecordBatch> = found.into_iter().flatten().collect();
        let Some(first) = found.first() else {
            return Ok(None);
        };
        let found = concat_batches(&first.schema(), &found)?;
        let found = filter_record_batch(&found, &asked_for(&found, keys)?)?;
        Ok(Some(Stored {
            keys: binary(&found, "key")?,
            results: binary(&found, "result")?,
        }))
    }
}

/// Some stored results.
pub(super) struct Stored {
    /// The key of each.
    pub keys: BinaryArray,
    /// The bytes of each.
    pub results: BinaryArray,
}

fn asked_for(found: &RecordBatch, keys: &HashSet<Key>) -> Result<BooleanArray> {
    let of_rows = binary(found, "key")?;
    let is_asked_for = of_rows.iter().map(|key| {
        let key: Option<Key> = key.and_then(|key| key.try_into().ok());
        Some(key.is_some_and(|key| keys.contains(&key)))
    });
    Ok(is_asked_for.collect())
}
