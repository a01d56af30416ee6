//! Batches numbered a moment ago: several questions about a column cost one alignment a sequence.
//!
//! SQL asks function by function: `ab_cdr1(s), ab_cdr3(s), ab_regions(s, 'kabat')` come over the same batch one after another.
//! So each thread keeps what it numbered last, and the sequences, which are compared whole but for their case: that costs a
//! hundredth of the alignments, and a different sequence is never taken for a known one. A filter or a `CASE` asks about some
//! rows of what came before, in the same order, which one pass over it finds.

use std::cell::RefCell;
use std::rc::Rc;

use crate::batch::{Ask, Domains, number_batch};
use crate::error::NumberingError;
use crate::numbering::Numbering;
use crate::scheme::Scheme;

/// Bytes of sequences that a thread keeps. A batch of 8,192 full-length chains has two million.
const KEPT_BYTES: usize = 8 << 20;
/// Batches that a thread keeps: heavy and light chains, and a query over each.
const KEPT: usize = 4;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// The batches numbered last, the newest at the end.
#[derive(Default)]
struct Memory {
    batches: Vec<Batch>,
    /// Batch and row behind the one that a single sequence was found at: functions that go row by row ask for that next.
    next: (usize, usize),
}

/// Rows that a function may leave out between two that it asks for one by one.
const LEFT_OUT: usize = 8;

/// A batch: its sequences joined, where each ends, and its domains.
struct Batch {
    joined: Vec<u8>,
    ends: Vec<usize>,
    domains: Rc<Domains>,
}

impl Batch {
    fn is(&self, seqs: &[&[u8]], bytes: usize) -> bool {
        self.ends.len() == seqs.len()
            && self.joined.len() == bytes
            && seqs.iter().enumerate().all(|(row, seq)| self.has(row, seq))
    }

    fn has(&self, row: usize, seq: &[u8]) -> bool {
        let Some(end) = self.ends.get(row) else {
            return false;
        };
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        // Where a domain lies does not depend on the case.
        self.joined[start..*end].eq_ignore_ascii_case(seq)
    }
}

/// The first V domain of each sequence, all loci, as [`number_batch`] gives it. What the thread asked a moment ago is
/// remembered: up to four batches with eight million residues in all.
pub fn first_domains(seqs: &[&[u8]]) -> Rc<Domains> {
    let bytes = seqs.iter().map(|seq| seq.len()).sum();
    let known = MEMORY.with_borrow(|memory| {
        let mut batches = memory.batches.iter();
        let known = batches.find(|batch| batch.is(seqs, bytes));
        let known = known.map(|batch| Rc::clone(&batch.domains));
        known.or_else(|| memory.recall(seqs).map(Rc::new))
    });
    known.unwrap_or_else(|| {
        let first_only = Ask {
            first_only: true,
            ..Ask::default()
        };
        let domains = Rc::new(number_batch(seqs, first_only));
        MEMORY.with_borrow_mut(|memory| memory.keep(seqs, bytes, &domains));
        domains
    })
}

/// The numbering of a sequence that came in a batch a moment ago; `None` where it did not, or too many rows lie between it and
/// the one that was asked for last.
pub(crate) fn numbered(seq: &[u8], scheme: Scheme) -> Option<Result<Numbering, NumberingError>> {
    MEMORY.with_borrow_mut(|memory| {
        let (batch, row) = memory.find(seq)?;
        memory.next = (batch, row + 1);
        let domains = &memory.batches[batch].domains;
        let first = domains.first(row);
        Some(first.and_then(|domain| domains.numbering(domain, scheme)))
    })
}

impl Memory {
    /// The domains of sequences all of which are known, in their order.
    fn recall(&self, seqs: &[&[u8]]) -> Option<Domains> {
        let rows = |(at, batch): (usize, &Batch)| (0..batch.ends.len()).map(move |row| (at, row));
        let mut known = self.batches.iter().enumerate().flat_map(rows);
        let found = |seq: &&[u8]| known.find(|(batch, row)| self.batches[*batch].has(*row, seq));
        let places: Vec<_> = seqs.iter().map(found).collect::<Option<_>>()?;
        let mut domains = Domains::with_capacity(seqs.len());
        for (batch, row) in places {
            domains.extend_from(&self.batches[batch].domains, row);
        }
        Some(domains)
    }

    fn find(&self, seq: &[u8]) -> Option<(usize, usize)> {
        let (batch, next) = self.next;
        let nearby = (next..next + LEFT_OUT).map(|row| (batch, row));
        let starts = (0..self.batches.len()).rev();
        let mut places =
            nearby.chain(starts.flat_map(|batch| (0..LEFT_OUT).map(move |row| (batch, row))));
        places.find(|(batch, row)| {
            let batch = self.batches.get(*batch);
            batch.is_some_and(|batch| batch.has(*row, seq))
        })
    }

    fn keep(&mut self, seqs: &[&[u8]], bytes: usize, domains: &Rc<Domains>) {
        if bytes > KEPT_BYTES {
            return;
        }
        let held = |batches: &[Batch]| {
            batches
                .iter()
                .map(|batch| batch.joined.len())
                .sum::<usize>()
        };
        while self.batches.len() >= KEPT || held(&self.batches) + bytes > KEPT_BYTES {
            self.batches.remove(0);
        }
        let ends = seqs.iter().scan(0, |end, seq| {
            *end += seq.len();
            Some(*end)
        });
        self.batches.push(Batch {
            ends: ends.collect(),
            joined: seqs.concat(),
            domains: Rc::clone(domains),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::passes;

    const VH: &[u8] = b"EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    /// Alignments that a question costs.
    fn cost(seqs: &[&[u8]]) -> u64 {
        let before = passes();
        let domains = first_domains(seqs);
        assert_eq!(domains.errors.len(), seqs.len());
        passes() - before
    }

    #[test]
    fn a_batch_is_aligned_once_and_one_that_differs_again() {
        let two = [VH, &VH[..110]];
        assert_eq!(cost(&two), 2);
        assert_eq!(cost(&two), 0);
        assert_eq!(cost(&[VH, &VH[..109]]), 2);
        assert_eq!(cost(&two), 0);
        // The same residues, cut as before: both are known. Cut elsewhere they are not.
        let joined = [VH, VH].concat();
        assert_eq!(cost(&[&joined[..120], &joined[120..]]), 0);
        assert!(cost(&[&joined[..130], &joined[130..]]) > 0);
    }

    #[test]
    fn some_rows_of_what_came_before_are_known_in_either_case_and_in_their_order_only() {
        let seqs: Vec<Vec<u8>> = (0..40)
            .map(|cut| VH[..VH.len() - cut].to_vec())
            .chain([b"PEPTIDE".to_vec(), Vec::new()])
            .collect();
        let all: Vec<&[u8]> = seqs.iter().map(Vec::as_slice).collect();
        first_domains(&all[..20]);
        first_domains(&all[20..]);
        // As a filter leaves them, put together anew.
        let some: Vec<&[u8]> = all.iter().copied().skip(5).step_by(3).collect();
        assert_eq!(cost(&some), 0);
        let afresh = number_batch(
            &some,
            Ask {
                first_only: true,
                ..Ask::default()
            },
        );
        assert_eq!(*first_domains(&some), afresh);
        let lower: Vec<Vec<u8>> = some.iter().map(|seq| seq.to_ascii_lowercase()).collect();
        let lower: Vec<&[u8]> = lower.iter().map(Vec::as_slice).collect();
        assert_eq!(cost(&lower), 0);
        assert_eq!(*first_domains(&lower), afresh);
        let backwards: Vec<&[u8]> = some.iter().copied().rev().collect();
        assert!(cost(&backwards) > 0);
    }

    #[test]
    fn a_sequence_asked_for_by_itself_is_known_from_its_batch() {
        let seqs: Vec<Vec<u8>> = (0..30).map(|cut| VH[..VH.len() - cut].to_vec()).collect();
        let mut all: Vec<&[u8]> = seqs.iter().map(Vec::as_slice).collect();
        all.push(b"PEPTIDE");
        let domains = first_domains(&all);
        let before = passes();
        // Twice: the second time it begins anew.
        for (row, seq) in all
            .iter()
            .enumerate()
            .step_by(2)
            .chain(all.iter().enumerate())
        {
            let expected = domains
                .first(row)
                .and_then(|domain| domains.numbering(domain, Scheme::Kabat));
            assert_eq!(numbered(seq, Scheme::Kabat), Some(expected), "{row}");
        }
        assert_eq!(numbered(&VH[5..], Scheme::Imgt), None);
        assert_eq!(passes(), before);
    }

    #[test]
    fn no_more_than_a_few_batches_are_kept() {
        for length in 100..110 {
            assert_eq!(cost(&[&VH[..length]]), 1);
        }
        assert_eq!(cost(&[&VH[..109]]), 0);
        assert_eq!(cost(&[&VH[..106]]), 0);
        assert_eq!(cost(&[&VH[..105]]), 1);
        MEMORY.with_borrow(|memory| assert_eq!(memory.batches.len(), KEPT));
    }
}
