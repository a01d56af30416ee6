//! How alike two V domains are, position by position.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::NumberingError;
use crate::position::Position;
use crate::scheme::{Scheme, nearest, suggestion};
use crate::v_domain::{Region, first_v_domain};

/// The positions that are compared, IMGT's regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compared {
    /// The whole V domain.
    V,
    /// CDR1, CDR2 and CDR3 together.
    Cdrs,
    /// CDR1.
    Cdr1,
    /// CDR2.
    Cdr2,
    /// CDR3.
    Cdr3,
}

impl Compared {
    /// All of them.
    pub const ALL: [Compared; 5] = [
        Compared::V,
        Compared::Cdrs,
        Compared::Cdr1,
        Compared::Cdr2,
        Compared::Cdr3,
    ];

    /// The name in lower case: `v`, `cdrs`, `cdr1`, `cdr2`, `cdr3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Compared::V => "v",
            Compared::Cdrs => "cdrs",
            Compared::Cdr1 => "cdr1",
            Compared::Cdr2 => "cdr2",
            Compared::Cdr3 => "cdr3",
        }
    }

    fn holds(self, position: Position) -> bool {
        let region = Region::of(position);
        match self {
            Compared::V => true,
            Compared::Cdrs => region.is_cdr(),
            Compared::Cdr1 => region == Region::Cdr1,
            Compared::Cdr2 => region == Region::Cdr2,
            Compared::Cdr3 => region == Region::Cdr3,
        }
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no region to compare; its message lists the known ones and the nearest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown region '{name}'{}; known: v, cdrs, cdr1, cdr2, cdr3", suggestion(.nearest))]
pub struct UnknownRegion {
    /// What was given.
    pub name: String,
    /// The known name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

impl FromStr for Compared {
    type Err = UnknownRegion;

    /// Case-insensitive; white space around the name is ignored.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let wanted = name.trim();
        Self::ALL
            .into_iter()
            .find(|region| region.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownRegion {
                name: name.to_owned(),
                nearest: nearest(wanted, Self::ALL.iter().map(|known| known.as_str())),
            })
    }
}

/// The share of equal residues of the first V domains of two polypeptides, 0–1.
///
/// Residues are paired by IMGT position (Lefranc et al. 2003), insertions included. The denominator counts the positions that
/// either domain occupies between the later of their first and the earlier of their last positions: what one of them lacks at
/// its ends is no difference, what it lacks within is one. `X` equals nothing, itself included. `None` where no such position
/// lies in the region.
///
/// # Errors
/// Why one of the two cannot be numbered.
pub fn identity(a: &[u8], b: &[u8], compared: Compared) -> Result<Option<f64>, NumberingError> {
    let (a, b) = (occupied(a)?, occupied(b)?);
    let (Some(first), Some(last)) = (
        ends(&a, &b, |ends| ends.keys().next().copied(), Ord::max),
        ends(&a, &b, |ends| ends.keys().next_back().copied(), Ord::min),
    ) else {
        return Ok(None);
    };
    let counts = |order: &Order, position: Position| {
        (first..=last).contains(order) && compared.holds(position)
    };
    let (mut equal, mut either) = (0u32, 0u32);
    for (order, (position, residue)) in &a {
        if counts(order, *position) {
            either += 1;
            let other = b.get(order).map(|(_, residue)| residue);
            equal += u32::from(other == Some(residue) && *residue != b'X');
        }
    }
    let only_b = b
        .iter()
        .filter(|(order, (position, _))| !a.contains_key(*order) && counts(order, *position));
    either += only_b.count() as u32;
    Ok((either > 0).then(|| f64::from(equal) / f64::from(either)))
}

/// Where a position stands along an IMGT chain.
type Order = (u16, i16);
type Occupied = BTreeMap<Order, (Position, u8)>;

fn occupied(seq: &[u8]) -> Result<Occupied, NumberingError> {
    let domain = first_v_domain(seq)?;
    let residues = domain.numbering.residues(seq);
    Ok(residues
        .map(|(position, residue)| (position.order(Scheme::Imgt), (position, residue)))
        .collect())
}

/// One end of both domains, as `choose` picks it.
fn ends(
    a: &Occupied,
    b: &Occupied,
    end: impl Fn(&Occupied) -> Option<Order>,
    choose: impl Fn(Order, Order) -> Order,
) -> Option<Order> {
    Some(choose(end(a)?, end(b)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    fn of(a: &str, b: &str, compared: Compared) -> Option<f64> {
        identity(a.as_bytes(), b.as_bytes(), compared)
            .ok()
            .flatten()
    }

    #[test]
    fn a_substitution_and_a_deletion_are_differences_and_truncated_ends_are_not() {
        assert_eq!(of(VH, VH, Compared::V), Some(1.0));
        assert_eq!(of(VH, &VH.to_lowercase(), Compared::V), Some(1.0));
        let substituted = VH.replace("SRWGG", "ARWGG");
        assert_eq!(of(VH, &substituted, Compared::V), Some(119.0 / 120.0));
        assert_eq!(of(VH, &substituted, Compared::Cdr3), Some(12.0 / 13.0));
        assert_eq!(of(VH, &substituted, Compared::Cdrs), Some(28.0 / 29.0));
        assert_eq!(of(VH, &substituted, Compared::Cdr1), Some(1.0));
        let shorter = VH.replace("SRWGGDGFYAMDY", "SRWGGDFYAMDY");
        assert_eq!(of(VH, &shorter, Compared::Cdr3), Some(12.0 / 13.0));
        assert_eq!(of(&shorter, VH, Compared::Cdr3), Some(12.0 / 13.0));
        assert_eq!(of(VH, &VH[5..110], Compared::V), Some(1.0));
        assert_eq!(of(VH, &format!("MKL{VH}ASTKG"), Compared::V), Some(1.0));
    }

    #[test]
    fn x_equals_nothing() {
        let unknown = VH.replace("SRWGG", "XRWGG");
        assert_eq!(of(&unknown, &unknown, Compared::Cdr3), Some(12.0 / 13.0));
    }

    #[test]
    fn a_region_that_one_of_them_lacks_has_no_identity() {
        assert_eq!(of(VH, &VH[..90], Compared::Cdr3), None);
        assert_eq!(of(VH, "PEPTIDE", Compared::V), None);
    }

    #[test]
    fn unknown_regions_name_the_known() {
        let message = "cdr4"
            .parse::<Compared>()
            .map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err(
                "unknown region 'cdr4' (did you mean 'cdr1'?); known: v, cdrs, cdr1, cdr2, cdr3"
                    .into()
            )
        );
    }
}
