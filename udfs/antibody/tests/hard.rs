//! Hand-checked cases, each with its source: `tests/data/numbering_hard.tsv` of the repository. What is expected was derived from
//! IMGT's rules and the publications named, not from what the kernel gives.
//!
//! `expected` is `error=CODE`, or a domain's facts (several domains separated by ` ; `): locus, span, `all=POSITION:RESIDUE,…`
//! (the whole numbering), `POSITION=RESIDUE` (`-` for empty), `cdr1=…` and other regions (`-` where it is not held whole),
//! `fwr3_length=N`, and `unnamed` where IMGT has no positions for all residues.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use antibody::{Ask, Domains, Position, Region, Scheme, number_batch};

const CASES: &str = include_str!("../../../tests/data/numbering_hard.tsv");

/// What of the facts does not hold of a domain.
fn wrong(domains: &Domains, domain: usize, seq: &[u8], facts: &str) -> Vec<String> {
    let mut positions = Vec::new();
    let named = domains.positions(domain, Scheme::Imgt, &mut positions);
    let letters = |range: std::ops::Range<usize>| -> Vec<u8> {
        let bytes = seq[range].iter();
        bytes
            .filter(|byte| byte.is_ascii_alphabetic())
            .map(u8::to_ascii_uppercase)
            .collect()
    };
    let residues = letters(domains.span(domain));
    let at = |position: Position| -> String {
        let index = positions.iter().position(|other| *other == position);
        index.map_or("-".to_owned(), |index| {
            char::from(residues[index]).to_string()
        })
    };
    let tile = |name: &str| {
        let tiles = Region::TILES.into_iter();
        tiles.clone().find(|region| region.as_str() == name)
    };
    let mut wrong = Vec::new();
    for fact in facts.split_whitespace() {
        let found = match fact.split_once('=') {
            None if fact == "unnamed" => match &named {
                Err(error) if error.code() == "too_many_insertions" => fact.to_owned(),
                _ => "named".to_owned(),
            },
            None if fact.contains('-') => {
                let span = domains.span(domain);
                format!("{}-{}", span.start + 1, span.end)
            }
            None => domains.loci[domain].to_string(),
            Some(("all", _)) => {
                let all = positions.iter().zip(&residues);
                let all: Vec<String> = all
                    .map(|(position, residue)| format!("{position}:{}", char::from(*residue)))
                    .collect();
                format!("all={}", all.join(","))
            }
            Some(("fwr3_length", _)) => {
                let range = domains.region(domain, Region::Fwr3).unwrap();
                format!("fwr3_length={}", letters(range).len())
            }
            Some((name, _)) => match tile(name) {
                Some(region) => {
                    let range = domains.region(domain, region);
                    let text = range.map(|range| String::from_utf8(letters(range)).unwrap());
                    format!("{name}={}", text.unwrap_or("-".to_owned()))
                }
                None => format!("{name}={}", at(name.parse().unwrap())),
            },
        };
        if found != fact {
            wrong.push(format!("expected {fact}\n  found    {found}"));
        }
    }
    wrong
}

#[test]
fn every_hard_case_is_numbered_as_its_source_says() {
    let mut cases = 0;
    let mut failed = Vec::new();
    for line in CASES.lines().skip(1) {
        let [name, seq, expected, source] = line.split('\t').collect::<Vec<_>>()[..] else {
            unreachable!("four fields: {line}")
        };
        assert!(!source.is_empty(), "{name}");
        cases += 1;
        for exact in [true, false] {
            let domains = number_batch(
                &[seq.as_bytes()],
                Ask {
                    exact,
                    ..Ask::default()
                },
            );
            if let Some(code) = expected.strip_prefix("error=") {
                let found = domains.errors[0].as_ref().map(|error| error.code());
                if found != Some(code) {
                    failed.push(format!(
                        "{name}: expected {code}, found {found:?} {:?}",
                        domains.confidences
                    ));
                }
                continue;
            }
            let facts: Vec<&str> = expected.split(" ; ").collect();
            if facts.len() != domains.len() {
                let errors = &domains.errors;
                failed.push(format!("{name}: {} domains {errors:?}", domains.len()));
                continue;
            }
            for (domain, facts) in facts.iter().enumerate() {
                for wrong in wrong(&domains, domain, seq.as_bytes(), facts) {
                    failed.push(format!("{name} (exact: {exact}): {wrong}"));
                }
            }
        }
    }
    assert!(cases >= 60);
    assert!(
        failed.is_empty(),
        "{} facts fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
