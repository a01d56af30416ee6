//! Nucleotides: translation, reverse complement, and the reading that yields a V domain.

use std::sync::LazyLock;

pub use crate::reading::{MAX_NUCLEOTIDES, Reading, best_reading, best_readings};

/// The standard genetic code (NCBI table 1), bases in the order T, C, A, G.
const GENETIC_CODE: &[u8; 64] = b"FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";

/// A gap among nucleotides.
const GAP: u8 = 0x10;
/// A byte that is no nucleotide.
const UNKNOWN: u8 = 0x0f;

/// Translates from `frame` 1, 2 or 3 (any other frame gives an empty string), by the standard genetic code.
///
/// A codon with IUPAC ambiguity codes is translated if all codons it stands for agree (`GCN` is `A`, `TAR` is `*`), else it
/// is `X`. Stops are `*`. White space is skipped; a codon of three gaps (`-` or `.`) is `-`, one with some gaps `X`, as are
/// codons with bytes that are no nucleotides. `U` is `T`, either case is read, and an incomplete last codon is dropped.
pub fn translate(seq: &[u8], frame: usize) -> String {
    let offset = match frame {
        1..=3 => frame - 1,
        _ => return String::new(),
    };
    let bases: Vec<u8> = bases(seq);
    codons(bases.get(offset..).unwrap_or_default())
        .map(char::from)
        .collect()
}

/// The reverse complement: IUPAC codes complemented, case kept. `T` and `U` both complement to `A`; `A` complements to `U`
/// in a sequence that has `U` and no `T`, else to `T`. Bytes that are no nucleotides (gaps, white space) stay themselves.
pub fn reverse_complement(seq: &[u8]) -> Vec<u8> {
    let has = |letter: u8| seq.iter().any(|byte| byte.eq_ignore_ascii_case(&letter));
    let is_rna = has(b'U') && !has(b'T');
    seq.iter()
        .rev()
        .map(|byte| complement(*byte, is_rna))
        .collect()
}

/// Whether a sequence is nucleotides rather than amino acids.
///
/// True if every letter is an IUPAC nucleotide code, at least 90 % of them are `A`, `C`, `G`, `T`, `U` or `N`, and there is
/// at least one; gaps, white space and a final `*` are not counted. A protein of that composition is not known.
pub fn looks_like_nucleotides(seq: &[u8]) -> bool {
    let (mut letters, mut plain) = (0usize, 0usize);
    for byte in seq {
        match byte.to_ascii_uppercase() {
            b'A' | b'C' | b'G' | b'T' | b'U' | b'N' => {
                letters += 1;
                plain += 1;
            }
            b'R' | b'Y' | b'S' | b'W' | b'K' | b'M' | b'B' | b'D' | b'H' | b'V' => letters += 1,
            b'-' | b'.' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => return false,
        }
    }
    letters > 0 && plain * 10 >= letters * 9
}

/// Each nucleotide as the set of bases it stands for (T = 1, C = 2, A = 4, G = 8), without white space.
pub(crate) fn bases(seq: &[u8]) -> Vec<u8> {
    seq.iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| base_set(*byte))
        .collect()
}

/// The other strand of [`bases`].
pub(crate) fn reverse_complement_bases(bases: &[u8]) -> Vec<u8> {
    bases
        .iter()
        .rev()
        .map(|set| {
            let (t, c, a, g) = (set & 1, set >> 1 & 1, set >> 2 & 1, set >> 3 & 1);
            set & GAP | a | g << 1 | t << 2 | c << 3
        })
        .collect()
}

/// The residues of complete codons.
pub(crate) fn codons(bases: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bases
        .chunks_exact(3)
        .map(|codon| match (codon[0], codon[1], codon[2]) {
            (GAP, GAP, GAP) => b'-',
            (a, b, c) if (a | b | c) & GAP != 0 => b'X',
            (a, b, c) => RESIDUES[usize::from(a) << 8 | usize::from(b) << 4 | usize::from(c)],
        })
}

/// The residue of each of the 4,096 codons of base sets.
static RESIDUES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..4096usize)
        .map(|sets| {
            let members =
                |shift: usize| (0..4usize).filter(move |base| sets >> shift >> base & 1 == 1);
            let mut residues = members(8).flat_map(|a| {
                members(4)
                    .flat_map(move |b| members(0).map(move |c| GENETIC_CODE[a * 16 + b * 4 + c]))
            });
            match residues.next() {
                Some(first) if residues.all(|residue| residue == first) => first,
                _ => b'X',
            }
        })
        .collect()
});

const fn base_set(byte: u8) -> u8 {
    const T: u8 = 1;
    const C: u8 = 2;
    const A: u8 = 4;
    const G: u8 = 8;
    match byte.to_ascii_uppercase() {
        b'T' | b'U' => T,
        b'C' => C,
        b'A' => A,
        b'G' => G,
        b'R' => A | G,
        b'Y' => C | T,
        b'S' => C | G,
        b'W' => A | T,
        b'K' => G | T,
        b'M' => A | C,
        b'B' => C | G | T,
        b'D' => A | G | T,
        b'H' => A | C | T,
        b'V' => A | C | G,
        b'-' | b'.' => GAP,
        _ => UNKNOWN,
    }
}

const fn complement(byte: u8, is_rna: bool) -> u8 {
    let upper = match byte.to_ascii_uppercase() {
        b'A' if is_rna => b'U',
        b'A' => b'T',
        b'T' | b'U' => b'A',
        b'C' => b'G',
        b'G' => b'C',
        b'R' => b'Y',
        b'Y' => b'R',
        b'K' => b'M',
        b'M' => b'K',
        b'B' => b'V',
        b'V' => b'B',
        b'D' => b'H',
        b'H' => b'D',
        _ => return byte,
    };
    if byte.is_ascii_lowercase() {
        upper.to_ascii_lowercase()
    } else {
        upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codons_are_read_in_each_frame() {
        assert_eq!(translate(b"ATGGCCTAA", 1), "MA*");
        assert_eq!(translate(b"ATGGCCTAA", 2), "WP");
        assert_eq!(translate(b"ATGGCCTAA", 3), "GL");
        assert_eq!(translate(b"augGCCuaa", 1), "MA*");
        assert_eq!(translate(b"AT", 1), "");
        assert_eq!(translate(b"", 3), "");
        assert_eq!(translate(b"ATGGCC", 0), "");
        assert_eq!(translate(b"ATGGCC", 4), "");
    }

    #[test]
    fn an_ambiguous_codon_is_x_unless_its_codons_agree() {
        assert_eq!(translate(b"GCNTARRAYATHNNNMGR", 1), "A*XIXR");
        assert_eq!(translate(b"GC1", 1), "A");
        assert_eq!(translate(b"1GC", 1), "X");
    }

    #[test]
    fn gaps_are_kept_by_codon_and_white_space_is_skipped() {
        assert_eq!(translate(b"ATG...GC-GCC", 1), "M-XA");
        assert_eq!(translate(b"AT GG\nCC", 1), "MA");
    }

    #[test]
    fn the_reverse_complement_keeps_case_and_knows_rna() {
        assert_eq!(
            reverse_complement(b"ATGCrykmbvdhSWNn-"),
            b"-nNWSdhbvkmryGCAT"
        );
        assert_eq!(reverse_complement(b"AUGC"), b"GCAU");
        assert_eq!(reverse_complement(b"AUTC"), b"GAAT");
        assert_eq!(reverse_complement(b""), b"");
    }

    #[test]
    fn the_reverse_complement_of_base_sets_is_that_of_letters() {
        let seq = b"ACGTURYSWKMBDHVN-";
        assert_eq!(
            reverse_complement_bases(&bases(seq)),
            bases(&reverse_complement(seq))
        );
    }

    #[test]
    fn nucleotides_are_told_from_amino_acids() {
        for yes in [b"ACGT".as_slice(), b"acgu nnn", b"ACGTACGTAR", b"ATG---"] {
            assert!(
                looks_like_nucleotides(yes),
                "{}",
                String::from_utf8_lossy(yes)
            );
        }
        for no in [
            b"".as_slice(),
            b"EVQLVESGG",
            b"GASTKNVD",
            b"ATG*",
            b"---",
            b"\xff",
        ] {
            assert!(
                !looks_like_nucleotides(no),
                "{}",
                String::from_utf8_lossy(no)
            );
        }
    }
}
