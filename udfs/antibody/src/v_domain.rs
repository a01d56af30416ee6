//! V domains in IMGT numbering and what the lake stores of them.

use std::ops::RangeInclusive;

use crate::columns::{ALIGNED_COLUMNS, column};
use crate::error::NumberingError;
use crate::locus::{Chain, Locus};
use crate::numbering::{Numbering, domain_residues, numberer};
use crate::position::Position;
use crate::scheme::Scheme;

/// A region of a V domain by IMGT's definition (Lefranc et al. 2003).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// Framework 1, 1–26.
    Fwr1,
    /// CDR1, 27–38.
    Cdr1,
    /// Framework 2, 39–55.
    Fwr2,
    /// CDR2, 56–65.
    Cdr2,
    /// Framework 3, 66–104.
    Fwr3,
    /// CDR3, 105–117.
    Cdr3,
    /// Framework 4, 118–128.
    Fwr4,
    /// AIRR's junction, 104–118: CDR3 with its anchors.
    Junction,
}

/// A V domain in the fixed columns of [`aligned_columns`](crate::aligned_columns).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aligned {
    /// A residue or `-` a column.
    pub text: String,
    /// Positions without a column and their residues, in the order of the chain.
    pub unplaced: Vec<(Position, u8)>,
}

impl Region {
    /// The seven regions that tile a domain.
    pub const TILES: [Region; 7] = [
        Region::Fwr1,
        Region::Cdr1,
        Region::Fwr2,
        Region::Cdr2,
        Region::Fwr3,
        Region::Cdr3,
        Region::Fwr4,
    ];

    /// The name in lower case: `fwr1`, `cdr1`, …, `junction`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Region::Fwr1 => "fwr1",
            Region::Cdr1 => "cdr1",
            Region::Fwr2 => "fwr2",
            Region::Cdr2 => "cdr2",
            Region::Fwr3 => "fwr3",
            Region::Cdr3 => "cdr3",
            Region::Fwr4 => "fwr4",
            Region::Junction => "junction",
        }
    }

    /// The tile that holds an IMGT position.
    pub fn of(position: Position) -> Region {
        Region::TILES
            .into_iter()
            .find(|tile| tile.span().contains(&position.number))
            .unwrap_or(Region::Fwr4)
    }

    /// Whether this is a CDR.
    pub const fn is_cdr(self) -> bool {
        matches!(self, Region::Cdr1 | Region::Cdr2 | Region::Cdr3)
    }

    /// IMGT positions, first to last.
    pub const fn span(self) -> RangeInclusive<u16> {
        match self {
            Region::Fwr1 => 1..=26,
            Region::Cdr1 => 27..=38,
            Region::Fwr2 => 39..=55,
            Region::Cdr2 => 56..=65,
            Region::Fwr3 => 66..=104,
            Region::Cdr3 => 105..=117,
            Region::Fwr4 => 118..=128,
            Region::Junction => 104..=118,
        }
    }
}

/// A V domain in IMGT numbering: positions 1–128 (heavy) or 1–127 (light), no leader, linker or constant region.
///
/// The methods take the sequence in which the domain was found.
#[derive(Debug, Clone, PartialEq)]
pub struct VDomain {
    /// The domain's IMGT numbering.
    pub numbering: Numbering,
}

/// The V domains of a polypeptide in order along it; never an empty list.
///
/// An scFv has two, a full-length chain one: constant domains are not numbered. See the crate's documentation for what
/// counts as a residue.
///
/// # Errors
/// Why there is none.
pub fn v_domains(seq: &[u8]) -> Result<Vec<VDomain>, NumberingError> {
    let domains = numberer().domains(seq, Scheme::Imgt)?;
    Ok(domains
        .into_iter()
        .map(|numbering| VDomain { numbering })
        .collect())
}

/// The first V domain of a polypeptide: [`v_domains`] that stops at one.
///
/// # Errors
/// Why there is none.
pub fn first_v_domain(seq: &[u8]) -> Result<VDomain, NumberingError> {
    let numbering = numberer().number(seq, Scheme::Imgt)?;
    Ok(VDomain { numbering })
}

impl VDomain {
    /// The locus whose consensus fits best.
    pub fn locus(&self) -> Locus {
        self.numbering.locus
    }

    /// The chain that the locus encodes.
    pub fn chain(&self) -> Chain {
        self.numbering.locus.chain()
    }

    /// The domain's residues, upper case, without gaps.
    pub fn v_domain_aa(&self, seq: &[u8]) -> String {
        domain_residues(seq, self.numbering.start, self.numbering.end)
            .map(char::from)
            .collect()
    }

    /// The domain laid out in the [`ALIGNED_COLUMNS`] of [`aligned_columns`](crate::aligned_columns), `-` where a column is
    /// empty. `None` if a residue has no column.
    pub fn imgt_aligned(&self, seq: &[u8]) -> Option<String> {
        let aligned = self.aligned(seq);
        aligned.unplaced.is_empty().then_some(aligned.text)
    }

    /// The same for any domain, with the residues that have no column beside it.
    pub fn aligned(&self, seq: &[u8]) -> Aligned {
        let mut columns = [b'-'; ALIGNED_COLUMNS];
        let mut unplaced = Vec::new();
        for (position, residue) in self.numbering.residues(seq) {
            match column(position) {
                Some(column) => columns[column] = residue,
                None => unplaced.push((position, residue)),
            }
        }
        Aligned {
            text: columns.into_iter().map(char::from).collect(),
            unplaced,
        }
    }

    /// The residues of a region. `None` where the domain does not hold the region, or not all of it:
    /// a CDR counts only with a residue before and after it, the junction only with both anchors (104 and 118). Frameworks
    /// at the ends of a truncated domain are given as far as they go.
    pub fn region(&self, seq: &[u8], region: Region) -> Option<String> {
        let bounded = match region {
            Region::Cdr1 | Region::Cdr2 | Region::Cdr3 => Bounded::Outside,
            Region::Junction => Bounded::Anchors,
            _ => Bounded::No,
        };
        cut(&self.numbering, seq, region.span(), bounded)
    }
}

/// What must be present for a region to count as whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounded {
    /// Nothing: what there is of it.
    No,
    /// A residue before the first position and one after the last.
    Outside,
    /// The first and the last position themselves.
    Anchors,
}

/// The residues of `seq` at `span`, if there are any and they are bounded as asked.
pub(crate) fn cut(
    numbering: &Numbering,
    seq: &[u8],
    span: RangeInclusive<u16>,
    bounded: Bounded,
) -> Option<String> {
    let positions = &numbering.positions;
    let whole = match bounded {
        Bounded::No => true,
        Bounded::Outside => {
            positions
                .first()
                .is_some_and(|position| position.number < *span.start())
                && positions
                    .last()
                    .is_some_and(|position| position.number > *span.end())
        }
        Bounded::Anchors => [span.start(), span.end()]
            .into_iter()
            .all(|number| positions.contains(&Position::new(*number))),
    };
    if !whole {
        return None;
    }
    let residues: String = numbering
        .residues(seq)
        .filter(|(position, _)| span.contains(&position.number))
        .map(|(_, residue)| char::from(residue))
        .collect();
    (!residues.is_empty()).then_some(residues)
}
