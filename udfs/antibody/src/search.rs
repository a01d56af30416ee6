//! Finds the V domains of many sequences, a batch of alignments after the other.
//!
//! A stretch between stops is aligned as a whole; the residues before and behind the domain that is found are searched in turn
//! where they are long enough to hold another. Stretches that await alignment are sorted by length, so that the 32 that run
//! together end together. All loci are scored first, and only the best is traced, sorted by where the alignment ends.
//!
//! Stretches longer than [`PIECE`] are cut into pieces that overlap by [`OVERLAP`], and a domain counts where it is whole: no
//! alignment spans more than some 500 residues, since insertions cost more than a domain is worth. So time and memory grow
//! with the length, and the work of one long stretch fills the lanes.

use std::ops::Range;

use crate::MIN_RESIDUES;
use crate::aligner::{Aligner, Instructions};
use crate::error::NumberingError;
use crate::imgt::{self, Insertions};
use crate::lanes::LANES;
use crate::locus::Locus;
use crate::path::Path;
use crate::profile::profile;
use crate::reach;
use crate::reads::{Reads, STOP};
use crate::screen;

/// The longest stretch that is aligned as a whole; no natural chain is longer.
pub(crate) const PIECE: usize = 2_048;
/// How much neighbouring pieces share.
const OVERLAP: usize = PIECE / 2;
/// Alignments of this confidence are V domains (immunum's threshold, measured on its validation sets).
const MIN_CONFIDENCE: f32 = 0.5;
/// So are those of antibody loci from this confidence that are [`is_anchored`]: far-mutated antibodies such as 8ANC195 (0.49)
/// and VRC06 (0.47), which the threshold above would lose. It lets no constant domain of the PDB's antibody chains in, and
/// the V-like domains of CD4, CD8, CD19, PD-1 and CTLA-4 stay below 0.3. A V domain of which that much is missing is not told
/// from those: the VHH of the structure 5OMM, whose file gives 93 of its residues and no SEQRES, has 0.22.
const MIN_ANTIBODY_CONFIDENCE: f32 = 0.45;
/// The same for T cell receptor loci, whose V genes differ more from their consensus.
const MIN_RECEPTOR_CONFIDENCE: f32 = 0.35;

/// What is asked of a search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub loci: &'a [Locus],
    pub first_only: bool,
    pub screened: bool,
}

/// A V domain in residues of its sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Domain {
    pub sequence: u32,
    pub locus: Locus,
    pub confidence: f32,
    /// In units of [`SCALE`](crate::profile::SCALE).
    pub score: i32,
    /// First residue, 0-based.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// One past the last residue that may belong to the domain: the next domain's first, or the end of the stretch.
    pub limit: u32,
    /// IMGT positions that hold a residue.
    pub occupied: u128,
    /// Residues in each region.
    pub lengths: [u32; 7],
    /// Its share of [`Found::insertions`].
    pub insertions: (u32, u32),
}

/// What a search found, in the order of sequences and along them.
#[derive(Default)]
pub(crate) struct Found {
    pub domains: Vec<Domain>,
    pub insertions: Vec<Insertions>,
    /// What each sequence's error is if it has no domain.
    misses: Vec<Miss>,
}

/// What a search met besides domains.
#[derive(Clone, Copy, Default)]
struct Miss {
    confidence: f32,
    interrupted: bool,
    longest: usize,
}

/// A stretch to be aligned.
#[derive(Clone, Copy)]
struct Item {
    sequence: u32,
    start: u32,
    end: u32,
    /// The stretch between stops of which this is a part.
    stretch: (u32, u32),
    /// Domains that begin in here count.
    counted: (u32, u32),
}

impl Item {
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    fn codes<'a>(&self, reads: &'a Reads) -> &'a [u8] {
        &reads.codes(self.sequence as usize)[self.start as usize..self.end as usize]
    }
}

/// An item whose alignment to a locus is to be traced, from its first residue through `rows`.
#[derive(Clone, Copy)]
struct Candidate {
    item: Item,
    locus: Locus,
    rows: u16,
}

/// Searches batch after batch, its memory reused.
pub(crate) struct Searcher {
    aligner: Aligner,
    items: Vec<Item>,
    next: Vec<Item>,
    candidates: Vec<Candidate>,
    order: Vec<u64>,
    /// How many stretches were aligned.
    pub aligned: u64,
}

impl Searcher {
    pub(crate) fn new(instructions: Instructions) -> Self {
        Self {
            aligner: Aligner::new(instructions),
            items: Vec::new(),
            next: Vec::new(),
            candidates: Vec::new(),
            order: Vec::new(),
            aligned: 0,
        }
    }

    /// The V domains of all sequences that were read.
    pub(crate) fn search(&mut self, reads: &Reads, query: Query<'_>, found: &mut Found) {
        found.domains.clear();
        found.insertions.clear();
        found.misses.clear();
        found.misses.resize(reads.len(), Miss::default());
        self.items.clear();
        for sequence in 0..reads.len() {
            self.enter(reads, sequence, &mut found.misses[sequence]);
        }
        while !self.items.is_empty() {
            self.aligned += self.items.len() as u64;
            self.next.clear();
            if query.screened {
                self.screen(reads, query);
                self.trace(reads, query, true, found);
            }
            self.score(reads, query);
            self.trace(reads, query, false, found);
            std::mem::swap(&mut self.items, &mut self.next);
        }
        found.settle(query.first_only);
    }

    /// Enters a sequence's stretches, cut into pieces where they are long.
    fn enter(&mut self, reads: &Reads, sequence: usize, miss: &mut Miss) {
        let codes = reads.codes(sequence);
        if !reads.has_stops(sequence) {
            miss.longest = codes.len();
            self.enter_stretch(sequence, 0..codes.len());
            return;
        }
        let mut start = 0;
        for stretch in codes.split(|code| *code == STOP) {
            let end = start + stretch.len();
            miss.longest = miss.longest.max(stretch.len());
            self.enter_stretch(sequence, start..end);
            start = end + 1;
        }
    }

    fn enter_stretch(&mut self, sequence: usize, stretch: Range<usize>) {
        if stretch.len() < MIN_RESIDUES {
            return;
        }
        let mut start = stretch.start;
        loop {
            let is_first = start == stretch.start;
            let is_last = stretch.end - start <= PIECE;
            let end = if is_last { stretch.end } else { start + PIECE };
            let counted = (
                if is_first { start } else { start + OVERLAP / 2 },
                if is_last {
                    end
                } else {
                    start + OVERLAP + OVERLAP / 2
                },
            );
            self.items.push(Item {
                sequence: sequence as u32,
                start: start as u32,
                end: end as u32,
                stretch: (stretch.start as u32, stretch.end as u32),
                counted: (counted.0 as u32, counted.1 as u32),
            });
            if is_last {
                return;
            }
            start += OVERLAP;
        }
    }

    /// Makes candidates of the items whose locus the screen knows; the others stay.
    fn screen(&mut self, reads: &Reads, query: Query<'_>) {
        self.candidates.clear();
        let candidates = &mut self.candidates;
        self.items.retain(|item| {
            let Some(locus) = screen::locus(item.codes(reads), query.loci) else {
                return true;
            };
            candidates.push(Candidate {
                item: *item,
                locus,
                rows: item.len() as u16,
            });
            false
        });
    }

    /// Makes candidates of all items, by the scores of all loci.
    fn score(&mut self, reads: &Reads, query: Query<'_>) {
        self.candidates.clear();
        sort(&mut self.order, &self.items, |item| item.len() as u32);
        for batch in self.order.chunks(LANES) {
            let items = batch.iter().map(|entry| self.items[index(*entry)]);
            self.aligner
                .load(items.clone().map(|item| item.codes(reads)));
            let mut best = [(i16::MIN, Locus::Igh, 0); LANES];
            for locus in query.loci {
                let ends = self.aligner.ends(profile(*locus));
                for (best, end) in best.iter_mut().zip(ends) {
                    if end.score > best.0 {
                        *best = (end.score, *locus, end.rows);
                    }
                }
            }
            // What ends before it can be long enough is no domain.
            let candidates = items
                .zip(best)
                .filter(|(_, (_, _, rows))| usize::from(*rows) >= MIN_RESIDUES)
                .map(|(item, (_, locus, rows))| Candidate { item, locus, rows });
            self.candidates.extend(candidates);
        }
        self.items.clear();
    }

    /// Traces the candidates and judges them. Those that the screen has chosen and that fit badly become items again.
    fn trace(&mut self, reads: &Reads, query: Query<'_>, screened: bool, found: &mut Found) {
        sort(&mut self.order, &self.candidates, |candidate| {
            (candidate.locus as u32) << 16 | u32::from(candidate.rows)
        });
        let of_locus =
            |a: &u64, b: &u64| self.candidates[index(*a)].locus == self.candidates[index(*b)].locus;
        for batch in self
            .order
            .chunk_by(of_locus)
            .flat_map(|same| same.chunks(LANES))
        {
            let candidates = batch.iter().map(|entry| self.candidates[index(*entry)]);
            let Some(locus) = candidates.clone().next().map(|candidate| candidate.locus) else {
                continue;
            };
            let codes =
                |candidate: &Candidate| &candidate.item.codes(reads)[..usize::from(candidate.rows)];
            self.aligner
                .load(candidates.clone().map(|candidate| codes(&candidate)));
            let paths = self.aligner.paths(profile(locus));
            for (candidate, path) in candidates.zip(paths) {
                if screened && path.confidence() < screen::SURE {
                    self.items.push(candidate.item);
                } else {
                    judge(reads, query, candidate, path, found, &mut self.next);
                }
            }
        }
    }
}

/// Puts the indices of `items` into the order of their keys.
fn sort<T>(order: &mut Vec<u64>, items: &[T], key: impl Fn(&T) -> u32) {
    order.clear();
    let keyed = items.iter().zip(0u64..);
    order.extend(keyed.map(|(item, index)| u64::from(key(item)) << 32 | index));
    order.sort_unstable();
}

/// The index in an entry of an order.
const fn index(entry: u64) -> usize {
    entry as u32 as usize
}

/// Decides whether an alignment is a V domain, and what of its stretch is to be searched further.
fn judge(
    reads: &Reads,
    query: Query<'_>,
    candidate: Candidate,
    path: &Path,
    found: &mut Found,
    next: &mut Vec<Item>,
) {
    let Candidate { item, locus, .. } = candidate;
    let reached = reach::framework4(path, profile(locus), item.codes(reads));
    let path = reached.as_ref().unwrap_or(path);
    let first_insertion = found.insertions.len();
    let numbered = imgt::number(path, &mut found.insertions);
    let (start, end) = (item.start + numbered.start, item.start + path.end);
    let miss = &mut found.misses[item.sequence as usize];
    let is_long = end >= start + MIN_RESIDUES as u32;
    let confidence = path.confidence();
    if is_long {
        miss.confidence = miss.confidence.max(confidence);
    }
    let enough_if_anchored = if locus.is_antibody() {
        MIN_ANTIBODY_CONFIDENCE
    } else {
        MIN_RECEPTOR_CONFIDENCE
    };
    let is_domain = confidence >= MIN_CONFIDENCE
        || (confidence >= enough_if_anchored && is_anchored(path, item.codes(reads)));
    // A better-scoring domain cannot lie beside a fragment that is the best alignment of the stretch.
    if !is_long || !is_domain {
        found.insertions.truncate(first_insertion);
        return;
    }
    let is_interrupted = is_interrupted(reads, &item, path, start, end);
    let counts = !is_interrupted && (item.counted.0..item.counted.1).contains(&start);
    miss.interrupted |= is_interrupted;
    if counts {
        found.domains.push(Domain {
            sequence: item.sequence,
            locus,
            confidence,
            score: path.score,
            start,
            end,
            limit: item.end,
            occupied: numbered.occupied,
            lengths: numbered.lengths,
            insertions: (
                first_insertion as u32,
                (found.insertions.len() - first_insertion) as u32,
            ),
        });
    } else {
        found.insertions.truncate(first_insertion);
    }
    let before = Item { end: start, ..item };
    let behind = Item { start: end, ..item };
    let wanted = [
        Some(before),
        (!counts || !query.first_only).then_some(behind),
    ];
    let long_enough = wanted.into_iter().flatten();
    next.extend(long_enough.filter(|item| item.len() >= MIN_RESIDUES));
}

/// Whether a stop codon cuts the domain: it runs up to a `*` without having reached its framework 4, or begins right
/// after one behind its framework 1.
fn is_interrupted(reads: &Reads, item: &Item, path: &Path, start: u32, end: u32) -> bool {
    const NEAR: u32 = 12;
    let codes = reads.codes(item.sequence as usize).len() as u32;
    let first = path.occupied.trailing_zeros() + 1;
    let last = u128::BITS - path.occupied.leading_zeros();
    let (from, to) = item.stretch;
    let before_stop = to < codes && to - end < NEAR;
    let after_stop = from > 0 && start - from < NEAR;
    (before_stop && last < 118) || (after_stop && first > 26)
}

/// Whether an alignment holds at least five of the six residues that V domains conserve: C23, W41, C104 and framework 4's
/// `[FW]GxG` (118, 119, 121).
fn is_anchored(path: &Path, codes: &[u8]) -> bool {
    const ANCHORS: [(u32, &[u8]); 6] = [
        (23, b"C"),
        (41, b"W"),
        (104, b"C"),
        (118, b"FW"),
        (119, b"G"),
        (121, b"G"),
    ];
    let anchors = ANCHORS.iter().filter(|(position, wanted)| {
        let column = position - 1;
        let code = codes.get(path.row(column) as usize).copied();
        let letter = code.unwrap_or(STOP).wrapping_add(b'A');
        path.has(column) && wanted.contains(&letter)
    });
    anchors.count() >= 5
}

impl Found {
    /// Puts the domains into the order of sequences and along them.
    fn settle(&mut self, first_only: bool) {
        let key = |domain: &Domain| (domain.sequence, domain.start);
        self.domains.sort_unstable_by_key(key);
        // What two pieces share may have been found twice.
        self.domains.dedup_by(|next, last| {
            next.sequence == last.sequence && (first_only || next.start < last.end)
        });
        for next in 1..self.domains.len() {
            let Domain {
                sequence, start, ..
            } = self.domains[next];
            let domain = &mut self.domains[next - 1];
            if domain.sequence == sequence {
                domain.limit = domain.limit.min(start);
            }
        }
    }

    /// Residues inserted in a domain.
    pub(crate) fn insertions_of(&self, domain: &Domain) -> &[Insertions] {
        let (first, count) = domain.insertions;
        &self.insertions[first as usize..(first + count) as usize]
    }

    /// Why a sequence has no domain.
    pub(crate) fn miss(&self, reads: &Reads, sequence: usize) -> NumberingError {
        let miss = self.misses[sequence];
        match reads.error(sequence) {
            Some(error) => error.clone(),
            None if miss.interrupted => NumberingError::StopCodon,
            None if miss.longest == 0 => NumberingError::Empty,
            None if miss.longest < MIN_RESIDUES => NumberingError::TooShort {
                residues: miss.longest,
            },
            None => NumberingError::NoVDomain {
                confidence: miss.confidence,
            },
        }
    }
}
