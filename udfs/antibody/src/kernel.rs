//! The numberer: finds V domains by alignment and gives their residues the positions of a scheme.
//!
//! Alignment finds the best domain of a stretch; what lies before and after it is searched in turn when it is long enough
//! to hold another. A lone V domain thus costs one alignment, and the next question about it none. Positions come from immunum's rules, and are checked: immunum
//! 2.0 runs past `Z` and drops residues when a loop has more insertions than a scheme has codes.

use std::cell::RefCell;
use std::ops::Range;

use immunum::alignment::AlignedPosition;
use immunum::numbering::apply_numbering;

use crate::align::{Alignment, best_alignment};
use crate::error::NumberingError;
use crate::locus::Locus;
use crate::numbering::{Numberer, Numbering};
use crate::position::Position;
use crate::profile::immunum_chain;
use crate::recent::Recent;
use crate::scheme::Scheme;
use crate::{MAX_RESIDUES, MIN_RESIDUES};

/// Alignments of this confidence are V domains (immunum's threshold, measured on its validation sets).
const MIN_CONFIDENCE: f32 = 0.5;
/// So are those of antibody loci from this confidence that are [`is_anchored`]: far-mutated antibodies such as 8ANC195 (0.49)
/// and VRC06 (0.47), which the threshold above would lose. It lets no constant domain of the PDB's antibody chains in, and
/// the V-like domains of CD4, CD8, CD19, PD-1 and CTLA-4 stay below 0.3. A V domain of which that much is missing is not told
/// from those: the VHH of the structure 5OMM, whose file gives 93 of its residues and no SEQRES, has 0.22.
const MIN_ANTIBODY_CONFIDENCE: f32 = 0.45;
/// The same for T cell receptor loci, whose V genes differ more from their consensus.
const MIN_RECEPTOR_CONFIDENCE: f32 = 0.35;
/// immunum's rules compute insertion codes in a byte; beyond this many they would overflow.
const MAX_INSERTIONS: usize = 150;
/// The code that stands for `*` among letter codes.
const STOP: u8 = u8::MAX;

thread_local! {
    /// First domains that this thread found last.
    static RECENT: RefCell<Recent<Domain>> = RefCell::default();
}

/// Numbers by alignment to consensus profiles.
pub(crate) struct Kernel;

impl Numberer for Kernel {
    fn number(&self, seq: &[u8], scheme: Scheme) -> Result<Numbering, NumberingError> {
        let residues = Residues::read(seq)?;
        let domain =
            RECENT.with(|recent| Recent::of(recent, &residues.codes, || residues.first()))?;
        residues.number(&domain, scheme)
    }

    fn domains(&self, seq: &[u8], scheme: Scheme) -> Result<Vec<Numbering>, NumberingError> {
        let residues = Residues::read(seq)?;
        let domains = residues.search(false)?;
        domains
            .iter()
            .map(|domain| residues.number(domain, scheme))
            .collect()
    }
}

/// The residues of a sequence as letter codes, and where each stands in it.
struct Residues {
    codes: Vec<u8>,
    /// The 0-based offset of each code, where bytes were skipped; else a code's index is its offset.
    offsets: Option<Vec<u32>>,
}

/// An alignment placed among the residues of the whole sequence.
struct Domain {
    alignment: Alignment,
    span: Range<usize>,
    /// One past the last residue that may belong to the domain: the next domain's first, or the end of the stretch.
    limit: usize,
}

/// What a search met besides domains, for the error when there are none.
#[derive(Default)]
struct Findings {
    domains: Vec<Domain>,
    best_confidence: f32,
    interrupted: bool,
}

impl Residues {
    fn read(seq: &[u8]) -> Result<Self, NumberingError> {
        let mut codes = Vec::with_capacity(seq.len().min(MAX_RESIDUES));
        let mut offsets: Option<Vec<u32>> = None;
        for (offset, byte) in seq.iter().enumerate() {
            let code = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a',
                b'*' => STOP,
                b'-' | b'.' | b' ' | b'\t' | b'\r' | b'\n' => {
                    if offsets.is_none() {
                        offsets = Some((0..codes.len() as u32).collect());
                    }
                    continue;
                }
                _ => return Err(NumberingError::NotAminoAcids { offset: offset + 1 }),
            };
            if codes.len() == MAX_RESIDUES {
                return Err(NumberingError::TooLong);
            }
            codes.push(code);
            if let Some(offsets) = &mut offsets {
                offsets.push(u32::try_from(offset).map_err(|_| NumberingError::TooLong)?);
            }
        }
        Ok(Self { codes, offsets })
    }

    /// The first V domain.
    fn first(&self) -> Result<Domain, NumberingError> {
        let domains = self.search(true)?;
        let none = NumberingError::NoVDomain { confidence: 0.0 };
        domains.into_iter().next().ok_or(none)
    }

    /// The V domains of all stretches between stops, or the first one only.
    fn search(&self, first_only: bool) -> Result<Vec<Domain>, NumberingError> {
        let mut findings = Findings::default();
        let mut longest = 0;
        let mut start = 0;
        for stretch in self.codes.split(|code| *code == STOP) {
            let range = start..start + stretch.len();
            start = range.end + 1;
            longest = longest.max(stretch.len());
            self.search_range(range.clone(), &range, first_only, &mut findings);
            if first_only && !findings.domains.is_empty() {
                break;
            }
        }
        for next in 1..findings.domains.len() {
            let limit = findings.domains[next].span.start;
            let domain = &mut findings.domains[next - 1];
            domain.limit = domain.limit.min(limit);
        }
        match () {
            () if !findings.domains.is_empty() => Ok(findings.domains),
            () if findings.interrupted => Err(NumberingError::StopCodon),
            () if longest == 0 => Err(NumberingError::Empty),
            () if longest < MIN_RESIDUES => Err(NumberingError::TooShort { residues: longest }),
            () => Err(NumberingError::NoVDomain {
                confidence: findings.best_confidence,
            }),
        }
    }

    /// Searches `range` of `stretch`: its best domain, then what lies on both sides.
    fn search_range(
        &self,
        range: Range<usize>,
        stretch: &Range<usize>,
        first_only: bool,
        findings: &mut Findings,
    ) {
        if range.len() < MIN_RESIDUES {
            return;
        }
        let Some(alignment) = best_alignment(&self.codes[range.clone()]) else {
            return;
        };
        // A better-scoring domain cannot lie beside a fragment that is the best alignment of the range.
        if alignment.end - alignment.start < MIN_RESIDUES {
            return;
        }
        findings.best_confidence = findings.best_confidence.max(alignment.confidence);
        let residues = &self.codes[range.start + alignment.start..];
        let enough_if_anchored = if alignment.locus.is_antibody() {
            MIN_ANTIBODY_CONFIDENCE
        } else {
            MIN_RECEPTOR_CONFIDENCE
        };
        let is_domain = alignment.confidence >= MIN_CONFIDENCE
            || (alignment.confidence >= enough_if_anchored && is_anchored(&alignment, residues));
        if !is_domain {
            return;
        }
        let span = range.start + alignment.start..range.start + alignment.end;
        self.search_range(range.start..span.start, stretch, first_only, findings);
        if first_only && !findings.domains.is_empty() {
            return;
        }
        if self.is_interrupted(&alignment, &span, stretch) {
            findings.interrupted = true;
        } else {
            findings.domains.push(Domain {
                alignment,
                span: span.clone(),
                limit: range.end,
            });
            if first_only {
                return;
            }
        }
        self.search_range(span.end..range.end, stretch, first_only, findings);
    }

    /// Whether a stop codon cuts the domain: it runs up to a `*` without having reached its framework 4, or begins right
    /// after one behind its framework 1.
    fn is_interrupted(
        &self,
        alignment: &Alignment,
        span: &Range<usize>,
        stretch: &Range<usize>,
    ) -> bool {
        const NEAR: usize = 12;
        let mut columns = alignment.states.iter().filter_map(|state| match state {
            AlignedPosition::Aligned(position) => Some(*position),
            AlignedPosition::Insertion() => None,
        });
        let first = columns.next().unwrap_or(1);
        let last = columns.next_back().unwrap_or(first);
        let before_stop = stretch.end < self.codes.len() && stretch.end - span.end < NEAR;
        let after_stop = stretch.start > 0 && span.start - stretch.start < NEAR;
        (before_stop && last < 118) || (after_stop && first > 26)
    }

    fn number(&self, domain: &Domain, scheme: Scheme) -> Result<Numbering, NumberingError> {
        let locus = domain.alignment.locus;
        if scheme != Scheme::Imgt && !locus.is_antibody() {
            return Err(NumberingError::SchemeUnsupported { scheme, locus });
        }
        let (positions, tail) = positions(domain, scheme)?;
        let last = domain.span.end + tail - 1;
        Ok(Numbering {
            locus,
            scheme,
            confidence: domain.alignment.confidence,
            start: self.offset(domain.span.start) + 1,
            end: self.offset(last) + 1,
            positions,
        })
    }

    fn offset(&self, index: usize) -> usize {
        match &self.offsets {
            None => index,
            Some(offsets) => offsets.get(index).map_or(index, |offset| *offset as usize),
        }
    }
}

/// Whether an alignment holds at least five of the six residues that V domains conserve: C23, W41, C104 and framework 4's
/// `[FW]GxG` (118, 119, 121).
fn is_anchored(alignment: &Alignment, residues: &[u8]) -> bool {
    let mut anchors = 0;
    for (state, code) in alignment.states.iter().zip(residues) {
        if let AlignedPosition::Aligned(position) = state {
            let wanted: &[u8] = match position {
                23 | 104 => b"C",
                41 => b"W",
                118 => b"FW",
                119 | 121 => b"G",
                _ => continue,
            };
            anchors += u32::from(wanted.contains(&(code + b'A')));
        }
    }
    anchors >= 5
}

/// The positions of a domain's residues, and how many residues behind the alignment they take in (AHo's 149).
fn positions(domain: &Domain, scheme: Scheme) -> Result<(Vec<Position>, usize), NumberingError> {
    let Alignment { locus, states, .. } = &domain.alignment;
    let insertions = states
        .iter()
        .filter(|state| matches!(state, AlignedPosition::Insertion()))
        .count();
    if insertions > MAX_INSERTIONS {
        return Err(NumberingError::TooManyInsertions { scheme });
    }
    let mut positions = Vec::with_capacity(states.len() + 1);
    for position in apply_numbering(states, immunum_scheme(scheme), immunum_chain(*locus)) {
        positions.push(Position {
            number: u16::from(position.number),
            insertion: position
                .insertion
                .map(|code| u8::try_from(code).unwrap_or(u8::MAX)),
        });
    }
    if positions.len() != states.len() || !is_sound(&positions, scheme) {
        return Err(NumberingError::TooManyInsertions { scheme });
    }
    // A light chain's IMGT 127 is AHo 148; the residue behind it, where there is one, is AHo 149.
    let tail = scheme == Scheme::Aho
        && matches!(locus, Locus::Igk | Locus::Igl)
        && positions.last() == Some(&Position::new(148))
        && domain.span.end < domain.limit;
    if tail {
        positions.push(Position::new(149));
    }
    Ok((positions, usize::from(tail)))
}

/// Every code a capital letter, and every position after the one before it.
fn is_sound(positions: &[Position], scheme: Scheme) -> bool {
    positions.iter().all(|position| {
        position.number > 0
            && position
                .insertion
                .is_none_or(|code| code.is_ascii_uppercase())
    }) && positions
        .windows(2)
        .all(|pair| pair[0].order(scheme) < pair[1].order(scheme))
}

const fn immunum_scheme(scheme: Scheme) -> immunum::Scheme {
    match scheme {
        Scheme::Imgt => immunum::Scheme::IMGT,
        Scheme::Kabat => immunum::Scheme::Kabat,
        Scheme::Chothia => immunum::Scheme::Chothia,
        Scheme::Martin => immunum::Scheme::Martin,
        Scheme::Aho => immunum::Scheme::Aho,
    }
}
