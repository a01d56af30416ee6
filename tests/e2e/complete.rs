//! Every record of every file of the corpora in `PARATOPE_CORPUS` is a row or a reject, counted by other means than the readers'.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tests::binary::Paratope;

/// What a file is ingested with, and what it must give.
enum Expected {
    /// So many records, all of them rows or rejects.
    Records {
        count: usize,
        arguments: Vec<&'static str>,
    },
    /// The file is refused whole, with these words.
    Refused(&'static [&'static str]),
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut input = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        input.read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

/// Lines behind the header.
fn rows(text: &str) -> usize {
    text.lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .count()
}

fn expected(name: &str, text: &str) -> Expected {
    let records = |count, arguments: &[&'static str]| Expected::Records {
        count,
        arguments: arguments.to_vec(),
    };
    match name.split('/').next() {
        Some("fasta") => records(
            text.lines().filter(|line| line.starts_with('>')).count(),
            &[],
        ),
        Some("airr") if name.contains("bad_") => {
            Expected::Refused(&["requires the column sequence"])
        }
        Some("airr") if name.contains("extra_") => Expected::Refused(&["names junction twice"]),
        Some("airr") => records(rows(text), &[]),
        Some("humanness") => records(
            rows(text),
            &[
                "--map",
                "Antibody=name",
                "--map",
                "Seqs (comma-separated)=chains",
            ],
        ),
        Some("numbering") => records(
            rows(text),
            &["--map", "header=name", "--map", "sequence=sequence_aa"],
        ),
        Some("structures") => {
            let atoms = text.lines().filter(|line| line.starts_with("ATOM"));
            let chains: BTreeSet<_> = atoms.map(|line| &line[21..22]).collect();
            records(chains.len(), &[])
        }
        _ => panic!("{name} is new in the corpora: say how its records are counted"),
    }
}

#[test]
fn every_record_of_the_corpora_is_a_row_or_a_reject_with_a_reason() {
    let Some(corpus) = std::env::var_os("PARATOPE_CORPUS") else {
        eprintln!("skipped: PARATOPE_CORPUS is not set");
        return;
    };
    let corpus = std::path::absolute(corpus).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for path in files(&corpus) {
        let name = path.strip_prefix(&corpus).unwrap().to_str().unwrap();
        if name == "MANIFEST.md" {
            continue;
        }
        let text = text(&path);
        let paratope = Paratope::on(folder.path().join(name.replace('/', "-")));
        let file = path.to_str().unwrap();
        match expected(name, &text) {
            Expected::Refused(words) => {
                let outcome = paratope.run_verb("ingest", [file]).expect_code(1);
                outcome.expect_message(words).expect_message(&[name]);
                assert_eq!(paratope.count("SELECT count(*) FROM chains"), 0, "{name}");
            }
            Expected::Records { count, arguments } => {
                let arguments = arguments.into_iter().chain([file]);
                let outcome = paratope.run_verb("ingest", arguments);
                assert!(
                    matches!(outcome.code, Some(0 | 3)),
                    "{name}: {}",
                    outcome.stderr
                );
                accounted(&paratope, name, count);
            }
        }
        seen += 1;
    }
    assert!(seen > 0, "{} is empty", corpus.display());
}

/// Checks that each record from 1 to `count` is in one of the tables, or in the rejects with a reason.
fn accounted(paratope: &Paratope, name: &str, count: usize) {
    let rows = "SELECT source_record FROM chains UNION SELECT source_record FROM proteins \
                UNION SELECT source_record FROM structures";
    let found = paratope.query(&format!(
        "SELECT count(*) AS n, min(source_record) AS first, max(source_record) AS last FROM (\
         {rows} UNION SELECT source_record FROM system.rejects)"
    ));
    let number = |key: &str| found[0][key].as_u64().unwrap_or(0) as usize;
    assert_eq!(
        (number("n"), number("first"), number("last")),
        (count, 1, count),
        "{name}: records that are rows or rejects, the first and the last"
    );
    let both =
        format!("SELECT count(*) FROM system.rejects JOIN ({rows}) AS r USING (source_record)");
    assert_eq!(
        paratope.count(&both),
        0,
        "{name}: rejects that are rows too"
    );
    let unsaid = format!(
        "SELECT count(*) FROM system.rejects WHERE length(trim(reason)) = 0 OR strpos(source_file, '{name}') = 0"
    );
    assert_eq!(
        paratope.count(&unsaid),
        0,
        "{name}: rejects without a reason or a file"
    );
}
