//! The names of germline genes and loci that sources use. Ours are read by [`antibody::gene`](udfs::antibody::gene), as
//! `ab_gene` reads them, so that a stored `v_gene` and a computed one cannot differ.

use udfs::antibody::Locus;
pub use udfs::antibody::gene::{Segment, gene, locus, segment};

/// The locus of AIRR's word (`IGH`) in any case, or of the short words that headers use (`H`, `kappa`).
pub fn locus_of_word(word: &str) -> Option<Locus> {
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "IGH" | "H" => Locus::Igh,
        "IGK" | "K" | "KAPPA" => Locus::Igk,
        "IGL" | "L" | "LAMBDA" => Locus::Igl,
        "TRA" | "A" | "ALPHA" => Locus::Tra,
        "TRB" | "B" | "BETA" => Locus::Trb,
        "TRG" | "G" | "GAMMA" => Locus::Trg,
        "TRD" | "D" | "DELTA" => Locus::Trd,
        _ => return None,
    })
}
