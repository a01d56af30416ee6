//! First domains found a moment ago: several questions about one column cost one alignment a sequence.
//!
//! SQL asks column by column: `ab_cdr1(s), ab_cdr3(s), ab_regions(s, 'kabat')` come over the same batch of sequences one
//! after another, and all begin with the same alignment, whatever the scheme. So each thread keeps what it found last, by
//! the residues themselves: a filter, a `CASE` or a cast in between changes nothing, and equal sequences are equal.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::error::NumberingError;

/// The bytes that a generation may take; a thread keeps two. One holds a batch of 8,192 full-length chains.
const GENERATION_BYTES: usize = 8 << 20;
/// What an entry takes besides the residues and their states: the table's slot, the domain, the allocator's share.
const ENTRY_BYTES: usize = 192;

/// What a search for the first domain gave.
pub(crate) type Found<D> = Result<Rc<D>, NumberingError>;

/// A bounded memory of searches, by residues.
///
/// It has two generations: what is new goes into the younger, and when that is full the elder is forgotten. So the last
/// [`GENERATION_BYTES`] at least are always there, and finding something moves nothing.
pub(crate) struct Recent<D> {
    younger: HashMap<Box<[u8]>, Found<D>>,
    elder: HashMap<Box<[u8]>, Found<D>>,
    bytes: usize,
}

impl<D> Default for Recent<D> {
    fn default() -> Self {
        Self {
            younger: HashMap::new(),
            elder: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<D> Recent<D> {
    /// What the search for these residues gave; `search` is called if that is not known.
    pub(crate) fn of(
        memory: &RefCell<Self>,
        residues: &[u8],
        search: impl FnOnce() -> Result<D, NumberingError>,
    ) -> Found<D> {
        if let Some(found) = memory.borrow().get(residues) {
            return found.clone();
        }
        let found = search().map(Rc::new);
        memory.borrow_mut().keep(residues, found.clone());
        found
    }

    fn get(&self, residues: &[u8]) -> Option<&Found<D>> {
        self.younger
            .get(residues)
            .or_else(|| self.elder.get(residues))
    }

    fn keep(&mut self, residues: &[u8], found: Found<D>) {
        // A state a residue, of two bytes.
        let bytes = ENTRY_BYTES + 3 * residues.len();
        if bytes > GENERATION_BYTES {
            return;
        }
        if self.bytes + bytes > GENERATION_BYTES {
            self.elder = std::mem::take(&mut self.younger);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.younger.insert(residues.into(), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for `sequence` and tells whether that took a search.
    fn searched(memory: &RefCell<Recent<usize>>, sequence: &[u8]) -> bool {
        let mut searched = false;
        let found = Recent::of(memory, sequence, || {
            searched = true;
            match sequence.len() {
                0 => Err(NumberingError::Empty),
                length => Ok(length),
            }
        });
        let expected = match sequence.len() {
            0 => Err(NumberingError::Empty),
            length => Ok(length),
        };
        assert_eq!(found.map(|length| *length), expected);
        searched
    }

    #[test]
    fn what_was_found_is_found_again_failures_too() {
        let memory = RefCell::default();
        for sequence in [b"ABC".as_slice(), b"ABCD", b""] {
            assert!(searched(&memory, sequence));
        }
        for sequence in [b"ABC".as_slice(), b"ABCD", b""] {
            assert!(!searched(&memory, sequence));
        }
    }

    #[test]
    fn the_last_generation_stays_and_what_is_older_goes() {
        let memory = RefCell::default();
        let sequence = |number: usize| format!("{number:0>1000}").into_bytes();
        let in_one = GENERATION_BYTES / (ENTRY_BYTES + 3_000);
        for number in 0..10 * in_one {
            assert!(searched(&memory, &sequence(number)));
        }
        let kept = memory.borrow();
        assert!(kept.bytes <= GENERATION_BYTES);
        assert!(kept.younger.len() + kept.elder.len() <= 2 * in_one);
        drop(kept);
        for number in 9 * in_one..10 * in_one {
            assert!(!searched(&memory, &sequence(number)), "{number}");
        }
        assert!(searched(&memory, &sequence(0)));
    }
}
