//! Real files: every record is a row or a reject with a true reason. They are read from the folder that `PARATOPE_CORPUS`
//! names, and the tests say that they were skipped where it is unset.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a failed unwrap is a failed test

use std::path::PathBuf;

use arrow::array::{Array, AsArray};

use super::*;
use crate::formats::{DETECT_BYTES, ReadOptions, decompress, detect};

#[derive(Debug, Default)]
struct Found {
    consumed: u64,
    records_rejected: usize,
    reasons: Vec<String>,
    rows: usize,
    proteins: usize,
    with_v_domain: usize,
    contradictions: u64,
    chains: std::collections::BTreeMap<String, usize>,
    pairs: std::collections::BTreeSet<String>,
}

fn corpus(path: &str) -> Option<PathBuf> {
    match std::env::var_os("PARATOPE_CORPUS") {
        Some(folder) => Some(PathBuf::from(folder).join(path)),
        None => {
            eprintln!("skipped: PARATOPE_CORPUS is not set, {path} is not read");
            None
        }
    }
}

/// Reads and annotates a file; `None` where there is no corpus.
fn read(path: &str) -> Option<Result<Found>> {
    let path = corpus(path)?;
    Some(read_file(&path))
}

fn read_file(path: &std::path::Path) -> Result<Found> {
    let open = || decompress(Box::new(std::fs::File::open(path)?));
    let mut head = vec![0; DETECT_BYTES];
    let mut input = open()?;
    let mut filled = 0;
    loop {
        let read = std::io::Read::read(&mut input, &mut head[filled..])?;
        filled += read;
        if read == 0 {
            break;
        }
    }
    let name = path.file_name().unwrap().to_string_lossy().to_string();
    let format = detect(&head[..filled], &name)?;
    let mut records = format.open(open()?, &name, &ReadOptions::default())?;
    let context = Context {
        source_file: name,
        ..Context::default()
    };
    let mut found = Found::default();
    while let Some(batch) = records.next_batch()? {
        let annotated = annotate(&batch.records, batch.molecules, &context)?;
        found.consumed += batch.consumed;
        found.records_rejected += batch.rejects.iter().filter(|r| r.record.is_some()).count();
        found
            .reasons
            .extend(batch.rejects.iter().map(|r| r.reason.clone()));
        found.rows += annotated.chains.num_rows();
        found.proteins += annotated.proteins.num_rows();
        found.contradictions += annotated.contradictions;
        let domains = annotated.chains.column_by_name("v_domain_aa").unwrap();
        found.with_v_domain += domains.len() - domains.null_count();
        let chains = annotated.chains.column_by_name("chain").unwrap();
        for chain in chains.as_string::<i32>().iter().flatten() {
            *found.chains.entry(chain.to_string()).or_default() += 1;
        }
        let pairs = annotated.chains.column_by_name("pair_id").unwrap();
        found.pairs.extend(
            pairs
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_string),
        );
    }
    Ok(found)
}

#[test]
fn every_record_of_the_fasta_corpus_is_a_row() {
    for (file, records) in [
        ("fasta/SRR_HKL_10k.fasta.gz", 10_000),
        ("fasta/antibody_sequences.fasta", 997),
        ("fasta/pdb_sequences.fa.txt.gz", 10_143),
        // 101 headers, whatever the manifest says.
        ("fasta/100_seqs.fa", 101),
        ("fasta/sabdab_filtered.fa", 500),
    ] {
        let Some(found) = read(file) else { return };
        let found = found.unwrap();
        eprintln!("{file}: {found:?}");
        assert_eq!(found.consumed, records, "{file}");
        assert_eq!(found.reasons, Vec::<String>::new(), "{file}");
        assert!((found.rows + found.proteins) as u64 >= records, "{file}");
    }
}

#[test]
fn heavy_and_light_chains_of_the_corpus_land_where_they_belong() {
    let Some(found) = read("fasta/SRR_HKL_10k.fasta.gz") else {
        return;
    };
    let found = found.unwrap();
    assert_eq!(found.rows, 10_000);
    let count = |chain: &str| found.chains.get(chain).copied().unwrap_or_default();
    assert!(count("heavy").abs_diff(4_878) < 10, "{:?}", found.chains);
    assert!(count("light").abs_diff(5_122) < 10, "{:?}", found.chains);
}

#[test]
fn the_good_rearrangements_are_rows_plain_and_compressed() {
    for file in [
        "airr/good_rearrangement.tsv",
        "airr/good_rearrangement.tsv.gz",
    ] {
        let Some(found) = read(file) else { return };
        let found = found.unwrap();
        assert_eq!(
            (found.consumed, found.rows, found.records_rejected),
            (9, 9, 0),
            "{file}"
        );
        assert_eq!(found.chains.get("heavy"), Some(&9), "{file}");
    }
}

#[test]
fn the_bad_rearrangements_are_refused_for_what_is_wrong_with_them() {
    let Some(bad) = read("airr/bad_rearrangement.tsv") else {
        return;
    };
    let error = bad.unwrap_err().to_string();
    assert!(error.contains("requires the column sequence"), "{error}");
    let Some(extra) = read("airr/extra_rearrangement.tsv") else {
        return;
    };
    let error = extra.unwrap_err().to_string();
    assert!(
        error.contains("names junction twice (columns 10 and 11)"),
        "{error}"
    );
}

#[test]
fn single_cell_rearrangements_are_all_rows_and_pair_by_cell() {
    let Some(found) = read("airr/scirpy_issue_625.tsv") else {
        return;
    };
    let found = found.unwrap();
    eprintln!("{found:?}");
    assert_eq!(
        (found.consumed, found.rows, found.records_rejected),
        (158, 158, 0)
    );
    assert_eq!(found.chains.get("heavy"), Some(&79));
    assert_eq!(found.chains.get("light"), Some(&79));
    assert_eq!(found.pairs.len(), 79);
}
