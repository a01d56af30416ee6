//! The kernel against immunum 2.0, whose profiles it uses, on every sequence of the corpus; and against itself, screened.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests report what they measured

mod corpus;

use antibody::{Ask, Domains, Locus, Position, Scheme, number_batch};
use immunum::{Annotator, Chain};

fn chain(locus: Locus) -> Chain {
    match locus {
        Locus::Igh => Chain::IGH,
        Locus::Igk => Chain::IGK,
        Locus::Igl => Chain::IGL,
        Locus::Tra => Chain::TRA,
        Locus::Trb => Chain::TRB,
        Locus::Trg => Chain::TRG,
        Locus::Trd => Chain::TRD,
    }
}

/// Chains whose Kabat positions come out otherwise than immunum's. It counts a loop's residues where they were aligned; we
/// convert IMGT's positions, among which 105 and 117 are filled first (Lefranc et al. 2003): a CDR3 of three residues is 105,
/// 106 and 117, which in Kabat are 93, 94 and 102.
const KABAT_FROM_IMGT: [&str; 3] = [
    "fasta/pdb_sequences.fa.txt.gz 2h3n_A",
    "fasta/pdb_sequences.fa.txt.gz 2h3n_C",
    "fasta/100_seqs.fa sequence4",
];

/// Chains that are numbered otherwise than by immunum, and why: `framework4` is found behind a CDR3 too long for the alignment, or
/// before a linker that the alignment has run into (Wang et al. 2013, Cell 153:1379; `src/reach.rs`); `loop` residues are inserted
/// in the turn of framework 3 rather than pushed into CDR2 (Wu et al. 2011, Science 333:1593; `src/profile.rs`).
const CORRECTED: &str = include_str!("../../../tests/data/numbering_corrected.tsv");

/// Why a sequence is numbered otherwise, if it is.
fn corrected(name: &str) -> Option<&'static str> {
    let id: Vec<&str> = name.split_whitespace().take(2).collect();
    let id = id.join(" ");
    let mut lines = CORRECTED
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'));
    lines.find(|(known, _)| *known == id).map(|(_, why)| why)
}

/// The exact mode's domains.
fn exact(sequences: &[(String, String)]) -> Domains {
    let seqs: Vec<&[u8]> = sequences.iter().map(|(_, seq)| seq.as_bytes()).collect();
    number_batch(
        &seqs,
        Ask {
            exact: true,
            ..Ask::default()
        },
    )
}

/// A domain as text: chain, span, positions.
fn described(chain: Chain, span: (usize, usize), positions: &[String]) -> String {
    format!("{chain} {}-{} {}", span.0, span.1, positions.join(" "))
}

fn texts(positions: &[Position]) -> Vec<String> {
    positions.iter().map(ToString::to_string).collect()
}

#[test]
fn the_exact_mode_gives_immunums_chain_span_positions_and_insertions() {
    let Some(sequences) = corpus::sequences() else {
        return;
    };
    let domains = exact(&sequences);
    let chains = Locus::ALL.map(chain);
    let annotator = Annotator::new(&chains, immunum::Scheme::IMGT, Some(0.5)).unwrap();
    let (mut equal, mut corrections, mut different) = (0, 0, Vec::new());
    for (index, (name, seq)) in sequences.iter().enumerate() {
        let theirs: Vec<String> = annotator
            .number_domains(seq)
            .unwrap_or_default()
            .iter()
            .filter(|domain| domain.positions.len() >= antibody::MIN_RESIDUES)
            .map(|domain| {
                let positions: Vec<String> =
                    domain.positions.iter().map(ToString::to_string).collect();
                described(
                    domain.chain,
                    (domain.query_start + 1, domain.query_end + 1),
                    &positions,
                )
            })
            .collect();
        let ours: Vec<String> = domains
            .of(index)
            // Immunum refuses what has less; these domains are held to be V domains for their anchors.
            .filter(|domain| domains.confidences[*domain] >= 0.5)
            .map(|domain| {
                let numbering = domains.numbering(domain, Scheme::Imgt).unwrap();
                let span = (numbering.start, numbering.end);
                described(chain(numbering.locus), span, &texts(&numbering.positions))
            })
            .collect();
        let is_as_expected = match corrected(name) {
            None => ours == theirs,
            // The conserved residues of framework 4, or the loop, are where they belong, and not so in immunum.
            Some("framework4") => {
                let motif = |domain: usize| {
                    let found = domains.numbering(domain, Scheme::Imgt).unwrap();
                    let at = |number, letters: &[u8]| {
                        found.residues(seq.as_bytes()).any(|(p, residue)| {
                            p == Position::new(number) && letters.contains(&residue)
                        })
                    };
                    at(104, b"C") && at(118, b"FW") && at(119, b"G") && at(121, b"G")
                };
                corrections += 1;
                ours != theirs && domains.of(index).all(motif)
            }
            Some(_) => {
                let has_loop = |text: &String| text.contains(" 85A ");
                corrections += 1;
                ours.iter().any(has_loop) && !theirs.iter().any(has_loop)
            }
        };
        if is_as_expected {
            equal += usize::from(ours == theirs);
        } else {
            different.push(format!("{name}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    eprintln!("{corrections} corrected");
    assert_eq!(corrections, CORRECTED.lines().count() - 1);
    eprintln!("{equal} of {} sequences equal", sequences.len());
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn the_screen_changes_no_answer() {
    let Some(sequences) = corpus::sequences() else {
        return;
    };
    let exact = exact(&sequences);
    let seqs: Vec<&[u8]> = sequences.iter().map(|(_, seq)| seq.as_bytes()).collect();
    let screened = number_batch(&seqs, Ask::default());
    let mut different = Vec::new();
    for (index, (name, _)) in sequences.iter().enumerate() {
        let of = |domains: &Domains| -> Vec<_> {
            domains
                .of(index)
                .map(|domain| domains.numbering(domain, Scheme::Imgt))
                .collect()
        };
        if of(&exact) != of(&screened) || exact.errors[index] != screened.errors[index] {
            different.push(format!("{name} {:?} {:?}", of(&exact), of(&screened)));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn other_schemes_from_imgt_are_immunums_except_lambda_106a() {
    let Some(sequences) = corpus::sequences() else {
        return;
    };
    let domains = exact(&sequences);
    for (scheme, theirs) in [
        (Scheme::Kabat, immunum::Scheme::Kabat),
        (Scheme::Chothia, immunum::Scheme::Chothia),
        (Scheme::Martin, immunum::Scheme::Martin),
        (Scheme::Aho, immunum::Scheme::Aho),
    ] {
        let loci = [Chain::IGH, Chain::IGK, Chain::IGL];
        let annotator = Annotator::new(&loci, theirs, Some(0.5)).unwrap();
        let (mut equal, mut different) = (0, Vec::new());
        for (index, (name, seq)) in sequences.iter().enumerate() {
            let Some(domain) = domains
                .of(index)
                .next()
                .filter(|_| domains.of(index).len() == 1)
            else {
                continue;
            };
            if !domains.loci[domain].is_antibody()
                || domains.confidences[domain] < 0.5
                || corrected(name).is_some()
            {
                continue;
            }
            let Ok(numbering) = domains.numbering(domain, scheme) else {
                continue;
            };
            let theirs = annotator.number(seq).unwrap();
            let mut expected: Vec<String> =
                theirs.positions.iter().map(ToString::to_string).collect();
            if theirs.chain == Chain::IGL
                && scheme != Scheme::Aho
                && expected.last().is_some_and(|last| last == "107")
            {
                expected.pop();
                expected.push("106A".to_owned());
            }
            let is_known = scheme == Scheme::Kabat
                && KABAT_FROM_IMGT.iter().any(|known| {
                    name.strip_prefix(known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                });
            if (texts(&numbering.positions) == expected) != is_known {
                equal += 1;
            } else {
                different.push(format!(
                    "{name}\n  {:?}\n  {expected:?}",
                    texts(&numbering.positions)
                ));
            }
        }
        eprintln!("{scheme}: {equal} equal, {} different", different.len());
        assert!(
            different.is_empty(),
            "{scheme} {}:\n{}",
            different.len(),
            different.join("\n")
        );
    }
}
