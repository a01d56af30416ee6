//! The average mass of a polypeptide.

use crate::hash::canonical;

/// Mass of the water that leaves when two amino acids join, in dalton.
const WATER: f64 = 18.0153;

/// The average (not monoisotopic) mass in dalton of an unmodified linear chain.
///
/// Free amino acid masses minus one water a bond, the numbers of Biopython's `ProtParam.molecular_weight`
/// (`Bio.Data.IUPACData.protein_weights`), selenocysteine `U` and pyrrolysine `O` included. Disulphide bonds, glycans and
/// other modifications are not counted. White space, gaps and one final `*` are ignored. `None` for an empty sequence and
/// for one with any other letter (`X`, `B`, `Z`, `J`, an inner `*`): the mass of an unknown residue is unknown.
pub fn mass_da(seq: &[u8]) -> Option<f64> {
    let residues = canonical(seq);
    let bonds = residues.len().checked_sub(1)?;
    let mut counts = [0u64; 26];
    for residue in residues.iter() {
        let letter = residue.wrapping_sub(b'A');
        *counts.get_mut(usize::from(letter))? += 1;
    }
    let mut mass = -(bonds as f64) * WATER;
    for (letter, count) in (b'A'..=b'Z').zip(counts) {
        if count > 0 {
            mass += count as f64 * residue_mass(letter)?;
        }
    }
    Some(mass)
}

/// Average mass of a free amino acid in dalton.
const fn residue_mass(letter: u8) -> Option<f64> {
    Some(match letter {
        b'A' => 89.0932,
        b'C' => 121.1582,
        b'D' => 133.1027,
        b'E' => 147.1293,
        b'F' => 165.1891,
        b'G' => 75.0666,
        b'H' => 155.1546,
        b'I' => 131.1729,
        b'K' => 146.1876,
        b'L' => 131.1729,
        b'M' => 149.2113,
        b'N' => 132.1179,
        b'O' => 255.3134,
        b'P' => 115.1305,
        b'Q' => 146.1445,
        b'R' => 174.201,
        b'S' => 105.0926,
        b'T' => 119.1192,
        b'U' => 168.0532,
        b'V' => 117.1463,
        b'W' => 204.2252,
        b'Y' => 181.1885,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_agree_with_biopython() {
        let vh = b"EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
        let vl = b"DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";
        for (seq, expected) in [
            (vh.as_slice(), 13164.5278),
            (vl.as_slice(), 11695.9259),
            (b"UO", 405.3513),
        ] {
            let relative = mass_da(seq).map_or(1.0, |mass| (mass / expected - 1.0).abs());
            assert!(relative < 1e-9, "{relative}");
        }
    }

    #[test]
    fn an_unknown_residue_has_no_mass() {
        for seq in [
            b"".as_slice(),
            b"EVX",
            b"EVB",
            b"EVZ",
            b"EVJ",
            b"E*V",
            b"EV1",
            b"\xff",
        ] {
            assert_eq!(mass_da(seq), None, "{}", String::from_utf8_lossy(seq));
        }
        assert_eq!(mass_da(b"e-v *"), mass_da(b"EV"));
    }
}
