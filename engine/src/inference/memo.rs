//! Results of one call, by its arguments, within a limit. What was not asked for in a while is forgotten first.

use std::collections::HashMap as StdHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array as _, ArrayRef};
use datafusion::common::hash_utils::RandomState;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// Keys are as long as sequences, and an alignment costs no more than the standard hash of a few of them.
type HashMap<K, V> = StdHashMap<K, V, RandomState>;

/// A row of an array of results.
#[derive(Debug, Clone)]
struct Place {
    chunk: ArrayRef,
    row: usize,
    bytes: usize,
}

/// Two generations: what is asked for moves to the young one; where that is full, it becomes the old one, and what was old is
/// forgotten.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<[u8]>, Place>,
    old: HashMap<Box<[u8]>, Place>,
    young_bytes: usize,
    old_bytes: usize,
}

/// The results. Threads share it.
#[derive(Debug)]
pub(crate) struct Memo {
    limit: usize,
    kept: Mutex<(Generations, MemoryReservation)>,
    /// Held by who computes a constant.
    constant: Mutex<()>,
}

/// Stands for the array that is not there yet.
const MISSING: usize = usize::MAX;

/// What is known of some rows.
pub(crate) struct Found {
    /// Where the result of each row is: the array, and its row.
    pub places: Vec<(usize, usize)>,
    /// The arrays; behind them is meant to come that with the results of `missing`, in its order.
    pub chunks: Vec<ArrayRef>,
    /// Rows whose results are not known; of equal ones, the first.
    pub missing: Vec<u32>,
}

impl Memo {
    /// Keeps about `limit` bytes, and less where `pool` has not as much.
    pub fn new(limit: usize, pool: &Arc<dyn MemoryPool>) -> Self {
        let reservation = MemoryConsumer::new("InferenceExec").register(pool);
        Self {
            limit,
            kept: Mutex::new((Generations::default(), reservation)),
            constant: Mutex::new(()),
        }
    }

    /// Has the others wait that need the same constant: threads come to it together, and one of them computes it. What is
    /// different for each row needs no such thing, since equal rows of a batch are one thread's.
    pub fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.constant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the results of rows with these arguments.
    pub fn find<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Found {
        let mut kept = self.kept();
        let generations = &mut kept.0;
        let mut found = Found {
            places: Vec::new(),
            chunks: Vec::new(),
            missing: Vec::new(),
        };
        let mut chunks: HashMap<*const (), usize> = HashMap::default();
        let mut new: HashMap<&'a [u8], usize> = HashMap::default();
        for (row, key) in (0..).zip(keys) {
            if let Some(place) = generations.get(key) {
                let address = Arc::as_ptr(&place.chunk).cast::<()>();
                let chunk = *chunks.entry(address).or_insert_with(|| {
                    found.chunks.push(Arc::clone(&place.chunk));
                    found.chunks.len() - 1
                });
                found.places.push((chunk, place.row));
                continue;
            }
            let index = *new.entry(key).or_insert_with(|| {
                found.missing.push(row);
                found.missing.len() - 1
            });
            found.places.push((MISSING, index));
        }
        let last = found.chunks.len();
        for (chunk, _) in &mut found.places {
            if *chunk == MISSING {
                *chunk = last;
            }
        }
        found
    }

    /// Keeps results: one row of `results` for each of `keys`.
    pub fn remember<'a>(&self, keys: impl Iterator<Item = &'a [u8]>, results: &ArrayRef) {
        let mut kept = self.kept();
        let (generations, reservation) = &mut *kept;
        let result = results
            .get_array_memory_size()
            .div_ceil(results.len().max(1));
        for (row, key) in keys.enumerate() {
            let place = Place {
                chunk: Arc::clone(results),
                row,
                bytes: result + key.len() + size_of::<Place>() + size_of::<Box<[u8]>>(),
            };
            generations.insert(key.into(), place, self.limit / 2);
        }
        if reservation
            .try_resize(generations.young_bytes + generations.old_bytes)
            .is_err()
        {
            // Others need the memory more.
            *generations = Generations::default();
            reservation.free();
        }
    }

    /// Whether the results of each of `keys` are known. It is no question for them: nothing moves.
    pub fn knows<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
        let kept = self.kept();
        let generations = &kept.0;
        let is_known = |key: &'a [u8]| {
            generations.young.contains_key(key) || generations.old.contains_key(key)
        };
        keys.map(is_known).collect()
    }

    fn kept(&self) -> MutexGuard<'_, (Generations, MemoryReservation)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn get(&mut self, key: &[u8]) -> Option<Place> {
        if let Some(place) = self.young.get(key) {
            return Some(place.clone());
        }
        let (key, place) = self.old.remove_entry(key)?;
        self.old_bytes -= place.bytes;
        self.young_bytes += place.bytes;
        self.young.insert(key, place.clone());
        Some(place)
    }

    fn insert(&mut self, key: Box<[u8]>, place: Place, limit: usize) {
        if self.young_bytes + place.bytes > limit {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        self.young_bytes += place.bytes;
        if let Some(before) = self.young.insert(key, place) {
            self.young_bytes -= before.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::arrow::array::{AsArray as _, Int64Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Int64Type};
    use datafusion::arrow::row::{RowConverter, Rows, SortField};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

    use super::*;

    fn keys(texts: &[&str]) -> Rows {
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let converter = RowConverter::new(vec![SortField::new(DataType::Utf8)]).unwrap();
        converter.convert_columns(&[texts]).unwrap()
    }

    fn lengths(memo: &Memo, texts: &[&str]) -> (Vec<usize>, Vec<u32>) {
        let keys = keys(texts);
        let mut found = memo.find(keys.iter().map(|key| key.data()));
        let computed: Int64Array = found
            .missing
            .iter()
            .map(|row| Some(texts[*row as usize].len() as i64))
            .collect();
        let computed: ArrayRef = Arc::new(computed);
        memo.remember(
            found
                .missing
                .iter()
                .map(|row| keys.row(*row as usize).data()),
            &computed,
        );
        found.chunks.push(computed);
        let length = |(chunk, row): &(usize, usize)| {
            found.chunks[*chunk].as_primitive::<Int64Type>().value(*row) as usize
        };
        (found.places.iter().map(length).collect(), found.missing)
    }

    #[test]
    fn equal_inputs_are_computed_once_within_a_batch_and_across_batches() {
        let memo = Memo::new(1 << 20, &(Arc::new(UnboundedMemoryPool::default()) as _));
        assert_eq!(
            lengths(&memo, &["a", "bcd", "a"]),
            (vec![1, 3, 1], vec![0, 1])
        );
        assert_eq!(
            lengths(&memo, &["ef", "bcd", "ef"]),
            (vec![2, 3, 2], vec![0])
        );
        assert_eq!(lengths(&memo, &["a", "ef"]), (vec![1, 2], vec![]));
    }

    #[test]
    fn beyond_the_limit_what_nobody_asked_for_is_forgotten() {
        let memo = Memo::new(4_000, &(Arc::new(UnboundedMemoryPool::default()) as _));
        for number in 0..200 {
            let text = number.to_string();
            assert_eq!(lengths(&memo, &[text.as_str(), "often"]).0, [text.len(), 5]);
        }
        assert_eq!(lengths(&memo, &["often"]).1, [] as [u32; 0]);
        assert_eq!(lengths(&memo, &["0"]).1, [0]);
        let (generations, reservation) = &*memo.kept();
        assert!(generations.young_bytes + generations.old_bytes <= 4_000);
        assert!(reservation.size() <= 4_000);
    }

    #[test]
    fn without_memory_nothing_is_kept_and_everything_is_computed() {
        let memo = Memo::new(1 << 20, &(Arc::new(GreedyMemoryPool::new(10)) as _));
        assert_eq!(
            lengths(&memo, &["a", "bcd", "a"]),
            (vec![1, 3, 1], vec![0, 1])
        );
        assert_eq!(lengths(&memo, &["a"]), (vec![1], vec![0]));
    }
}
