//! Real sequences, which stay outside the project: the folder that `PARATOPE_CORPUS` names. Without it tests say that they were
//! skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    dead_code
)] // shared by tests

use std::io::Read;
use std::path::PathBuf;

/// The sets of sequences.
pub const SETS: [&str; 5] = [
    "fasta/SRR_HKL_10k.fasta.gz",
    "fasta/antibody_sequences.fasta",
    "fasta/pdb_sequences.fa.txt.gz",
    "fasta/100_seqs.fa",
    "fasta/sabdab_filtered.fa",
];

/// The tables of numbered chains.
pub const TABLES: [&str; 3] = [
    "numbering/ab_H_imgt.csv",
    "numbering/ab_K_imgt.csv",
    "numbering/ab_L_imgt.csv",
];

/// A file of the corpus, decompressed; `None` (said on stderr) without a corpus.
pub fn corpus(path: &str) -> Option<String> {
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
pub fn fasta(text: &str) -> Vec<(&str, String)> {
    let mut records: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('>') {
            Some(header) => records.push((header, String::new())),
            None => records.last_mut().unwrap().1.push_str(line.trim()),
        }
    }
    records
}

/// The sequences of all sets and tables, with their names; `None` without a corpus.
pub fn sequences() -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for set in SETS {
        let text = corpus(set)?;
        let records = fasta(&text).into_iter();
        all.extend(records.map(|(name, seq)| (format!("{set} {name}"), seq)));
    }
    for table in TABLES {
        for line in corpus(table)?.lines().skip(1) {
            let mut fields = line.split(',');
            let name = fields.next().unwrap();
            all.push((format!("{table} {name}"), fields.next().unwrap().to_owned()));
        }
    }
    Some(all)
}
