//! Accuracy on real sequences, which stay outside the project: the folder that `PARATOPE_CORPUS` names.
//!
//! Without it the tests say that they were skipped. Floors are what was measured, so that a change for the worse shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // tests report what they measured

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use antibody::{
    Chain, Compared, Definition, Locus, Region, Scheme, VDomain, first_v_domain, identity,
    liabilities, numberer, passes, regions, v_domains,
};

/// A file of the corpus, decompressed; `None` (said on stderr) without a corpus.
fn corpus(path: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("PARATOPE_CORPUS") else {
        eprintln!("skipped: PARATOPE_CORPUS is not set");
        return None;
    };
    let path = PathBuf::from(folder).join(path);
    let bytes = std::fs::read(&path).expect("a file of the corpus");
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    Some(text)
}

/// The records of a FASTA file.
fn fasta(text: &str) -> Vec<(&str, String)> {
    let mut records: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('>') {
            Some(header) => records.push((header, String::new())),
            None => records.last_mut().unwrap().1.push_str(line.trim()),
        }
    }
    records
}

/// Chains numbered exactly as in a truth table, and chains in it.
fn agreement(text: &str, chain: Chain) -> (usize, usize) {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (mut equal, mut all) = (0, 0);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let expected: Vec<(String, String)> = columns[3..]
            .iter()
            .zip(&fields[3..])
            .filter(|(_, residue)| !residue.is_empty())
            .map(|(position, residue)| ((*position).to_owned(), (*residue).to_owned()))
            .collect();
        let seq = fields[1].as_bytes();
        all += 1;
        let Ok(numbering) = numberer().number(seq, Scheme::Imgt) else {
            eprintln!("not numbered: {}", fields[0]);
            continue;
        };
        let ours: Vec<(String, String)> = numbering
            .residues(seq)
            .map(|(position, residue)| (position.to_string(), char::from(residue).to_string()))
            .collect();
        if numbering.locus.chain() != chain {
            eprintln!("{} is {}", fields[0], numbering.locus);
        } else if ours == expected {
            equal += 1;
        }
    }
    (equal, all)
}

#[test]
fn imgt_numbering_agrees_with_anarci_and_antpack() {
    for (file, chain, floor) in [
        ("numbering/ab_H_imgt.csv", Chain::Heavy, 2449),
        ("numbering/ab_K_imgt.csv", Chain::Light, 1481),
        ("numbering/ab_L_imgt.csv", Chain::Light, 369),
    ] {
        let Some(text) = corpus(file) else { return };
        let (equal, all) = agreement(&text, chain);
        eprintln!("{file}: {equal} of {all} numbered identically");
        assert!(equal >= floor, "{file}: {equal} of {all}");
    }
}

#[test]
fn fixed_columns_and_residues_without_one_are_the_whole_domain() {
    let (mut all, mut spilled) = (0, 0);
    for file in ["ab_H_imgt.csv", "ab_K_imgt.csv", "ab_L_imgt.csv"] {
        let Some(text) = corpus(&format!("numbering/{file}")) else {
            return;
        };
        for line in text.lines().skip(1) {
            let seq = line.split(',').nth(1).unwrap().as_bytes();
            let Ok(domain) = first_v_domain(seq) else {
                continue;
            };
            let aligned = domain.aligned(seq);
            let placed = aligned.text.bytes().filter(|residue| *residue != b'-');
            let residues = domain.v_domain_aa(seq).len();
            assert_eq!(placed.count() + aligned.unplaced.len(), residues, "{line}");
            assert_eq!(
                identity(seq, seq, Compared::V).unwrap(),
                Some(1.0 - unknown(&domain.v_domain_aa(seq)) / residues as f64),
                "{line}"
            );
            let found = liabilities(seq).unwrap();
            assert!(found.iter().all(|liability| {
                let motif = &seq[liability.index - 1..][..liability.motif.len()];
                motif.eq_ignore_ascii_case(liability.motif.as_bytes())
            }));
            all += 1;
            spilled += usize::from(!aligned.unplaced.is_empty());
        }
    }
    eprintln!("{spilled} of {all} domains have residues without a column");
    assert!(all > 4_000 && spilled * 50 < all, "{spilled} of {all}");
}

/// How many residues are `X`.
fn unknown(residues: &str) -> f64 {
    residues.matches('X').count() as f64
}

#[test]
fn repertoire_reads_have_the_locus_that_their_header_says() {
    let Some(text) = corpus("fasta/SRR_HKL_10k.fasta.gz") else {
        return;
    };
    let records = fasta(&text);
    let (start, passes_before) = (Instant::now(), passes());
    let (mut right, mut whole) = (0, 0);
    let mut wrong: HashMap<String, usize> = HashMap::new();
    for (header, seq) in &records {
        let expected = match header.rsplit('|').next() {
            Some("H") => Locus::Igh,
            Some("K") => Locus::Igk,
            _ => Locus::Igl,
        };
        match v_domains(seq.as_bytes()) {
            Ok(domains) if domains.len() == 1 && domains[0].locus() == expected => {
                right += 1;
                whole += usize::from(domains[0].region(seq.as_bytes(), Region::Cdr3).is_some());
            }
            Ok(domains) => {
                *wrong
                    .entry(format!("{expected}: {:?}", loci(&domains)))
                    .or_default() += 1
            }
            Err(error) => *wrong.entry(format!("{expected}: {error}")).or_default() += 1,
        }
    }
    let all = records.len();
    let rate = all as f64 / start.elapsed().as_secs_f64();
    let cost = (passes() - passes_before) as f64 / all as f64;
    eprintln!(
        "{right} of {all} right, {whole} with a CDR3; {rate:.0} sequences/s, {cost:.3} alignments each; else {wrong:?}"
    );
    assert!(right >= 9_998, "{wrong:?}");
    assert!(whole >= 9_997);
    assert!(cost < 1.1);
}

/// The loci of domains in order.
fn loci(domains: &[VDomain]) -> Vec<&'static str> {
    domains
        .iter()
        .map(|domain| domain.locus().as_str())
        .collect()
}

#[test]
fn full_length_chains_of_the_pdb_have_one_v_domain_unless_they_are_single_chain_constructs() {
    let Some(text) = corpus("fasta/pdb_sequences.fa.txt.gz") else {
        return;
    };
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut mistaken = Vec::new();
    let mut unnumbered = Vec::new();
    for (header, seq) in fasta(&text) {
        let name = header.to_lowercase();
        match v_domains(seq.as_bytes()) {
            Ok(domains) => {
                *counts.entry(domains.len()).or_default() += 1;
                let is_antibody = domains[0].locus().is_antibody();
                let says_receptor = name.contains("cell receptor") || name.contains("tcr");
                let says_antibody = name.contains("fab") || name.contains("antibody");
                if (is_antibody && says_receptor && !says_antibody)
                    || (!is_antibody && says_antibody && !says_receptor)
                {
                    mistaken.push(format!("{header} {:?}", loci(&domains)));
                }
                if domains.len() == 2 && seq.len() < 200 || domains.len() > 2 {
                    mistaken.push(format!("{header} {:?}", loci(&domains)));
                }
            }
            Err(error) => unnumbered.push(format!("{header}: {error}")),
        }
    }
    eprintln!(
        "V domains a chain: {counts:?}; {} without",
        unnumbered.len()
    );
    assert!(mistaken.is_empty(), "{mistaken:#?}");
    let antibodies_lost = unnumbered.iter().filter(|name| name.contains("antibody"));
    assert_eq!(antibodies_lost.count(), 0, "{unnumbered:#?}");
    assert!(unnumbered.len() <= 24, "{unnumbered:#?}");
}

/// SAbDab and AbNumber give North's CDRs in Chothia's numbers; ours are written in AHo's.
#[test]
fn the_cdrs_of_north_are_the_same_by_two_numberings() {
    const HEAVY: [(u16, u16); 3] = [(23, 35), (50, 58), (93, 102)];
    const LIGHT: [(u16, u16); 3] = [(24, 34), (49, 56), (89, 97)];
    let mut compared = 0;
    for file in ["H", "K", "L"] {
        let Some(text) = corpus(&format!("numbering/ab_{file}_imgt.csv")) else {
            return;
        };
        for line in text.lines().skip(1) {
            let seq = line.split(',').nth(1).unwrap().as_bytes();
            let (Ok(chothia), Ok(north)) = (
                numberer().number(seq, Scheme::Chothia),
                regions(seq, Definition::North),
            ) else {
                continue;
            };
            let spans = match chothia.locus.chain() {
                Chain::Heavy => HEAVY,
                _ => LIGHT,
            };
            for (index, (first, last)) in spans.into_iter().enumerate() {
                // Without a CDR that the sequence does not hold whole.
                let Some(cdr) = &north.sequences[2 * index + 1] else {
                    continue;
                };
                let residues = chothia.residues(seq);
                let within =
                    residues.filter(|(position, _)| (first..=last).contains(&position.number));
                let expected: String = within.map(|(_, residue)| char::from(residue)).collect();
                assert_eq!(*cdr, expected, "{line:.20}");
                compared += 1;
            }
        }
    }
    assert!(compared > 12_000, "{compared} CDRs");
}
