//! Numbering of many sequences at once, into flat columns.

use std::cell::RefCell;

use crate::aligner::Instructions;
use crate::convert::{self, Imgt};
use crate::error::NumberingError;
use crate::imgt::Insertions;
use crate::locus::Locus;
use crate::numbering::Numbering;
use crate::path::below;
use crate::position::Position;
use crate::profile::SCALE;
use crate::reads::Reads;
use crate::scheme::Scheme;
use crate::search::{Found, Query, Searcher};
use crate::v_domain::Region;

/// Sequences that are in flight together.
const CHUNK: usize = 4_096;
/// Residues that are in flight together, whole sequences.
const CHUNK_RESIDUES: usize = 1 << 21;

thread_local! {
    static SEARCHER: RefCell<Searcher> = RefCell::new(Searcher::new(Instructions::best()));
}

/// Calls with this thread's searcher.
pub(crate) fn with_searcher<T>(call: impl FnOnce(&mut Searcher) -> T) -> T {
    SEARCHER.with_borrow_mut(call)
}

/// Stretches that the current thread has aligned so far: what numbering costs, for tests and benchmarks.
pub fn passes() -> u64 {
    with_searcher(|searcher| searcher.aligned)
}

/// The instructions that alignments run on: `avx512bw`, `avx2`, `neon` or `scalar`.
pub fn instructions() -> &'static str {
    Instructions::best().as_str()
}

/// What a batch is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The loci to tell apart.
    pub loci: &'a [Locus],
    /// Whether the first V domain of each sequence is enough.
    pub first_only: bool,
    /// Whether every locus is aligned, whatever the screen says. The answers are the same on all corpora; the exact ones are the
    /// definition.
    pub exact: bool,
}

impl Default for Ask<'_> {
    /// All loci, all domains, screened.
    fn default() -> Self {
        Self {
            loci: &Locus::ALL,
            first_only: false,
            exact: false,
        }
    }
}

/// The V domains of a batch of sequences, as columns: entry `i` of a column of domains is the domain `i`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Domains {
    /// The domains of sequence `s` are `offsets[s]..offsets[s + 1]`, in order along it.
    pub offsets: Vec<u32>,
    /// Why a sequence has no domain; `None` where it has one. One a sequence.
    pub errors: Vec<Option<NumberingError>>,
    /// The locus whose consensus fits best.
    pub loci: Vec<Locus>,
    /// Share of the best possible alignment score over conserved positions, 0–1.
    pub confidences: Vec<f32>,
    /// Alignment score in half bits.
    pub scores: Vec<f32>,
    /// Where the seven regions begin in the sequence, FR1 to FR4, and where the domain ends: 0-based bytes. Region `r` is the
    /// bytes `borders[r]..borders[r + 1]`, which hold gaps where the sequence does; empty where the domain lacks it.
    pub borders: Vec<[u32; 8]>,
    /// IMGT positions that hold a residue: bit `p - 1` is position `p`.
    pub occupancies: Vec<u128>,
    /// The residues inserted in domain `i` are `insertions[insertion_offsets[i]..insertion_offsets[i + 1]]`.
    pub insertion_offsets: Vec<u32>,
    /// Inserted residues, ascending by position. More than 26 at one have no codes.
    pub insertions: Vec<Insertions>,
    /// Whether a residue that is part of no other domain follows: the offset of its last byte, else 0.
    followers: Vec<u32>,
}

/// Numbers the V domains of many sequences (IMGT).
///
/// What counts as a residue, and what sequences have no domain, is as for [`numberer`](crate::numberer), whose answers these
/// are. Memory beside the result: some 4,096 sequences or two million residues at a time are in flight, with 4 bytes a residue
/// and 100 bytes a sequence; alignments take at most 3.5 MB whatever the sequences.
pub fn number_batch(seqs: &[&[u8]], ask: Ask<'_>) -> Domains {
    with_searcher(|searcher| number_with(searcher, seqs, ask))
}

/// [`number_batch`] on stated instructions; `None` where the processor lacks them.
#[doc(hidden)]
pub fn number_batch_with(name: &str, seqs: &[&[u8]], ask: Ask<'_>) -> Option<Domains> {
    let available = Instructions::available();
    let instructions = available.into_iter().find(|one| one.as_str() == name)?;
    Some(number_with(&mut Searcher::new(instructions), seqs, ask))
}

/// The instructions that this processor has, the fastest first.
#[doc(hidden)]
pub fn available_instructions() -> Vec<&'static str> {
    let available = Instructions::available();
    available.into_iter().map(Instructions::as_str).collect()
}

fn number_with(searcher: &mut Searcher, seqs: &[&[u8]], ask: Ask<'_>) -> Domains {
    let mut domains = Domains::with_capacity(seqs.len());
    let query = Query {
        loci: if ask.loci.is_empty() {
            &Locus::ALL
        } else {
            ask.loci
        },
        first_only: ask.first_only,
        screened: !ask.exact,
    };
    let mut reads = Reads::default();
    let mut found = Found::default();
    for (seq, next) in seqs.iter().zip(1..) {
        reads.push(seq);
        let is_full = reads.len() == CHUNK || reads.residues() >= CHUNK_RESIDUES;
        if is_full || next == seqs.len() {
            searcher.search(&reads, query, &mut found);
            domains.extend(&reads, &found);
            reads.clear();
        }
    }
    domains
}

impl Domains {
    pub(crate) fn with_capacity(sequences: usize) -> Self {
        let mut domains = Self::default();
        domains.offsets.reserve(sequences + 1);
        domains.errors.reserve(sequences);
        domains.loci.reserve(sequences);
        domains.confidences.reserve(sequences);
        domains.scores.reserve(sequences);
        domains.borders.reserve(sequences);
        domains.occupancies.reserve(sequences);
        domains.insertion_offsets.reserve(sequences + 1);
        domains.offsets.push(0);
        domains.insertion_offsets.push(0);
        domains
    }

    fn extend(&mut self, reads: &Reads, found: &Found) {
        let mut rest = found.domains.iter().peekable();
        for sequence in 0..reads.len() {
            let before = self.loci.len();
            while let Some(domain) = rest.next_if(|next| next.sequence as usize == sequence) {
                self.loci.push(domain.locus);
                self.confidences.push(domain.confidence);
                self.scores.push(domain.score as f32 / SCALE);
                let mut borders = [0; 8];
                let mut at = domain.start;
                for (border, length) in borders.iter_mut().zip(domain.lengths) {
                    if length > 0 {
                        *border = reads.offset(sequence, at);
                    }
                    at += length;
                }
                borders[7] = reads.offset(sequence, domain.end - 1) + 1;
                for region in (0..7).rev() {
                    // An empty region begins where the next one does, an empty last one at the end.
                    if domain.lengths[region] == 0 {
                        borders[region] = borders[region + 1];
                    }
                }
                self.borders.push(borders);
                self.occupancies.push(domain.occupied);
                self.insertions.extend(found.insertions_of(domain));
                self.insertion_offsets.push(self.insertions.len() as u32);
                let is_followed = domain.end < domain.limit;
                self.followers.push(if is_followed {
                    reads.offset(sequence, domain.end) + 1
                } else {
                    0
                });
            }
            self.offsets.push(self.loci.len() as u32);
            let is_empty = self.loci.len() == before;
            self.errors
                .push(is_empty.then(|| found.miss(reads, sequence)));
        }
    }

    /// Appends what `other` has of a sequence.
    pub(crate) fn extend_from(&mut self, other: &Self, sequence: usize) {
        for domain in other.of(sequence) {
            self.loci.push(other.loci[domain]);
            self.confidences.push(other.confidences[domain]);
            self.scores.push(other.scores[domain]);
            self.borders.push(other.borders[domain]);
            self.occupancies.push(other.occupancies[domain]);
            self.insertions.extend(other.insertions_of(domain));
            self.insertion_offsets.push(self.insertions.len() as u32);
            self.followers.push(other.followers[domain]);
        }
        self.offsets.push(self.loci.len() as u32);
        self.errors.push(other.errors[sequence].clone());
    }

    /// How many domains there are.
    pub fn len(&self) -> usize {
        self.loci.len()
    }

    /// Whether there is no domain.
    pub fn is_empty(&self) -> bool {
        self.loci.is_empty()
    }

    /// The domains of a sequence.
    pub fn of(&self, sequence: usize) -> std::ops::Range<usize> {
        let at = |index: usize| self.offsets.get(index).copied().unwrap_or(0) as usize;
        at(sequence)..at(sequence + 1)
    }

    /// The first domain of a sequence.
    ///
    /// # Errors
    /// Why there is none.
    pub fn first(&self, sequence: usize) -> Result<usize, NumberingError> {
        match self.errors.get(sequence) {
            Some(Some(error)) => Err(error.clone()),
            _ => self.of(sequence).next().ok_or(NumberingError::Empty),
        }
    }

    /// A domain's first and one past its last byte in the sequence, 0-based.
    pub fn span(&self, domain: usize) -> std::ops::Range<usize> {
        let borders = &self.borders[domain];
        borders[0] as usize..borders[7] as usize
    }

    /// Where a region lies in the sequence, as 0-based bytes; gaps within are part of it. `None` where the domain does not hold
    /// the region, or not all of it, by the rules of [`VDomain::region`](crate::VDomain::region).
    pub fn region(&self, domain: usize, region: Region) -> Option<std::ops::Range<usize>> {
        let occupied = self.occupancies[domain];
        let borders = &self.borders[domain];
        let span = region.span();
        let (first, last) = (u32::from(*span.start()), u32::from(*span.end()));
        let has = |position: u32| occupied >> (position - 1) & 1 == 1;
        let (is_whole, range) = match region {
            Region::Junction => (has(first) && has(last), self.junction(domain)),
            _ => {
                let tile = Region::TILES.iter().position(|tile| *tile == region)?;
                let is_whole = !region.is_cdr()
                    || (occupied & below(first - 1) != 0 && occupied & !below(last) != 0);
                (is_whole, borders[tile]..borders[tile + 1])
            }
        };
        (is_whole && !range.is_empty()).then_some(range.start as usize..range.end as usize)
    }

    /// CDR3 and a byte on either side. Gaps between an anchor and the CDR are left out; residues inserted at 104 are not.
    fn junction(&self, domain: usize) -> std::ops::Range<u32> {
        let borders = &self.borders[domain];
        borders[5].saturating_sub(1)..(borders[6] + 1).min(borders[7])
    }

    /// The residues that are inserted in a domain.
    pub fn insertions_of(&self, domain: usize) -> &[Insertions] {
        let at = |index: usize| self.insertion_offsets.get(index).copied().unwrap_or(0) as usize;
        self.insertions
            .get(at(domain)..at(domain + 1))
            .unwrap_or_default()
    }

    /// Appends the position of each of a domain's residues in `scheme` and returns one past the byte of the last, 0-based: the
    /// domain's end, or one residue more where AHo numbers one behind a light chain's IMGT 127.
    ///
    /// # Errors
    /// The scheme does not number the locus, or has no codes for all insertions; then nothing is appended. The regions are known
    /// all the same.
    pub fn positions(
        &self,
        domain: usize,
        scheme: Scheme,
        positions: &mut Vec<Position>,
    ) -> Result<usize, NumberingError> {
        let imgt = Imgt {
            locus: self.loci[domain],
            occupied: self.occupancies[domain],
            insertions: self.insertions_of(domain),
            followed: self.followers[domain] > 0,
        };
        let behind = convert::positions(imgt, scheme, positions)
            .map_err(|unnamed| unnamed.error(scheme, self.loci[domain]))?;
        Ok(match behind {
            0 => self.span(domain).end,
            _ => self.followers[domain] as usize,
        })
    }

    /// A domain's numbering by itself.
    ///
    /// # Errors
    /// As for [`positions`](Self::positions).
    pub fn numbering(&self, domain: usize, scheme: Scheme) -> Result<Numbering, NumberingError> {
        let mut positions = Vec::with_capacity(self.span(domain).len() + 1);
        let end = self.positions(domain, scheme, &mut positions)?;
        Ok(Numbering {
            locus: self.loci[domain],
            scheme,
            confidence: self.confidences[domain],
            start: self.span(domain).start + 1,
            end,
            positions,
        })
    }
}
