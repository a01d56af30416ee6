//! Numbers the V domains of a FASTA file (IMGT): a line a domain, `name TAB locus TAB position:residue …`.
//!
//! `cargo run --release -p antibody --example number -- chains.fa`
#![allow(clippy::print_stdout)] // a program prints its result

use std::io::{Error, ErrorKind};

use antibody::{Ask, Scheme, number_batch};

fn main() -> Result<(), Error> {
    let missing = || Error::new(ErrorKind::InvalidInput, "name a FASTA file");
    let path = std::env::args().nth(1).ok_or_else(missing)?;
    let text = std::fs::read_to_string(path)?;
    let mut records: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix('>'), records.last_mut()) {
            (Some(header), _) => {
                let name = header.split_whitespace().next().unwrap_or_default();
                records.push((name, String::new()));
            }
            (None, Some((_, seq))) => seq.push_str(line.trim()),
            (None, None) => {}
        }
    }
    let seqs: Vec<&[u8]> = records.iter().map(|(_, seq)| seq.as_bytes()).collect();
    let domains = number_batch(&seqs, Ask::default());
    for (index, (name, seq)) in records.iter().enumerate() {
        for domain in domains.of(index) {
            let Ok(numbering) = domains.numbering(domain, Scheme::Imgt) else {
                continue;
            };
            let residues = numbering.residues(seq.as_bytes());
            let residues =
                residues.map(|(position, residue)| format!("{position}:{}", char::from(residue)));
            let residues: Vec<String> = residues.collect();
            println!("{name}\t{}\t{}", numbering.locus, residues.join(" "));
        }
    }
    Ok(())
}
