//! The net charge of a polypeptide and the pH at which there is none.

use crate::composition::Composition;

/// pK of side chains that are positive below it (Bjellqvist et al. 1993, Electrophoresis 14:1023).
const POSITIVE: [(u8, f64); 3] = [(b'K', 10.0), (b'R', 12.0), (b'H', 5.98)];
/// pK of side chains that are negative above it.
const NEGATIVE: [(u8, f64); 4] = [(b'D', 4.05), (b'E', 4.45), (b'C', 9.0), (b'Y', 10.0)];
/// The pH range in which the isoelectric point is sought, ProtParam's.
const RANGE: (f64, f64) = (4.05, 12.0);

/// Net charge at a pH, in elementary charges, by the Henderson–Hasselbalch equation.
///
/// All residues count as unfolded and independent, all cysteines as free; terminal pKs depend on the terminal residues
/// (Bjellqvist et al. 1993, 1994). The numbers of Biopython's `ProtParam.charge_at_pH`. `None` as for [`Composition::read`]
/// and for a pH that is not finite.
pub fn charge(seq: &[u8], ph: f64) -> Option<f64> {
    let composition = Composition::read(seq)?;
    ph.is_finite().then(|| charge_of(&composition, ph))
}

/// The pH at which [`charge`] is 0, sought between 4.05 and 12, the ends standing for what lies beyond: Biopython's
/// `ProtParam.isoelectric_point`, which stops within 0.0001. `None` as for [`Composition::read`].
pub fn isoelectric_point(seq: &[u8]) -> Option<f64> {
    let composition = Composition::read(seq)?;
    let (mut low, mut high) = RANGE;
    // The charge falls as the pH rises; 40 halvings leave less than 1e-11.
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if charge_of(&composition, middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(f64::midpoint(low, high))
}

fn charge_of(composition: &Composition, ph: f64) -> f64 {
    let share = |exponent: f64| 1.0 / (10f64.powf(exponent) + 1.0);
    let positive: f64 = POSITIVE
        .iter()
        .map(|(residue, pk)| composition.count(*residue) * share(ph - pk))
        .sum();
    let negative: f64 = NEGATIVE
        .iter()
        .map(|(residue, pk)| composition.count(*residue) * share(pk - ph))
        .sum();
    let amino = share(ph - amino_terminal_pk(composition.first()));
    let carboxyl = share(carboxyl_terminal_pk(composition.last()) - ph);
    positive + amino - negative - carboxyl
}

const fn amino_terminal_pk(residue: u8) -> f64 {
    match residue {
        b'A' => 7.59,
        b'M' => 7.0,
        b'S' => 6.93,
        b'P' => 8.36,
        b'T' => 6.82,
        b'V' => 7.44,
        b'E' => 7.7,
        _ => 7.5,
    }
}

const fn carboxyl_terminal_pk(residue: u8) -> f64 {
    match residue {
        b'D' => 4.55,
        b'E' => 4.75,
        _ => 3.55,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &[u8] = b"EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn charge_and_isoelectric_point_agree_with_biopython() {
        for (ph, expected) in [
            (7.4, 0.628_313_780_844_223_2),
            (5.5, 2.287_941_524_502_987),
            (7.0, 0.906_298_766_026_237_6),
        ] {
            let charge = charge(VH, ph).unwrap_or(f64::NAN);
            assert!((charge - expected).abs() < 1e-9, "{charge} at {ph}");
        }
        let point = isoelectric_point(VH).unwrap_or(f64::NAN);
        assert!((point - 8.027_683_830_261_232).abs() < 1e-4, "{point}");
        let zero = charge(VH, point).unwrap_or(f64::NAN);
        assert!(zero.abs() < 1e-9, "{zero}");
    }

    #[test]
    fn points_beyond_the_range_are_its_ends() {
        let acid = isoelectric_point(b"DDDDDDDDDD").unwrap_or(f64::NAN);
        let base = isoelectric_point(b"RRRRRRRRRR").unwrap_or(f64::NAN);
        assert!((acid - 4.05).abs() < 1e-9 && (base - 12.0).abs() < 1e-9);
    }

    #[test]
    fn unknown_residues_and_infinite_ph_have_none() {
        assert_eq!(charge(b"EVX", 7.0), None);
        assert_eq!(charge(b"", 7.0), None);
        assert_eq!(charge(VH, f64::NAN), None);
        assert_eq!(charge(VH, f64::INFINITY), None);
        assert_eq!(isoelectric_point(b"EV*K"), None);
        assert_eq!(charge(b"e-v*", 7.0), charge(b"EV", 7.0));
    }
}
