//! Sequence liabilities of a V domain: motifs that are known to be modified, cut or bound by something else.
//!
//! | kind | motif | in a CDR | in a framework | source |
//! |---|---|---|---|---|
//! | `n_glycosylation` | `N[^P][ST]` | high | high | Gavel & von Heijne 1990, Protein Eng 3:433 |
//! | `deamidation` | `NG`; `NS`, `NT`; `NN`, `NH` | high; medium; low | medium; low; low | Robinson & Robinson 2001, PNAS 98:4367; Sydow et al. 2014, PLoS ONE 9:e100736 |
//! | `isomerization` | `DG`; `DS`; `DT`, `DD`, `DH` | high; medium; low | medium; low; low | Sydow et al. 2014, PLoS ONE 9:e100736 |
//! | `fragmentation` | `DP` | medium | low | Vlasak & Ionescu 2011, mAbs 3:253 |
//! | `oxidation` | `M`, `W` | medium | not reported | Xu et al. 2019, mAbs 11:239 |
//! | `free_cysteine` | `C` | high or medium | high or medium | Zhang & Czupryn 2002, Biotechnol Prog 18:509 |
//! | `n_terminal_cyclization` | first `Q`; first `E` | | medium; low | Beck & Liu 2019, Antibodies 8:18; Chelius et al. 2006, Anal Chem 78:2370 |
//! | `integrin_binding` | `RGD`, `RYD`, `KGD`, `LDV`, `NGR` | medium | low | Ruoslahti 1996, Annu Rev Cell Dev Biol 12:697; Taub et al. 1989, J Biol Chem 264:259 (RYD); Scarborough et al. 1991, J Biol Chem 266:9359 (KGD); Wayner et al. 1992, J Cell Biol 116:489 (LDV); Curnis et al. 2006, J Biol Chem 281:36466 (NGR) |
//!
//! A cysteine is reported unless it is at 23 or 104 with its partner at the other; severity is high where the domain has an odd
//! number of cysteines (one must be free) and medium where they may pair. The sources say that a motif is at risk. The severities
//! are this crate's own ranks for sorting, not measurements: what a motif does depends on its surroundings, and motifs alone
//! predict too much (Satława et al. 2024, PLoS Comput Biol 20:e1011881).

use crate::error::NumberingError;
use crate::position::Position;
use crate::v_domain::{Region, VDomain, first_v_domain};

/// How much a liability counts; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Seldom a problem.
    Low,
    /// Worth a look.
    Medium,
    /// Usually engineered away.
    High,
}

impl Severity {
    /// The name in lower case: `low`, `medium`, `high`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }

    /// A rank lower; the lowest stays.
    const fn lowered(self) -> Self {
        match self {
            Severity::High => Severity::Medium,
            Severity::Medium | Severity::Low => Severity::Low,
        }
    }
}

/// A motif of a V domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liability {
    /// What may happen there, such as `deamidation`.
    pub kind: &'static str,
    /// The residues, such as `NG`.
    pub motif: String,
    /// IMGT position of the first of them.
    pub position: Position,
    /// IMGT region of the first of them.
    pub region: Region,
    /// 1-based index of the first of them in the given sequence.
    pub index: usize,
    /// How much it counts.
    pub severity: Severity,
}

/// The liabilities of the first V domain of a polypeptide, in the order of the chain. Motifs lie wholly within the domain and
/// may overlap; an unknown residue completes no motif but the middle of `N[^P][ST]`.
///
/// # Errors
/// Why the sequence cannot be numbered.
pub fn liabilities(seq: &[u8]) -> Result<Vec<Liability>, NumberingError> {
    let sites = sites(&first_v_domain(seq)?, seq);
    let mut found = Vec::new();
    for start in 0..sites.len() {
        let region = Region::of(sites[start].position);
        let mut report = |kind, length: usize, severity| {
            let residues = sites[start..start + length].iter().map(|site| site.residue);
            found.push(Liability {
                kind,
                motif: residues.map(char::from).collect(),
                position: sites[start].position,
                region,
                index: sites[start].index,
                severity,
            });
        };
        let ranked = |severity: Severity| {
            if region.is_cdr() {
                severity
            } else {
                severity.lowered()
            }
        };
        let residue = |offset: usize| sites.get(start + offset).map(|site| site.residue);
        let (first, second, third) = (sites[start].residue, residue(1), residue(2));
        if start == 0 {
            match first {
                b'Q' => report("n_terminal_cyclization", 1, Severity::Medium),
                b'E' => report("n_terminal_cyclization", 1, Severity::Low),
                _ => {}
            }
        }
        if first == b'N'
            && second.is_some_and(|next| next != b'P')
            && matches!(third, Some(b'S' | b'T'))
        {
            report("n_glycosylation", 3, Severity::High);
        }
        match (first, second) {
            (b'N', Some(b'G')) => report("deamidation", 2, ranked(Severity::High)),
            (b'N', Some(b'S' | b'T')) => report("deamidation", 2, ranked(Severity::Medium)),
            (b'N', Some(b'N' | b'H')) => report("deamidation", 2, Severity::Low),
            (b'D', Some(b'G')) => report("isomerization", 2, ranked(Severity::High)),
            (b'D', Some(b'S')) => report("isomerization", 2, ranked(Severity::Medium)),
            (b'D', Some(b'T' | b'D' | b'H')) => report("isomerization", 2, Severity::Low),
            (b'D', Some(b'P')) => report("fragmentation", 2, ranked(Severity::Medium)),
            (b'M' | b'W', _) if region.is_cdr() => report("oxidation", 1, Severity::Medium),
            _ => {}
        }
        if first == b'C'
            && let Some(severity) = unpaired(&sites, sites[start].position)
        {
            report("free_cysteine", 1, severity);
        }
        let triple = [Some(first), second, third].map(|residue| residue.unwrap_or(b'-'));
        if matches!(&triple, b"RGD" | b"RYD" | b"KGD" | b"LDV" | b"NGR") {
            report("integrin_binding", 3, ranked(Severity::Medium));
        }
    }
    Ok(found)
}

/// A residue of the domain.
struct Site {
    position: Position,
    residue: u8,
    index: usize,
}

fn sites(domain: &VDomain, seq: &[u8]) -> Vec<Site> {
    let indices = domain.numbering.indices(seq);
    indices
        .zip(domain.numbering.residues(seq))
        .map(|((position, index), (_, residue))| Site {
            position,
            residue,
            index,
        })
        .collect()
}

/// How much the cysteine at a position counts; `None` where its partner in the domain's conserved bond is there.
fn unpaired(sites: &[Site], position: Position) -> Option<Severity> {
    let is_cysteine_at = |number| {
        sites
            .iter()
            .any(|site| site.position == Position::new(number) && site.residue == b'C')
    };
    let partner = match position {
        Position {
            number: 23,
            insertion: None,
        } => Some(104),
        Position {
            number: 104,
            insertion: None,
        } => Some(23),
        _ => None,
    };
    if partner.is_some_and(is_cysteine_at) {
        return None;
    }
    let cysteines = sites.iter().filter(|site| site.residue == b'C').count();
    Some(if cysteines % 2 == 1 {
        Severity::High
    } else {
        Severity::Medium
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    /// `kind motif position region index severity`, one a liability.
    fn listed(seq: &str) -> Vec<String> {
        liabilities(seq.as_bytes())
            .unwrap()
            .iter()
            .map(|found| {
                let (region, severity) = (found.region.as_str(), found.severity.as_str());
                format!(
                    "{} {} {} {region} {} {severity}",
                    found.kind, found.motif, found.position, found.index
                )
            })
            .collect()
    }

    /// What a change of the domain adds.
    fn added(from: &str, to: &str) -> Vec<String> {
        let before = listed(VH);
        let mut after = listed(&VH.replacen(from, to, 1));
        after.retain(|found| !before.contains(found));
        after
    }

    #[test]
    fn trastuzumabs_heavy_chain_has_the_known_ones() {
        assert_eq!(
            listed(VH),
            [
                "n_terminal_cyclization E 1 fwr1 1 low",
                "isomerization DT 36 cdr1 31 low",
                "deamidation NG 62 cdr2 55 high",
                "isomerization DS 69 fwr3 62 low",
                "isomerization DT 81 fwr3 73 low",
                "deamidation NT 85 fwr3 77 low",
                "deamidation NS 92 fwr3 84 low",
                "isomerization DT 98 fwr3 90 low",
                "oxidation W 107 cdr3 99 medium",
                "isomerization DG 110 cdr3 102 high",
                "oxidation M 115 cdr3 107 medium",
            ]
        );
    }

    #[test]
    fn each_motif_is_found_and_its_near_misses_are_not() {
        assert_eq!(
            added("NIKDTY", "NISDPY"),
            [
                "n_glycosylation NIS 29 cdr1 28 high",
                "fragmentation DP 36 cdr1 31 medium"
            ]
        );
        assert_eq!(added("NIKDTY", "NPSKTY"), Vec::<String>::new());
        assert_eq!(
            added("GFNIKD", "GFRGDD"),
            [
                "integrin_binding RGD 29 cdr1 28 medium",
                "isomerization DD 35 cdr1 30 low"
            ]
        );
        assert_eq!(
            added("EVQLVES", "QVQLVES"),
            ["n_terminal_cyclization Q 1 fwr1 1 medium"]
        );
    }

    #[test]
    fn a_cysteine_without_a_partner_is_free() {
        assert_eq!(
            added("GFYAMDY", "GFCAMDY"),
            ["free_cysteine C 113 cdr3 105 high"]
        );
        assert_eq!(
            added("GFYAMDY", "CFCAMDY").len(),
            2,
            "two may pair with each other"
        );
        assert_eq!(
            added("SLRLSCAAS", "SLRLSAAAS"),
            ["free_cysteine C 104 fwr3 96 high"]
        );
    }

    #[test]
    fn indices_count_in_the_given_sequence() {
        let leader = format!("MKLAV{VH}NGS");
        let found = liabilities(leader.as_bytes()).unwrap();
        assert_eq!(found.len(), listed(VH).len(), "nothing outside the domain");
        assert_eq!(found[1].index, 36);
        assert!(liabilities(b"PEPTIDE").is_err());
    }
}
