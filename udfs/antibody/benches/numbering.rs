//! Numbering against the immunum crate, in the same run: `cargo bench -p antibody`, pinned to one core by the caller.
//!
//! Reads the corpus that `PARATOPE_CORPUS` names and prints a line of JSON a measurement: sequences a second (the best of some
//! runs), and how many times immunum's that is for the same loci and the same question.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)] // a benchmark prints what it measured

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use std::time::{Duration, Instant};

use antibody::{Ask, Locus, Position, Scheme, available_instructions, number_batch_with};
use immunum::{Annotator, Chain};

const ANTIBODY: [Locus; 3] = [Locus::Igh, Locus::Igk, Locus::Igl];
const CHAINS: [Chain; 7] = [
    Chain::IGH,
    Chain::IGK,
    Chain::IGL,
    Chain::TRA,
    Chain::TRB,
    Chain::TRG,
    Chain::TRD,
];

fn main() {
    // One set of instructions and one set of sequences may be named.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wants = |kind: &[&str], name: &str| {
        let mut of_kind = named
            .iter()
            .filter(|arg| kind.contains(&arg.as_str()))
            .peekable();
        of_kind.peek().is_none() || of_kind.any(|arg| arg == name)
    };
    for (set, copies) in [
        ("fasta/SRR_HKL_10k.fasta.gz", 20),
        ("fasta/pdb_sequences.fa.txt.gz", 4),
    ] {
        if !wants(
            &["SRR", "pdb"],
            if set.contains("SRR") { "SRR" } else { "pdb" },
        ) {
            continue;
        }
        let Some(text) = corpus::corpus(set) else {
            return;
        };
        let records: Vec<String> = corpus::fasta(&text)
            .into_iter()
            .map(|(_, seq)| seq)
            .collect();
        let seqs: Vec<&[u8]> = std::iter::repeat_n(&records, copies)
            .flatten()
            .map(String::as_bytes)
            .collect();
        for loci in [&ANTIBODY[..], &Locus::ALL[..]] {
            for first_only in [true, false] {
                let peer = immunum(&records, loci.len(), first_only);
                print(set, loci.len(), first_only, "immunum", "exact", peer, peer);
                for instructions in available_instructions() {
                    if !wants(&available_instructions(), instructions) {
                        continue;
                    }
                    for exact in [true, false] {
                        let ask = Ask {
                            loci,
                            first_only,
                            exact,
                        };
                        let mode = if exact { "exact" } else { "screened" };
                        let seqs = if instructions == "scalar" {
                            &seqs[..records.len() / 10]
                        } else {
                            &seqs
                        };
                        let rate = rate(seqs.len(), 5, || {
                            number_batch_with(instructions, seqs, ask).unwrap().len()
                        });
                        print(set, loci.len(), first_only, instructions, mode, rate, peer);
                    }
                }
            }
        }
    }
    positions();
}

/// How long this thread has run: on Linux by the scheduler's account, so that what else the core does does not count; elsewhere
/// by the clock.
fn cpu_time(clock: Instant) -> Duration {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .map_or_else(|| clock.elapsed(), Duration::from_nanos)
}

/// The best of some runs, in sequences a second of processor time.
fn rate(sequences: usize, runs: usize, run: impl Fn() -> usize) -> f64 {
    let clock = Instant::now();
    (0..runs)
        .map(|_| {
            let start = cpu_time(clock);
            let domains = std::hint::black_box(run());
            let spent = cpu_time(clock) - start;
            assert!(domains > 0);
            sequences as f64 / spent.as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// immunum on the same sequences, once over.
fn immunum(records: &[String], loci: usize, first_only: bool) -> f64 {
    let annotator = Annotator::new(&CHAINS[..loci], immunum::Scheme::IMGT, None).unwrap();
    rate(records.len(), 2, || {
        let numbered = records.iter().filter(|seq| {
            if first_only {
                annotator.number(seq).is_ok()
            } else {
                annotator.number_domains(seq).is_ok()
            }
        });
        numbered.count()
    })
}

/// Positions of every residue, in each scheme, of domains that are numbered.
fn positions() {
    let Some(text) = corpus::corpus("fasta/SRR_HKL_10k.fasta.gz") else {
        return;
    };
    let records = corpus::fasta(&text);
    let seqs: Vec<&[u8]> = records.iter().map(|(_, seq)| seq.as_bytes()).collect();
    let domains = antibody::number_batch(&seqs, Ask::default());
    for scheme in Scheme::ALL {
        const TIMES: usize = 20;
        let rate = rate(TIMES * domains.len(), 5, || {
            let mut positions: Vec<Position> = Vec::new();
            for _ in 0..TIMES {
                positions.clear();
                for domain in 0..domains.len() {
                    domains.positions(domain, scheme, &mut positions).ok();
                }
            }
            positions.len()
        });
        println!(
            "{{\"positions\": \"{scheme}\", \"domains_per_s\": {:.0}}}",
            rate
        );
    }
}

fn print(set: &str, loci: usize, first_only: bool, with: &str, mode: &str, rate: f64, peer: f64) {
    let domains = if first_only { "first" } else { "all" };
    println!(
        "{{\"set\": \"{set}\", \"loci\": {loci}, \"domains\": \"{domains}\", \"with\": \"{with}\", \"mode\": \"{mode}\", \"seq_per_s\": {rate:.0}, \"times_immunum\": {:.1}}}",
        rate / peer
    );
}
