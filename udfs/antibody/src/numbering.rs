//! The interface to numbering: what a numbered domain is and what can number it.

use crate::error::NumberingError;
use crate::kernel::Kernel;
use crate::locus::Locus;
use crate::position::Position;
use crate::scheme::Scheme;

/// One numbered V domain of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbering {
    /// The locus whose consensus fits best.
    pub locus: Locus,
    /// The scheme of `positions`.
    pub scheme: Scheme,
    /// Share of the best possible alignment score over conserved positions, 0–1.
    pub confidence: f32,
    /// First residue, 1-based, in the given sequence.
    pub start: usize,
    /// Last residue, 1-based, in the given sequence.
    pub end: usize,
    /// One a residue of `start..=end`, strictly in the scheme's order. Gaps and white space within are no residues.
    pub positions: Vec<Position>,
}

impl Numbering {
    /// The positions with the 1-based indices of their residues in `seq`, the sequence that was numbered.
    pub fn indices<'a>(&'a self, seq: &'a [u8]) -> impl Iterator<Item = (Position, usize)> + 'a {
        let domain = seq.get(self.start.saturating_sub(1)..self.end);
        let indices = domain
            .unwrap_or_default()
            .iter()
            .zip(self.start..)
            .filter(|(byte, _)| byte.is_ascii_alphabetic())
            .map(|(_, index)| index);
        self.positions.iter().copied().zip(indices)
    }

    /// The positions with their residues, upper case. `seq` is the sequence that was numbered.
    pub fn residues<'a>(&'a self, seq: &'a [u8]) -> impl Iterator<Item = (Position, u8)> + 'a {
        self.positions
            .iter()
            .copied()
            .zip(domain_residues(seq, self.start, self.end))
    }
}

/// The residues of `start..=end` (1-based), upper case, without gaps and white space.
pub(crate) fn domain_residues(
    seq: &[u8],
    start: usize,
    end: usize,
) -> impl Iterator<Item = u8> + '_ {
    seq.get(start.saturating_sub(1)..end)
        .unwrap_or_default()
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .map(u8::to_ascii_uppercase)
}

/// Something that numbers V domains; the seam behind which the kernel can be replaced.
pub trait Numberer: Send + Sync {
    /// Numbers the first V domain along the sequence.
    ///
    /// # Errors
    /// Why there is none, or why `scheme` cannot number it.
    fn number(&self, seq: &[u8], scheme: Scheme) -> Result<Numbering, NumberingError>;

    /// Numbers every V domain, in order along the sequence; never an empty list.
    ///
    /// # Errors
    /// Why there is none, or why `scheme` cannot number one of them.
    fn domains(&self, seq: &[u8], scheme: Scheme) -> Result<Vec<Numbering>, NumberingError>;
}

/// The numberer of this build. It is shared by all threads and built once.
pub fn numberer() -> &'static dyn Numberer {
    &Kernel
}
