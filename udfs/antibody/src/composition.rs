//! What follows from the counts of residues alone: hydropathy, aromaticity, absorption at 280 nm.

use std::str::FromStr;

use crate::hash::canonical;
use crate::scheme::{nearest, suggestion};

/// The twenty standard residues in the order of tables here.
pub(crate) const ORDER: &[u8; 20] = b"ACDEFGHIKLMNPQRSTVWY";

/// A polypeptide of standard residues only, and how many of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    codes: Vec<u8>,
    counts: [u32; ORDER.len()],
}

impl Composition {
    /// Counts the residues. White space, gaps and one final `*` are ignored. `None` for an empty sequence and for one with
    /// anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`): a property of the whole is
    /// unknown where that of a residue is.
    pub fn read(seq: &[u8]) -> Option<Self> {
        let residues = canonical(seq);
        let mut counts = [0; ORDER.len()];
        let mut codes = Vec::with_capacity(residues.len());
        for residue in residues.iter() {
            let code = ORDER.binary_search(residue).ok()?;
            *counts.get_mut(code)? += 1;
            codes.push(code as u8);
        }
        (!codes.is_empty()).then_some(Self { codes, counts })
    }

    /// How many of a standard residue, by its letter in upper case.
    pub fn count(&self, residue: u8) -> f64 {
        let code = ORDER.binary_search(&residue).ok();
        code.and_then(|code| self.counts.get(code))
            .map_or(0.0, |count| f64::from(*count))
    }

    /// Residues in all; never 0.
    pub fn length(&self) -> f64 {
        self.codes.len() as f64
    }

    /// The first residue, N-terminal.
    pub fn first(&self) -> u8 {
        self.codes
            .first()
            .map_or(0, |code| ORDER[usize::from(*code)])
    }

    /// The last residue, C-terminal.
    pub fn last(&self) -> u8 {
        self.codes
            .last()
            .map_or(0, |code| ORDER[usize::from(*code)])
    }

    /// Indices into [`ORDER`], one a residue.
    pub(crate) fn codes(&self) -> &[u8] {
        &self.codes
    }
}

/// Mean hydropathy of Kyte & Doolittle (1982, J Mol Biol 157:105), from −4.5 to 4.5; positive is hydrophobic. `None` as for
/// [`Composition::read`].
pub fn gravy(seq: &[u8]) -> Option<f64> {
    let composition = Composition::read(seq)?;
    let counts = composition.counts.iter().zip(HYDROPATHY);
    let sum: f64 = counts
        .map(|(count, hydropathy)| f64::from(*count) * hydropathy)
        .sum();
    Some(sum / composition.length())
}

/// In [`ORDER`].
const HYDROPATHY: [f64; ORDER.len()] = [
    1.8, 2.5, -3.5, -3.5, 2.8, -0.4, -3.2, 4.5, -3.9, 3.8, 1.9, -3.5, -1.6, -3.5, -4.5, -0.8, -0.7,
    4.2, -0.9, -1.3,
];

/// The share of phenylalanine, tryptophan and tyrosine (Lobry & Gautier 1994, Nucleic Acids Res 22:3174), 0–1. `None` as for
/// [`Composition::read`].
pub fn aromaticity(seq: &[u8]) -> Option<f64> {
    let composition = Composition::read(seq)?;
    let aromatic: f64 = [b'F', b'W', b'Y']
        .into_iter()
        .map(|residue| composition.count(residue))
        .sum();
    Some(aromatic / composition.length())
}

/// Whether cysteines have joined in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cysteines {
    /// All pairs of them have, as in a folded antibody.
    Cystines,
    /// None have, as under a reducing agent.
    Reduced,
}

impl Cysteines {
    const ALL: [Cysteines; 2] = [Cysteines::Cystines, Cysteines::Reduced];

    /// The name in lower case: `cystines`, `reduced`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cysteines::Cystines => "cystines",
            Cysteines::Reduced => "reduced",
        }
    }
}

/// A name that is no state of cysteines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state of cysteines '{name}'{}; known: cystines, reduced", suggestion(.nearest))]
pub struct UnknownCysteines {
    /// What was given.
    pub name: String,
    /// The known name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

impl FromStr for Cysteines {
    type Err = UnknownCysteines;

    /// Case-insensitive; white space around the name is ignored.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let wanted = name.trim();
        Self::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownCysteines {
                name: name.to_owned(),
                nearest: nearest(wanted, Self::ALL.iter().map(|known| known.as_str())),
            })
    }
}

/// Molar extinction coefficient at 280 nm in water, M⁻¹ cm⁻¹: 5500 a tryptophan, 1490 a tyrosine, 125 a cystine (Pace et al.
/// 1995, Protein Sci 4:2411). `None` as for [`Composition::read`].
pub fn extinction_coefficient(seq: &[u8], cysteines: Cysteines) -> Option<f64> {
    let composition = Composition::read(seq)?;
    let cystines = match cysteines {
        Cysteines::Cystines => (composition.count(b'C') / 2.0).floor(),
        Cysteines::Reduced => 0.0,
    };
    Some(5500.0 * composition.count(b'W') + 1490.0 * composition.count(b'Y') + 125.0 * cystines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &[u8] = b"EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn properties_agree_with_biopython() {
        let gravy = gravy(VH).unwrap_or(f64::NAN);
        assert!((gravy + 0.305).abs() < 1e-12, "{gravy}");
        let aromaticity = aromaticity(VH).unwrap_or(f64::NAN);
        assert!((aromaticity - 0.133_333_333_333_333_33).abs() < 1e-12);
        assert_eq!(
            extinction_coefficient(VH, Cysteines::Reduced),
            Some(35_410.0)
        );
        assert_eq!(
            extinction_coefficient(VH, Cysteines::Cystines),
            Some(35_535.0)
        );
        assert_eq!(
            extinction_coefficient(b"CCC", Cysteines::Cystines),
            Some(125.0)
        );
    }

    #[test]
    fn the_order_is_sorted_for_searching() {
        assert!(ORDER.is_sorted());
    }

    #[test]
    fn only_standard_residues_are_counted() {
        for seq in [
            b"".as_slice(),
            b" -",
            b"*",
            b"AX",
            b"AU",
            b"AO",
            b"A*A",
            b"A1",
            b"\xff",
        ] {
            assert_eq!(
                Composition::read(seq),
                None,
                "{}",
                String::from_utf8_lossy(seq)
            );
        }
        assert_eq!(Composition::read(b"a-c *"), Composition::read(b"AC"));
    }

    #[test]
    fn an_unknown_state_names_the_known() {
        let message = "oxidised"
            .parse::<Cysteines>()
            .map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("unknown state of cysteines 'oxidised'; known: cystines, reduced".into())
        );
    }
}
