//! Semi-global alignment of a polypeptide to several loci at once.
//!
//! The recurrence, the free ends, the clipping of tails and the confidence are those of immunum 2.0
//! (`immunum::align`), so the alignments are equal, as a test asserts; but the loci run in the lanes of vectors instead of
//! one after another, and scores keep one row instead of a matrix. A pass over the antibody loci, or over the T cell
//! receptor loci, costs less than immunum's for one locus.

use std::cell::{Cell, RefCell};

use immunum::alignment::AlignedPosition;
use immunum::scoring::PositionScores;

use crate::locus::Locus;
use crate::profile::{COLUMNS, LANES, Lanes, Profile, antibodies, receptors};

/// A tail is clipped when the alignment scores better by more than this without it (immunum's threshold).
const CLIP_THRESHOLD: f32 = 50.0;
/// With this confidence in an antibody locus the T cell receptor loci are not tried. The T cell receptors of the PDB that
/// are numbered, some 1,000, have at most 0.56 in an antibody locus; of antibodies' V domains, 95 % have this and more.
const SURELY_ANTIBODY: f32 = 0.65;
/// Traceback rows that a thread keeps between calls: half a megabyte.
const KEPT_ROWS: usize = 1_000;

/// Cell flags: the column was skipped or the residue inserted, rather than matched.
const GAPPED: u8 = 1;
/// The better gap is an inserted residue, rather than a skipped column.
const INSERTED: u8 = 2;
/// The best cell of its row so far.
const BEST: u8 = 4;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    /// Passes that this thread has made.
    static PASSES: Cell<u64> = const { Cell::new(0) };
}

/// The best alignment of a stretch of residues to a locus.
#[derive(Debug, Clone)]
pub(crate) struct Alignment {
    pub locus: Locus,
    /// Share of the best possible score over conserved columns, 0–1.
    pub confidence: f32,
    /// First aligned residue, 0-based.
    pub start: usize,
    /// One past the last aligned residue.
    pub end: usize,
    /// One a residue of `start..end`.
    pub states: Vec<AlignedPosition>,
}

/// A step of an alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Match,
    SkipColumn,
    InsertResidue,
}

/// Flags of each cell and maxima of each row, reused by all calls of a thread.
#[derive(Default)]
struct Scratch {
    cells: Vec<[[u8; LANES]; COLUMNS]>,
    row_score: Vec<Lanes>,
}

/// Aligns residues (letter codes, `A` = 0) to every locus and returns the best alignment, by score.
pub(crate) fn best_alignment(residues: &[u8]) -> Option<Alignment> {
    let antibody = aligned_to(antibodies(), residues);
    match antibody {
        Some((_, alignment)) if alignment.confidence >= SURELY_ANTIBODY => Some(alignment),
        antibody => antibody
            .into_iter()
            .chain(aligned_to(receptors(), residues))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, alignment)| alignment),
    }
}

/// Alignment passes that the current thread has made so far: what numbering costs, for tests and benchmarks.
pub fn passes() -> u64 {
    PASSES.get()
}

/// The best alignment to a profile's loci, with its score.
fn aligned_to(profile: &Profile, residues: &[u8]) -> Option<(f32, Alignment)> {
    PASSES.set(PASSES.get() + 1);
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.fill(residues, profile);
        let best = (0..profile.lanes.len())
            .map(|lane| (lane, scratch.end_of(lane, residues, profile)))
            .reduce(|best, next| {
                if next.1.score > best.1.score {
                    next
                } else {
                    best
                }
            });
        let alignment = best.and_then(|(lane, end)| {
            let alignment = scratch.trace(lane, end, residues, profile)?;
            Some((end.score, alignment))
        });
        if scratch.cells.len() > KEPT_ROWS {
            *scratch = Scratch::default();
        }
        alignment
    })
}

/// Where a lane's alignment ends: after `rows` residues and `columns` columns.
#[derive(Clone, Copy)]
struct End {
    rows: usize,
    columns: usize,
    score: f32,
}

impl Scratch {
    fn fill(&mut self, residues: &[u8], profile: &Profile) {
        if self.cells.len() < residues.len() {
            self.cells.resize(residues.len(), [[0; LANES]; COLUMNS]);
        }
        self.row_score.clear();
        let mut row = [[0.0; LANES]; COLUMNS];
        for (residue, cells) in residues.iter().zip(self.cells.iter_mut()) {
            let scores = &profile.scores[usize::from(*residue) % 26];
            let best = fill_row(scores, profile, &mut row, cells);
            self.row_score.push(best);
        }
    }

    /// How the best alignment reaches a cell.
    fn step(&self, row: usize, column: usize, lane: usize) -> Step {
        match self.cells[row][column][lane] & (GAPPED | INSERTED) {
            GAPPED => Step::SkipColumn,
            flags if flags & GAPPED == 0 => Step::Match,
            _ => Step::InsertResidue,
        }
    }

    /// Columns up to the best cell of a row.
    fn best_columns(&self, row: usize, lane: usize) -> usize {
        self.cells[row]
            .iter()
            .rposition(|cell| cell[lane] & BEST != 0)
            .map_or(0, |column| column + 1)
    }

    /// The row and column at which a lane's alignment ends, tails clipped.
    fn end_of(&self, lane: usize, residues: &[u8], profile: &Profile) -> End {
        let mut rows = residues.len();
        let score_at = |rows: usize| {
            rows.checked_sub(1)
                .map_or(f32::NEG_INFINITY, |row| self.row_score[row][lane])
        };
        let whole = score_at(rows);
        for candidate in 1..residues.len() {
            let score = score_at(candidate);
            if score > whole + CLIP_THRESHOLD && score > score_at(rows) {
                rows = candidate;
            }
        }
        let mut end = End {
            rows,
            columns: rows
                .checked_sub(1)
                .map_or(0, |row| self.best_columns(row, lane)),
            score: score_at(rows),
        };
        // Residues inserted after the last column or matched to an unoccupied one belong to the tail.
        let positions = &profile.lanes[lane].1.positions;
        while end.rows > 0 && end.columns > 0 {
            let position = &positions[end.columns - 1];
            let unoccupied = position.gap_penalty == 0.0;
            match self.step(end.rows - 1, end.columns - 1, lane) {
                Step::InsertResidue if end.columns == positions.len() => {
                    end.rows -= 1;
                    end.score -= position.insertion_penalty;
                }
                Step::Match if unoccupied => {
                    end.rows -= 1;
                    end.columns -= 1;
                    end.score -= position.scores[usize::from(residues[end.rows]) % 26];
                }
                Step::SkipColumn if unoccupied => end.columns -= 1,
                _ => break,
            }
        }
        end
    }

    /// Walks back from `end`: states, extent and confidence.
    fn trace(
        &self,
        lane: usize,
        end: End,
        residues: &[u8],
        profile: &Profile,
    ) -> Option<Alignment> {
        let (locus, matrix) = &profile.lanes[lane];
        let positions: &[PositionScores] = &matrix.positions;
        let (mut rows, mut columns) = (end.rows, end.columns);
        let mut states = Vec::with_capacity(rows.min(2 * COLUMNS));
        let (mut score, mut highest) = (0.0f32, 0.0f32);
        while rows > 0 && columns > 0 {
            let position = &positions[columns - 1];
            match self.step(rows - 1, columns - 1, lane) {
                Step::Match => {
                    states.push(AlignedPosition::Aligned(position.position));
                    if position.counts_for_confidence {
                        score += position.scores[usize::from(residues[rows - 1]) % 26];
                        highest += position.max_score;
                    }
                    rows -= 1;
                    columns -= 1;
                }
                Step::SkipColumn => {
                    if position.counts_for_confidence {
                        score += position.gap_penalty;
                        highest += position.max_score;
                    }
                    columns -= 1;
                }
                Step::InsertResidue => {
                    states.push(AlignedPosition::Insertion());
                    rows -= 1;
                }
            }
        }
        states.reverse();
        (!states.is_empty()).then(|| Alignment {
            locus: *locus,
            confidence: if highest > 0.0 {
                (score / highest).clamp(0.0, 1.0)
            } else {
                0.0
            },
            start: rows,
            end: end.rows,
            states,
        })
    }
}

/// One residue against all columns and lanes; returns each lane's best score in the row.
///
/// `row` holds the previous residue's scores and receives this one's. Ties prefer a match, then skipping a column, and the
/// first of equal columns, as immunum does. Each statement is one operation on all lanes, which the compiler turns into
/// vector instructions; the chain from one column to the next is one addition and one maximum.
#[inline]
fn fill_row(
    scores: &[Lanes; COLUMNS],
    profile: &Profile,
    row: &mut [Lanes; COLUMNS],
    cells: &mut [[u8; LANES]; COLUMNS],
) -> Lanes {
    let mut best = [f32::NEG_INFINITY; LANES];
    let mut diagonal = [0.0f32; LANES];
    let mut left = [0.0f32; LANES];
    let columns = row.iter_mut().zip(scores).zip(&profile.gap);
    let columns = columns.zip(&profile.insertion).zip(cells.iter_mut());
    for ((((above, score), gap), insertion), cell) in columns {
        let up = *above;
        let matched = each(|lane| diagonal[lane] + score[lane]);
        let inserted = each(|lane| up[lane] + insertion[lane]);
        let skipped = each(|lane| left[lane] + gap[lane]);
        let other = each(|lane| larger(inserted[lane], matched[lane]));
        let now = each(|lane| larger(skipped[lane], other[lane]));
        let gapped = flag(GAPPED, |lane| now[lane] > matched[lane]);
        let insert = flag(INSERTED, |lane| inserted[lane] > skipped[lane]);
        let record = flag(BEST, |lane| now[lane] > best[lane]);
        best = each(|lane| larger(now[lane], best[lane]));
        for lane in 0..LANES {
            cell[lane] = (gapped[lane] | insert[lane] | record[lane]) as u8;
        }
        *above = now;
        diagonal = up;
        left = now;
    }
    best
}

#[inline(always)]
fn each(value: impl Fn(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (lane, slot) in lanes.iter_mut().enumerate() {
        *slot = value(lane);
    }
    lanes
}

#[inline(always)]
fn flag(flag: u8, is_set: impl Fn(usize) -> bool) -> [u32; LANES] {
    let mut lanes = [0; LANES];
    for (lane, slot) in lanes.iter_mut().enumerate() {
        *slot = if is_set(lane) { u32::from(flag) } else { 0 };
    }
    lanes
}

/// The larger of two numbers that are not NaN, as one instruction.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use immunum::{Annotator, Scheme};

    use super::*;
    use crate::profile::immunum_chain;

    const SEQUENCES: [&str; 5] = [
        "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
        "MGWSCIILFLVATATGVHSDIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIKRTVAAPSVFIFPPSDEQLKSGTASVVCLLNNFYPREAKVQWKVDNALQSGNSQESVTEQDSKDSTYSLSSTLTLSKADYEKHKVYACEVTHQGLSSPVTKSFNRGEC",
        "VQLRESGPSLVQPSQTLSLTCTASGFSKAVGWVRQAPGKALEWLGSIDTGGSTGYNPGLKSRLSITKDNSKSQVSLSVSSVTTEDSATYYCTTVHQETRKTCSDGYIAVDSCGRGQSDGCVNDCNSCYYGWRNCRRQPAIHSYEFHVDAWGRGLLVTVSS",
        "QSVLTQPPSASGTPGQRVTISCSGSSSNIGSNDVSWYQQLPGTAPKLLIYKNYNRPSGVPDRFSGSKSGTSASLAISGLQSEDEADYYCSAWDQRQFDVVFGGGTKLTVL",
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALRPDEDRLSPLHSVYVDQWDWE",
    ];

    /// Residues of a sequence as letter codes.
    fn codes(sequence: &str) -> Vec<u8> {
        sequence.bytes().map(|letter| letter - b'A').collect()
    }

    #[test]
    fn alignments_equal_those_of_immunum() {
        let chains: Vec<_> = Locus::ALL.into_iter().map(immunum_chain).collect();
        let reference = Annotator::new(&chains, Scheme::IMGT, Some(0.0)).unwrap();
        for sequence in SEQUENCES {
            let theirs = reference.number(sequence).unwrap();
            let ours = best_alignment(&codes(sequence)).unwrap();
            assert_eq!(immunum_chain(ours.locus), theirs.chain, "{sequence}");
            assert_eq!(ours.start, theirs.query_start, "{sequence}");
            assert_eq!(ours.end, theirs.query_end + 1, "{sequence}");
            assert_eq!(ours.confidence, theirs.confidence, "{sequence}");
            let positions = immunum::numbering::apply_numbering(
                &ours.states,
                Scheme::IMGT,
                immunum_chain(ours.locus),
            );
            assert_eq!(positions, theirs.positions, "{sequence}");
        }
    }

    #[test]
    fn nothing_aligns_to_nothing() {
        assert!(best_alignment(&[]).is_none());
    }
}
