//! Chemical components: what the name of a residue means.

use std::fmt;

/// The identifier of a chemical component (`GLY`, `MSE`, `A1LU6`): up to eight printable characters, as given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Component([u8; 8]);

impl Component {
    /// `None` for nothing, for more than eight characters and for others than printable ASCII.
    pub(super) fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let fits = (1..=8).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        fits.then(|| {
            let mut name = [0; 8];
            name[..bytes.len()].copy_from_slice(bytes);
            Self(name)
        })
    }

    /// The identifier.
    pub(super) fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(8);
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }

    /// Whether it is water.
    pub(super) fn is_water(self) -> bool {
        matches!(
            self.as_str(),
            "HOH" | "DOD" | "WAT" | "H2O" | "TIP" | "TIP3"
        )
    }

    /// The letter of an amino acid that is coded for, or of one that is unknown in part (`ASX`, `GLX`).
    pub(super) fn amino_acid(self) -> Option<u8> {
        let name = self.as_str();
        STANDARD
            .iter()
            .find(|(code, _, _)| *code == name)
            .map(|(_, letter, _)| *letter)
    }

    /// The letter of a nucleotide.
    pub(super) fn nucleotide(self) -> Option<u8> {
        let name = self.as_str();
        let base = name
            .strip_prefix('D')
            .filter(|base| !base.is_empty())
            .unwrap_or(name);
        matches!(base, "A" | "C" | "G" | "T" | "U" | "I" | "N").then(|| base.as_bytes()[0])
    }

    /// The amino acid that a modified residue was, by the dictionary of components; `None` for one that is not listed here.
    pub(super) fn known_parent(self) -> Option<Self> {
        let name = self.as_str();
        MODIFIED
            .iter()
            .find(|(_, codes)| codes.contains(&name))
            .and_then(|(parent, _)| Self::new(parent))
    }

    /// The atoms of a residue other than hydrogen and the second oxygen of the last residue; empty where they are not known.
    pub(super) fn atoms(self) -> &'static [&'static str] {
        let name = self.as_str();
        STANDARD
            .iter()
            .find(|(code, _, _)| *code == name)
            .map_or(&[], |(_, _, atoms)| *atoms)
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amino acid: its component, its letter, its atoms.
type Standard = (&'static str, u8, &'static [&'static str]);

/// Amino acids with their letters (IUPAC-IUB 1984) and atoms (PDB Chemical Component Dictionary, <https://www.wwpdb.org/data/ccd>).
static STANDARD: [Standard; 25] = [
    ("ALA", b'A', &["N", "CA", "C", "O", "CB"]),
    (
        "ARG",
        b'R',
        &[
            "N", "CA", "C", "O", "CB", "CG", "CD", "NE", "CZ", "NH1", "NH2",
        ],
    ),
    (
        "ASN",
        b'N',
        &["N", "CA", "C", "O", "CB", "CG", "OD1", "ND2"],
    ),
    (
        "ASP",
        b'D',
        &["N", "CA", "C", "O", "CB", "CG", "OD1", "OD2"],
    ),
    ("CYS", b'C', &["N", "CA", "C", "O", "CB", "SG"]),
    (
        "GLN",
        b'Q',
        &["N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "NE2"],
    ),
    (
        "GLU",
        b'E',
        &["N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "OE2"],
    ),
    ("GLY", b'G', &["N", "CA", "C", "O"]),
    (
        "HIS",
        b'H',
        &["N", "CA", "C", "O", "CB", "CG", "ND1", "CD2", "CE1", "NE2"],
    ),
    (
        "ILE",
        b'I',
        &["N", "CA", "C", "O", "CB", "CG1", "CG2", "CD1"],
    ),
    (
        "LEU",
        b'L',
        &["N", "CA", "C", "O", "CB", "CG", "CD1", "CD2"],
    ),
    (
        "LYS",
        b'K',
        &["N", "CA", "C", "O", "CB", "CG", "CD", "CE", "NZ"],
    ),
    ("MET", b'M', &["N", "CA", "C", "O", "CB", "CG", "SD", "CE"]),
    (
        "PHE",
        b'F',
        &[
            "N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ",
        ],
    ),
    ("PRO", b'P', &["N", "CA", "C", "O", "CB", "CG", "CD"]),
    ("SER", b'S', &["N", "CA", "C", "O", "CB", "OG"]),
    ("THR", b'T', &["N", "CA", "C", "O", "CB", "OG1", "CG2"]),
    (
        "TRP",
        b'W',
        &[
            "N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2",
        ],
    ),
    (
        "TYR",
        b'Y',
        &[
            "N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH",
        ],
    ),
    ("VAL", b'V', &["N", "CA", "C", "O", "CB", "CG1", "CG2"]),
    ("SEC", b'U', &[]),
    ("PYL", b'O', &[]),
    ("ASX", b'B', &[]),
    ("GLX", b'Z', &[]),
    ("UNK", b'X', &[]),
];

/// Modified residues by the amino acid they were: `_chem_comp.mon_nstd_parent_comp_id` of the PDB Chemical Component
/// Dictionary, for those that occur in antibodies and their antigens; and what force fields call histidine and cystine.
static MODIFIED: [(&str, &[&str]); 17] = [
    ("MET", &["MSE", "FME", "MHO", "SME", "CXM"]),
    ("SER", &["SEP", "SAC"]),
    ("THR", &["TPO"]),
    ("TYR", &["PTR", "TYS", "TYI", "IYR", "TYQ"]),
    (
        "CYS",
        &[
            "CSO", "CSD", "CSX", "CSS", "CSW", "CSP", "CSA", "CME", "OCS", "CAS", "CMT", "SMC",
            "SNC", "YCM", "CYG", "SCY", "SCH", "CYX",
        ],
    ),
    ("GLN", &["PCA", "MEQ", "MGN"]),
    ("GLU", &["CGU", "GMA", "5HP"]),
    ("PRO", &["HYP"]),
    ("LYS", &["MLY", "M3L", "MLZ", "ALY", "KCX", "LLP"]),
    ("HIS", &["HIC", "MHS", "NEP", "HID", "HIE"]),
    ("ARG", &["AGM", "2MR", "HRG"]),
    ("LEU", &["NLE", "MLE"]),
    ("ALA", &["ABA", "AIB", "AYA"]),
    ("GLY", &["SAR"]),
    ("TRP", &["FTR", "HTR", "TRQ", "TRN"]),
    ("ASP", &["BFD", "PHD"]),
    ("ASN", &["MEN"]),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn component(name: &str) -> Component {
        Component::new(name).unwrap()
    }

    #[test]
    fn modified_residues_lead_to_the_amino_acid_they_were() {
        for (modified, parent) in [
            ("MSE", "MET"),
            ("PCA", "GLN"),
            ("SEP", "SER"),
            ("TPO", "THR"),
            ("CSO", "CYS"),
        ] {
            assert_eq!(
                component(modified).known_parent(),
                Some(component(parent)),
                "{modified}"
            );
        }
        for name in ["NAG", "GLY", "ZZZ"] {
            assert_eq!(component(name).known_parent(), None, "{name}");
        }
        for (parent, codes) in &MODIFIED {
            assert!(component(parent).amino_acid().is_some(), "{parent}");
            for code in *codes {
                assert_eq!(component(code).amino_acid(), None, "{code}");
            }
        }
    }

    #[test]
    fn letters_are_those_of_residues_and_nucleotides_only() {
        assert_eq!(component("TRP").amino_acid(), Some(b'W'));
        assert_eq!(component("UNK").amino_acid(), Some(b'X'));
        assert_eq!(component("NAG").amino_acid(), None);
        for (name, letter) in [
            ("DA", Some(b'A')),
            ("A", Some(b'A')),
            ("DT", Some(b'T')),
            ("D", None),
            ("GLY", None),
        ] {
            assert_eq!(component(name).nucleotide(), letter, "{name}");
        }
    }

    #[test]
    fn a_name_is_short_and_printable() {
        for name in ["", "ABCDEFGHI", "A B", "é"] {
            assert_eq!(Component::new(name), None, "{name}");
        }
        assert_eq!(component("A1LU6").as_str(), "A1LU6");
        assert_eq!(component("12345678").as_str(), "12345678");
    }
}
