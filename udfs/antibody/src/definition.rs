//! CDR definitions: tables of positions, each in the numbering its authors used.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::NumberingError;
use crate::locus::Locus;
use crate::numbering::{Numbering, numberer};
use crate::scheme::{Scheme, nearest, suggestion};
use crate::v_domain::{Bounded, Region, cut};

/// Where the CDRs begin and end.
///
/// | definition | H1 | H2 | H3 | L1 | L2 | L3 | numbering | source |
/// |---|---|---|---|---|---|---|---|---|
/// | imgt | 27–38 | 56–65 | 105–117 | 27–38 | 56–65 | 105–117 | IMGT | Lefranc et al. 2003 |
/// | kabat | 31–35 | 50–65 | 95–102 | 24–34 | 50–56 | 89–97 | Kabat | Kabat et al. 1991 |
/// | chothia | 26–32 | 52–56 | 96–101 | 26–32 | 50–52 | 91–96 | Chothia | consensus of the Martin group, 2021, over Chothia & Lesk 1987 to Al-Lazikani et al. 1997 |
/// | chothia_wide | 26–32 | 52–56 | 95–102 | 24–34 | 50–56 | 89–97 | Chothia | as SAbDab and AbNumber apply it |
/// | abm | 26–35 | 50–58 | 95–102 | 24–34 | 50–56 | 89–97 | Martin | Oxford Molecular's AbM, in the Martin group's table |
/// | contact | 30–35 | 47–58 | 93–101 | 30–36 | 46–55 | 89–96 | Martin | MacCallum, Martin & Thornton 1996, J Mol Biol 262:732 |
/// | north | 24–42 | 57–69 | 107–138 | 24–42 | 57–72 | 107–138 | AHo | North, Lehmann & Dunbrack 2011, J Mol Biol 406:228 |
/// | aho | 25–40 | 58–77 | 109–137 | 25–40 | 58–77 | 109–137 | AHo | Dondelinger et al. 2018, Front Immunol 9:2278 |
///
/// Insertions at a position belong to it. `chothia` is the narrow set on which the Martin group settled in 2021
/// (bioinf.org.uk/abs); tools that report light chains 24–34, 50–56, 89–97 and H3 95–102 as Chothia use the older, wider set,
/// here `chothia_wide`. Their table has Kabat, AbM and contact too. `aho` is what the review gives for the numbering of Honegger &
/// Plückthun (2001, J Mol Biol 309:657); tools draw these borders differently, some within a few residues of `north`. A
/// definition does not depend on the numbering that a caller looks at: it brings its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Definition {
    /// IMGT, the only one for T cell receptors.
    Imgt,
    /// Kabat: sequence variability.
    Kabat,
    /// Chothia: structural loops, narrow.
    Chothia,
    /// Chothia: structural loops, wide.
    ChothiaWide,
    /// AbM: between Kabat and Chothia.
    Abm,
    /// Contact: residues that touch antigen in structures.
    Contact,
    /// North: the loops whose conformations cluster.
    North,
    /// AHo: the loops as tabulated for that numbering.
    Aho,
}

/// Three CDRs as (first, last) position numbers.
type Spans = [(u16, u16); 3];

impl Definition {
    /// All definitions.
    pub const ALL: [Definition; 8] = [
        Definition::Imgt,
        Definition::Kabat,
        Definition::Chothia,
        Definition::ChothiaWide,
        Definition::Abm,
        Definition::Contact,
        Definition::North,
        Definition::Aho,
    ];

    /// The name in lower case: `imgt`, `kabat`, `chothia`, `chothia_wide`, `abm`, `contact`, `north`, `aho`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Definition::Imgt => "imgt",
            Definition::Kabat => "kabat",
            Definition::Chothia => "chothia",
            Definition::ChothiaWide => "chothia_wide",
            Definition::Abm => "abm",
            Definition::Contact => "contact",
            Definition::North => "north",
            Definition::Aho => "aho",
        }
    }

    /// The numbering in which the table is written.
    pub const fn scheme(self) -> Scheme {
        match self {
            Definition::Imgt => Scheme::Imgt,
            Definition::Kabat => Scheme::Kabat,
            Definition::Chothia | Definition::ChothiaWide => Scheme::Chothia,
            Definition::Abm | Definition::Contact => Scheme::Martin,
            Definition::North | Definition::Aho => Scheme::Aho,
        }
    }

    /// CDR1, CDR2 and CDR3 of a locus.
    const fn spans(self, locus: Locus) -> Spans {
        match (self, matches!(locus, Locus::Igh)) {
            (Definition::Imgt, _) => [(27, 38), (56, 65), (105, 117)],
            (Definition::Kabat, true) => [(31, 35), (50, 65), (95, 102)],
            (Definition::Abm, true) => [(26, 35), (50, 58), (95, 102)],
            (Definition::Kabat | Definition::Abm | Definition::ChothiaWide, false) => {
                [(24, 34), (50, 56), (89, 97)]
            }
            (Definition::ChothiaWide, true) => [(26, 32), (52, 56), (95, 102)],
            (Definition::Chothia, true) => [(26, 32), (52, 56), (96, 101)],
            (Definition::Chothia, false) => [(26, 32), (50, 52), (91, 96)],
            (Definition::Contact, true) => [(30, 35), (47, 58), (93, 101)],
            (Definition::Contact, false) => [(30, 36), (46, 55), (89, 96)],
            (Definition::North, true) => [(24, 42), (57, 69), (107, 138)],
            (Definition::North, false) => [(24, 42), (57, 72), (107, 138)],
            (Definition::Aho, _) => [(25, 40), (58, 77), (109, 137)],
        }
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no definition; its message lists the known ones and the nearest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown CDR definition '{name}'{}; known: imgt, kabat, chothia, chothia_wide, abm, contact, north, aho", suggestion(.nearest))]
pub struct UnknownDefinition {
    /// What was given.
    pub name: String,
    /// The known name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

impl FromStr for Definition {
    type Err = UnknownDefinition;

    /// Case-insensitive; white space around the name is ignored.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let wanted = name.trim();
        Self::ALL
            .into_iter()
            .find(|definition| definition.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownDefinition {
                name: name.to_owned(),
                nearest: nearest(wanted, Self::ALL.iter().map(|known| known.as_str())),
            })
    }
}

/// The frameworks and CDRs of a V domain, N- to C-terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// Whose CDRs these are.
    pub definition: Definition,
    /// `fwr1, cdr1, fwr2, cdr2, fwr3, cdr3, fwr4`: residues, or `None` where the domain does not hold the region (a CDR:
    /// not all of it).
    pub sequences: [Option<String>; 7],
}

impl Regions {
    /// Residues in CDR1, CDR2 and CDR3; `None` where the domain does not hold the CDR whole.
    pub fn cdr_lengths(&self) -> [Option<usize>; 3] {
        let [_, cdr1, _, cdr2, _, cdr3, _] = &self.sequences;
        [cdr1, cdr2, cdr3].map(|cdr| cdr.as_ref().map(String::len))
    }
}

/// The regions of the first V domain of a polypeptide.
///
/// # Errors
/// Why there is no V domain, or why the definition's numbering cannot place all its residues.
pub fn regions(seq: &[u8], definition: Definition) -> Result<Regions, NumberingError> {
    let numbering = numberer().number(seq, definition.scheme())?;
    Ok(Regions {
        definition,
        sequences: tile(&numbering, seq, definition),
    })
}

/// The seven regions of a domain that was numbered in the definition's scheme.
fn tile(numbering: &Numbering, seq: &[u8], definition: Definition) -> [Option<String>; 7] {
    let [cdr1, cdr2, cdr3] = definition.spans(numbering.locus);
    let starts = [
        1,
        cdr1.0,
        cdr1.1 + 1,
        cdr2.0,
        cdr2.1 + 1,
        cdr3.0,
        cdr3.1 + 1,
        u16::MAX,
    ];
    std::array::from_fn(|index| {
        let span: RangeInclusive<u16> = starts[index]..=starts[index + 1] - 1;
        let is_cdr = matches!(
            Region::TILES[index],
            Region::Cdr1 | Region::Cdr2 | Region::Cdr3
        );
        let bounded = if is_cdr {
            Bounded::Outside
        } else {
            Bounded::No
        };
        cut(numbering, seq, span, bounded)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;

    const TRASTUZUMAB_VH: &[u8] = b"EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
    const TRASTUZUMAB_VL: &[u8] = b"DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";

    fn cdrs(seq: &[u8], definition: Definition) -> [String; 3] {
        let [_, cdr1, _, cdr2, _, cdr3, _] = regions(seq, definition).unwrap().sequences;
        [cdr1.unwrap(), cdr2.unwrap(), cdr3.unwrap()]
    }

    #[test]
    fn trastuzumab_has_the_published_cdrs_under_each_definition() {
        let heavy = |definition| cdrs(TRASTUZUMAB_VH, definition);
        assert_eq!(
            heavy(Definition::Imgt),
            ["GFNIKDTY", "IYPTNGYT", "SRWGGDGFYAMDY"]
        );
        assert_eq!(
            heavy(Definition::Kabat),
            ["DTYIH", "RIYPTNGYTRYADSVKG", "WGGDGFYAMDY"]
        );
        assert_eq!(
            heavy(Definition::Chothia),
            ["GFNIKDT", "YPTNGY", "GGDGFYAMD"]
        );
        assert_eq!(
            heavy(Definition::Abm),
            ["GFNIKDTYIH", "RIYPTNGYTR", "WGGDGFYAMDY"]
        );
        assert_eq!(
            heavy(Definition::Contact),
            ["KDTYIH", "WVARIYPTNGYTR", "SRWGGDGFYAMD"]
        );
        assert_eq!(
            heavy(Definition::ChothiaWide),
            ["GFNIKDT", "YPTNGY", "WGGDGFYAMDY"]
        );
        assert_eq!(
            heavy(Definition::North),
            ["AASGFNIKDTYIH", "RIYPTNGYTR", "SRWGGDGFYAMDY"]
        );
        assert_eq!(
            heavy(Definition::Aho),
            ["ASGFNIKDTY", "IYPTNGYTRYADSVKGR", "WGGDGFYAMD"]
        );
        let light = |definition| cdrs(TRASTUZUMAB_VL, definition);
        assert_eq!(light(Definition::Imgt), ["QDVNTA", "SAS", "QQHYTTPPT"]);
        assert_eq!(
            light(Definition::Kabat),
            ["RASQDVNTAVA", "SASFLYS", "QQHYTTPPT"]
        );
        assert_eq!(light(Definition::Chothia), ["SQDVNTA", "SAS", "HYTTPP"]);
        assert_eq!(
            light(Definition::Abm),
            ["RASQDVNTAVA", "SASFLYS", "QQHYTTPPT"]
        );
        assert_eq!(
            light(Definition::Contact),
            ["NTAVAWY", "LLIYSASFLY", "QQHYTTPP"]
        );
        assert_eq!(
            light(Definition::ChothiaWide),
            light(Definition::Kabat),
            "the older set"
        );
        assert_eq!(
            light(Definition::North),
            ["RASQDVNTAVA", "YSASFLYS", "QQHYTTPPT"]
        );
        assert_eq!(
            light(Definition::Aho),
            ["ASQDVNTA", "SASFLYSGVPSR", "HYTTPP"]
        );
    }

    #[test]
    fn lengths_are_those_of_the_cdrs() {
        let found = regions(TRASTUZUMAB_VH, Definition::Imgt).unwrap();
        assert_eq!(found.cdr_lengths(), [Some(8), Some(8), Some(13)]);
        let found = regions(&TRASTUZUMAB_VH[..90], Definition::Imgt).unwrap();
        assert_eq!(found.cdr_lengths(), [Some(8), Some(8), None]);
    }

    #[test]
    fn the_regions_tile_the_domain() {
        for definition in Definition::ALL {
            for seq in [TRASTUZUMAB_VH, TRASTUZUMAB_VL] {
                let joined: String = regions(seq, definition)
                    .unwrap()
                    .sequences
                    .into_iter()
                    .flatten()
                    .collect();
                assert_eq!(joined.as_bytes(), seq, "{definition}");
            }
        }
    }
}
