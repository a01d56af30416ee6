//! Small, seeded sets of antibody chains: V domains of approved therapeutics (public facts) with a
//! random CDR3 each, so that every record is a real V domain and no two are equal.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// A V domain cut at its CDR3.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Therapeutic it is taken from.
    pub name: &'static str,
    /// AIRR locus.
    pub locus: &'static str,
    /// V gene nearest to it.
    pub v_call: &'static str,
    /// J gene nearest to it.
    pub j_call: &'static str,
    /// FWR1 to the conserved C104.
    pub before: &'static str,
    /// Its own CDR3 (IMGT 105-117).
    pub cdr3_aa: &'static str,
    /// From W/F118 to the end of FWR4.
    pub after: &'static str,
}

impl Template {
    /// The V domain as it is.
    pub fn v_domain_aa(&self) -> String {
        format!("{}{}{}", self.before, self.cdr3_aa, self.after)
    }
}

/// Trastuzumab, adalimumab, pembrolizumab, avelumab.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "trastuzumab VH",
        locus: "IGH",
        v_call: "IGHV3-66*01",
        j_call: "IGHJ4*01",
        before: "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC",
        cdr3_aa: "SRWGGDGFYAMDY",
        after: "WGQGTLVTVSS",
    },
    Template {
        name: "adalimumab VH",
        locus: "IGH",
        v_call: "IGHV3-9*01",
        j_call: "IGHJ4*01",
        before: "EVQLVESGGGLVQPGRSLRLSCAASGFTFDDYAMHWVRQAPGKGLEWVSAITWNSGHIDYADSVEGRFTISRDNAKNSLYLQMNSLRAEDTAVYYC",
        cdr3_aa: "AKVSYLSTASSLDY",
        after: "WGQGTLVTVSS",
    },
    Template {
        name: "pembrolizumab VH",
        locus: "IGH",
        v_call: "IGHV1-2*02",
        j_call: "IGHJ6*01",
        before: "QVQLVQSGVEVKKPGASVKVSCKASGYTFTNYYMYWVRQAPGQGLEWMGGINPSNGGTNFNEKFKNRVTLTTDSSTTTAYMELKSLQFDDTAVYYC",
        cdr3_aa: "ARRDYRFDMGFDY",
        after: "WGQGTTVTVSS",
    },
    Template {
        name: "trastuzumab VL",
        locus: "IGK",
        v_call: "IGKV1-39*01",
        j_call: "IGKJ1*01",
        before: "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYC",
        cdr3_aa: "QQHYTTPPT",
        after: "FGQGTKVEIK",
    },
    Template {
        name: "adalimumab VL",
        locus: "IGK",
        v_call: "IGKV1-27*01",
        j_call: "IGKJ2*01",
        before: "DIQMTQSPSSLSASVGDRVTITCRASQGIRNYLAWYQQKPGKAPKLLIYAASTLQSGVPSRFSGSGSGTDFTLTISSLQPEDVATYYC",
        cdr3_aa: "QRYNRAPYT",
        after: "FGQGTKVEIK",
    },
    Template {
        name: "avelumab VL",
        locus: "IGL",
        v_call: "IGLV2-14*01",
        j_call: "IGLJ1*01",
        before: "QSALTQPASVSGSPGQSITISCTGTSSDVGGYNYVSWYQQHPGKAPKLMIYDVSNRPSGVSNRFSGSKSGNTASLTISGLQAEDEADYYC",
        cdr3_aa: "SSYTSSSTRV",
        after: "FGTGTKVTVL",
    },
];

/// Trastuzumab's heavy V domain.
pub fn trastuzumab_vh() -> String {
    TEMPLATES[0].v_domain_aa()
}

/// Trastuzumab's light V domain.
pub fn trastuzumab_vl() -> String {
    TEMPLATES[3].v_domain_aa()
}

/// A chain record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Unique within a set: its prefix and a number.
    pub id: String,
    /// AIRR locus.
    pub locus: &'static str,
    /// V gene with allele.
    pub v_call: &'static str,
    /// J gene with allele.
    pub j_call: &'static str,
    /// V domain, amino acids.
    pub v_domain_aa: String,
    /// CDR3, amino acids.
    pub cdr3_aa: String,
}

impl Chain {
    /// `heavy` or `light`.
    pub fn chain(&self) -> &'static str {
        if self.locus == "IGH" {
            "heavy"
        } else {
            "light"
        }
    }

    /// Nucleotides that translate to the V domain, in frame 1.
    pub fn nucleotides(&self) -> String {
        back_translate(&self.v_domain_aa)
    }

    /// Junction (IMGT 104-118), amino acids.
    pub fn junction_aa(&self) -> String {
        let last = if self.locus == "IGH" { 'W' } else { 'F' };
        format!("C{}{last}", self.cdr3_aa)
    }

    /// The part of the V domain before the CDR3.
    pub fn before_cdr3(&self) -> &str {
        let end = self.v_domain_aa.len() - self.after_cdr3().len() - self.cdr3_aa.len();
        &self.v_domain_aa[..end]
    }

    /// FWR4.
    pub fn after_cdr3(&self) -> &str {
        let length = if self.locus == "IGH" { 11 } else { 10 };
        &self.v_domain_aa[self.v_domain_aa.len() - length..]
    }
}

/// `count` chains that depend on `seed` and `prefix` only.
pub fn chains(seed: u64, prefix: &str, count: usize) -> Vec<Chain> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|number| {
            let template = TEMPLATES.choose(&mut rng).expect("there are templates");
            let cdr3_aa = random_cdr3(&mut rng, template.locus);
            Chain {
                id: format!("{prefix}-{number:05}"),
                locus: template.locus,
                v_call: template.v_call,
                j_call: template.j_call,
                v_domain_aa: format!("{}{cdr3_aa}{}", template.before, template.after),
                cdr3_aa,
            }
        })
        .collect()
}

/// A CDR3 that keeps the residues every numbering program looks for at both ends.
fn random_cdr3(rng: &mut StdRng, locus: &str) -> String {
    const MIDDLE: &[u8] = b"ADEFGHIKLNPQRSTVY";
    let (start, length, end) = match locus {
        "IGH" => ("AR", rng.random_range(7..=11), "DY"),
        "IGK" => ("QQ", 4, "PLT"),
        _ => ("SS", 5, "TRV"),
    };
    let middle = (0..length).map(|_| char::from(*MIDDLE.choose(rng).expect("residues")));
    format!("{start}{}{end}", middle.collect::<String>())
}

/// One codon for each residue.
pub fn back_translate(sequence_aa: &str) -> String {
    sequence_aa.chars().map(codon).collect()
}

fn codon(residue: char) -> &'static str {
    match residue {
        'A' => "GCC",
        'C' => "TGT",
        'D' => "GAC",
        'E' => "GAG",
        'F' => "TTC",
        'G' => "GGC",
        'H' => "CAC",
        'I' => "ATC",
        'K' => "AAG",
        'L' => "CTG",
        'M' => "ATG",
        'N' => "AAC",
        'P' => "CCC",
        'Q' => "CAG",
        'R' => "CGC",
        'S' => "AGC",
        'T' => "ACC",
        'V' => "GTG",
        'W' => "TGG",
        'Y' => "TAC",
        other => panic!("{other} has no codon"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_chains_and_another_gives_others() {
        assert_eq!(chains(7, "a", 50), chains(7, "a", 50));
        assert_ne!(chains(7, "a", 50), chains(8, "a", 50));
    }

    #[test]
    fn ids_and_heavy_chains_are_unique_and_all_loci_occur() {
        let set = chains(1, "x", 500);
        let ids: HashSet<_> = set.iter().map(|chain| &chain.id).collect();
        let heavy: Vec<_> = set.iter().filter(|chain| chain.locus == "IGH").collect();
        let distinct: HashSet<_> = heavy.iter().map(|chain| &chain.v_domain_aa).collect();
        let loci: HashSet<_> = set.iter().map(|chain| chain.locus).collect();
        assert_eq!(ids.len(), 500);
        assert_eq!(distinct.len(), heavy.len());
        assert_eq!(loci.len(), 3);
    }

    #[test]
    fn a_chain_is_the_sum_of_its_parts() {
        for chain in chains(3, "x", 100) {
            let joined = format!(
                "{}{}{}",
                chain.before_cdr3(),
                chain.cdr3_aa,
                chain.after_cdr3()
            );
            assert_eq!(joined, chain.v_domain_aa);
            assert_eq!(chain.nucleotides().len(), 3 * chain.v_domain_aa.len());
            assert!(chain.before_cdr3().ends_with('C'));
        }
    }
}
