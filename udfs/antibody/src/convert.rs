//! Other schemes from IMGT numbering, by table.
//!
//! A scheme is a list of rules for neighbouring IMGT positions. Frameworks shift; loops count their residues, leave positions
//! empty in a stated order when they are short, and insert behind one position when they are long. The tables agree with
//! immunum's (MIT, see `NOTICE`), which follow ANARCI, except where the publication says otherwise:
//!
//! - **Lambda 106A** (Kabat et al. 1991; kept by Chothia and Martin): framework 4 of lambda has one position more than that of
//!   kappa, 106A, which is IMGT 127. ANARCI and immunum call it 107, which is the residue behind it, of the constant region.
//! - **Kabat loops of three or fewer residues between 105 and 117**: IMGT fills 105, 106 and 117 first, so that Kabat's 93, 94 and 102
//!   are filled; immunum counts the residues where its alignment left them.
//! - **AHo 149 in light chains** (Honegger & Plückthun 2001) is the residue behind IMGT 127: given where one follows.

use crate::imgt::{self, CODES, Insertions};
use crate::locus::Locus;
use crate::path::below;
use crate::position::Position;
use crate::scheme::Scheme;

/// What becomes of the IMGT positions `first..=last`.
enum Rule {
    /// They keep their order: the first becomes `to`, and inserted residues follow theirs.
    Shift { first: u8, last: u8, to: u16 },
    /// Their residues are counted into a loop.
    Fill(Loop),
}

struct Loop {
    first: u8,
    last: u8,
    /// The scheme's positions, first and last.
    to: (u16, u16),
    /// In which order positions are left empty.
    emptied: &'static [u16],
    /// Behind which position residues are inserted.
    inserted_at: u16,
}

const fn shift(first: u8, last: u8, to: u16) -> Rule {
    Rule::Shift { first, last, to }
}

const fn fill(
    (first, last): (u8, u8),
    to: (u16, u16),
    emptied: &'static [u16],
    inserted_at: u16,
) -> Rule {
    Rule::Fill(Loop {
        first,
        last,
        to,
        emptied,
        inserted_at,
    })
}

#[rustfmt::skip]
static KABAT_HEAVY: &[Rule] = &[
    shift(1, 9, 1),
    shift(11, 23, 10),
    fill((24, 40), (23, 35), &[35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23], 35),
    shift(41, 53, 36),
    fill((54, 65), (49, 57), &[52, 51, 50, 53, 54, 55, 56, 57, 49], 52),
    shift(66, 72, 58),
    shift(74, 90, 65),
    fill((91, 94), (82, 82), &[], 82),
    shift(95, 105, 83),
    fill((106, 117), (94, 102), &[100, 99, 98, 97, 96, 95, 101, 102, 94], 100),
    shift(118, 128, 103),
];
#[rustfmt::skip]
static KABAT_LIGHT: &[Rule] = &[
    shift(1, 25, 1),
    fill((26, 38), (26, 32), &[28, 29, 30, 31, 27, 26], 27),
    shift(39, 55, 33),
    fill((56, 65), (50, 52), &[52, 51, 50], 52),
    shift(66, 72, 53),
    shift(74, 79, 60),
    fill((80, 82), (66, 66), &[], 66),
    shift(83, 104, 67),
    fill((105, 116), (89, 96), &[95, 94, 93, 92, 91, 90, 89], 95),
    shift(117, 127, 97),
];
#[rustfmt::skip]
static CHOTHIA_HEAVY: &[Rule] = &[
    shift(1, 9, 1),
    shift(11, 26, 10),
    fill((27, 38), (26, 33), &[31, 30, 29, 28, 27, 26, 32, 33], 31),
    shift(39, 53, 34),
    fill((54, 66), (49, 58), &[52, 51, 50, 53, 54, 55, 56, 57, 58, 49], 52),
    shift(67, 72, 59),
    shift(74, 88, 65),
    fill((89, 95), (80, 83), &[83, 82, 81, 80], 82),
    shift(96, 103, 84),
    fill((104, 117), (92, 102), &[100, 99, 98, 97, 96, 95, 101, 102, 94, 93, 92], 100),
    shift(118, 128, 103),
];
#[rustfmt::skip]
static CHOTHIA_LIGHT: &[Rule] = &[
    shift(1, 26, 1),
    fill((27, 40), (27, 34), &[31, 32, 33, 30, 29, 28, 27, 34], 30),
    shift(41, 55, 35),
    fill((56, 65), (50, 52), &[52, 51, 50], 52),
    shift(66, 72, 53),
    shift(74, 80, 60),
    fill((81, 84), (67, 68), &[68, 67], 68),
    shift(85, 104, 69),
    fill((105, 117), (89, 97), &[95, 94, 93, 92, 91, 90, 96, 97, 89], 95),
    shift(118, 127, 98),
];
#[rustfmt::skip]
static MARTIN_HEAVY: &[Rule] = &[
    shift(1, 9, 1),
    shift(11, 26, 10),
    fill((27, 38), (26, 33), &[31, 30, 29, 28, 27, 26, 32, 33], 31),
    shift(39, 53, 34),
    fill((54, 66), (49, 58), &[52, 51, 50, 53, 54, 55, 56, 57, 58, 49], 52),
    shift(67, 72, 59),
    shift(74, 80, 65),
    fill((81, 84), (72, 72), &[72], 72),
    shift(85, 103, 73),
    fill((104, 117), (92, 102), &[100, 99, 98, 97, 96, 95, 101, 102, 94, 93, 92], 100),
    shift(118, 128, 103),
];
#[rustfmt::skip]
static MARTIN_LIGHT: &[Rule] = &[
    shift(1, 26, 1),
    fill((27, 40), (27, 34), &[31, 30, 29, 28, 27, 32, 33, 34], 30),
    shift(41, 55, 35),
    fill((56, 65), (50, 52), &[52, 51, 50], 52),
    shift(66, 72, 53),
    shift(74, 80, 60),
    fill((81, 84), (67, 68), &[68, 67], 68),
    shift(85, 104, 69),
    fill((105, 117), (89, 97), &[95, 94, 93, 92, 91, 90, 96, 97, 89], 95),
    shift(118, 127, 98),
];

/// AHo's positions from IMGT 41 on, the same for all antibody chains; CDR1 and the position 8 differ.
macro_rules! aho {
    ($first:expr, $cdr1:expr) => {
        &[
            $first,
            shift(11, 24, 11),
            fill((25, 40), (25, 42), $cdr1, 36),
            shift(41, 55, 43),
            fill((56, 75), (58, 77), AHO_CDR2, 63),
            fill((76, 91), (78, 93), AHO_FRAMEWORK3, 85),
            shift(92, 104, 94),
            fill((105, 117), (107, 138), AHO_CDR3, 123),
            shift(118, 128, 139),
        ]
    };
}
#[rustfmt::skip]
const AHO_CDR2: &[u16] = &[63, 62, 64, 61, 65, 60, 66, 59, 67, 58, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77];
#[rustfmt::skip]
const AHO_FRAMEWORK3: &[u16] = &[86, 85, 87, 84, 88, 83, 89, 82, 90, 81, 91, 80, 92, 79, 93, 78];
#[rustfmt::skip]
const AHO_CDR3: &[u16] = &[
    123, 124, 122, 125, 121, 126, 120, 127, 119, 128, 118, 129, 117, 130, 116, 131,
    115, 132, 114, 133, 113, 134, 112, 135, 111, 136, 110, 137, 109, 138, 108, 107,
];
/// Heavy and lambda leave 8 empty.
const AHO_WITHOUT_8: Rule = fill((1, 10), (1, 10), &[8, 1, 2, 3, 4, 5, 6, 7, 9, 10], 8);
#[rustfmt::skip]
static AHO_HEAVY: &[Rule] = aho!(AHO_WITHOUT_8, &[28, 36, 35, 37, 34, 38, 27, 33, 39, 32, 40, 29, 26, 30, 25, 31, 41, 42]);
#[rustfmt::skip]
static AHO_KAPPA: &[Rule] = aho!(shift(1, 10, 1), &[28, 27, 36, 35, 37, 34, 38, 33, 39, 32, 40, 29, 26, 30, 25, 31, 41, 42]);
#[rustfmt::skip]
static AHO_LAMBDA: &[Rule] = aho!(AHO_WITHOUT_8, &[28, 36, 35, 37, 34, 38, 27, 29, 33, 39, 32, 40, 26, 30, 25, 31, 41, 42]);

/// The rules of a scheme for a locus; `None` where it has none.
fn rules(scheme: Scheme, locus: Locus) -> Option<&'static [Rule]> {
    match (scheme, locus) {
        (Scheme::Kabat, Locus::Igh) => Some(KABAT_HEAVY),
        (Scheme::Kabat, Locus::Igk | Locus::Igl) => Some(KABAT_LIGHT),
        (Scheme::Chothia, Locus::Igh) => Some(CHOTHIA_HEAVY),
        (Scheme::Chothia, Locus::Igk | Locus::Igl) => Some(CHOTHIA_LIGHT),
        (Scheme::Martin, Locus::Igh) => Some(MARTIN_HEAVY),
        (Scheme::Martin, Locus::Igk | Locus::Igl) => Some(MARTIN_LIGHT),
        (Scheme::Aho, Locus::Igh) => Some(AHO_HEAVY),
        (Scheme::Aho, Locus::Igk) => Some(AHO_KAPPA),
        (Scheme::Aho, Locus::Igl) => Some(AHO_LAMBDA),
        _ => None,
    }
}

/// Why a domain has no positions in a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// The scheme does not number the locus.
    Locus,
    /// The scheme has no codes for so many insertions.
    Insertions,
}

/// A domain in IMGT numbering.
#[derive(Clone, Copy)]
pub(crate) struct Imgt<'a> {
    pub locus: Locus,
    pub occupied: u128,
    pub insertions: &'a [Insertions],
    /// Whether a residue that is part of no other domain follows.
    pub followed: bool,
}

/// Appends the positions of a domain's residues in a scheme and returns how many residues behind the domain they take in
/// (AHo 149 of light chains). Appends nothing where there is an error.
pub(crate) fn positions(
    domain: Imgt<'_>,
    scheme: Scheme,
    to: &mut Vec<Position>,
) -> Result<u32, Unnamed> {
    if scheme == Scheme::Imgt {
        if !imgt::has_codes(domain.insertions) {
            return Err(Unnamed::Insertions);
        }
        imgt::positions(domain.occupied, domain.insertions, to);
        return Ok(0);
    }
    let rules = rules(scheme, domain.locus).ok_or(Unnamed::Locus)?;
    let first = to.len();
    for rule in rules {
        let is_named = match rule {
            Rule::Shift {
                first,
                last,
                to: number,
            } => shifted(domain, *first, *last, *number, to),
            Rule::Fill(filled) => filled.positions(domain, to),
        };
        if !is_named {
            to.truncate(first);
            return Err(Unnamed::Insertions);
        }
    }
    let last = to[first..].last_mut();
    if domain.locus == Locus::Igl && scheme != Scheme::Aho && domain.occupied >> 126 & 1 == 1 {
        let lambda = last.filter(|last| **last == Position::new(107));
        if let Some(last) = lambda {
            *last = Position::inserted(106, b'A');
        }
        return Ok(0);
    }
    let has_149 = scheme == Scheme::Aho
        && matches!(domain.locus, Locus::Igk | Locus::Igl)
        && last.is_some_and(|last| *last == Position::new(148))
        && domain.followed;
    if has_149 {
        to.push(Position::new(149));
    }
    Ok(u32::from(has_149))
}

fn shifted(domain: Imgt<'_>, first: u8, last: u8, number: u16, to: &mut Vec<Position>) -> bool {
    for (position, count) in within(domain, first, last) {
        if count > CODES {
            return false;
        }
        let number = number + u16::from(position - first);
        to.push(Position::new(number));
        to.extend((0..count).map(|index| Position::inserted(number, b'A' + index as u8)));
    }
    true
}

impl Loop {
    fn positions(&self, domain: Imgt<'_>, to: &mut Vec<Position>) -> bool {
        let (first, last) = self.to;
        let capacity = usize::from(last - first + 1);
        let length: usize = within(domain, self.first, self.last)
            .map(|(_, count)| 1 + usize::from(count))
            .sum();
        let extra = length.saturating_sub(capacity);
        if extra > usize::from(CODES) {
            return false;
        }
        let emptied = self.emptied.get(..capacity.saturating_sub(length));
        let emptied = if length == 0 { None } else { emptied };
        let Some(emptied) = emptied else { return true };
        for number in (first..=last).filter(|number| !emptied.contains(number)) {
            to.push(Position::new(number));
            if number == self.inserted_at {
                let codes = (b'A'..=b'Z').take(extra);
                to.extend(codes.map(|code| Position::inserted(number, code)));
            }
        }
        true
    }
}

/// The IMGT positions of a range that hold a residue, each with the residues inserted at it.
fn within(domain: Imgt<'_>, first: u8, last: u8) -> impl Iterator<Item = (u8, u16)> + '_ {
    let range = below(u32::from(last)) & !below(u32::from(first) - 1);
    let before = domain
        .insertions
        .partition_point(|inserted| inserted.position < first);
    imgt::walk(domain.occupied & range, &domain.insertions[before..])
}
