//! Batches numbered a moment ago: several questions about a column cost one alignment a sequence.
//!
//! SQL asks function by function: `ab_cdr1(s), ab_cdr3(s), ab_regions(s, 'kabat')` come over the same batch one after another.
//! So each thread keeps what it numbered last, and the sequences, which are compared whole: that costs a hundredth of the
//! alignments, and a different sequence is never taken for a known one.

use std::cell::RefCell;
use std::rc::Rc;

use crate::batch::{Ask, Domains, number_batch};

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
}

/// A batch: its sequences joined, where each ends, and its domains.
struct Batch {
    joined: Vec<u8>,
    ends: Vec<usize>,
    domains: Rc<Domains>,
}

impl Batch {
    fn is(&self, seqs: &[&[u8]], bytes: usize) -> bool {
        let starts = std::iter::once(&0).chain(&self.ends);
        self.ends.len() == seqs.len()
            && self.joined.len() == bytes
            && starts
                .zip(&self.ends)
                .zip(seqs)
                .all(|((start, end), seq)| self.joined[*start..*end] == **seq)
    }
}

/// The first V domain of each sequence, all loci, as [`number_batch`] gives it. What the thread asked a moment ago is
/// remembered: up to four batches with eight million residues in all.
pub fn first_domains(seqs: &[&[u8]]) -> Rc<Domains> {
    let bytes = seqs.iter().map(|seq| seq.len()).sum();
    let known = MEMORY.with_borrow(|memory| {
        let mut batches = memory.batches.iter();
        let known = batches.find(|batch| batch.is(seqs, bytes));
        known.map(|batch| Rc::clone(&batch.domains))
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

impl Memory {
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
        // The same residues, cut elsewhere.
        let joined = [VH, VH].concat();
        assert_eq!(cost(&[&joined[..120], &joined[120..]]), 2);
        assert!(cost(&[&joined[..130], &joined[130..]]) > 0);
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
