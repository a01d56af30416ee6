//! What a header may say, and what is said about one that is wrong.

use std::time::Duration;

use super::*;

/// The example of the documentation, remarks included.
const EXAMPLE: &str = "\
-- job: annotate_chains
-- schedule: 0 2 * * * Europe/Zurich
-- target: annotations            (created from the query's schema if absent)
-- mode: incremental on chains    (or: append | replace [partition] | merge on v_domain_hash)
-- chunk: 256 MB
-- timeout: 6h
-- retries: 5
-- after: ingest_nightly
-- Regions and liabilities of each V domain.
SELECT v_domain_hash, ab_regions(v_domain_aa) AS regions FROM chains WHERE v_domain_aa IS NOT NULL
";

fn faults(text: &str) -> String {
    let faults = parse(text, Some("j")).unwrap_err();
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.line, fault.message))
        .collect();
    lines.join("\n")
}

#[test]
fn a_header_says_all_about_a_job() {
    let job = parse(EXAMPLE, None).unwrap();
    assert_eq!(job.name, "annotate_chains");
    assert_eq!(job.target, Some(Name::main("annotations")));
    assert_eq!(job.mode, Mode::Incremental(Name::main("chains")));
    assert_eq!(job.chunk_bytes, 256_000_000);
    assert_eq!(job.timeout, Duration::from_secs(6 * 3_600));
    assert_eq!((job.retries, job.after), (5, vec!["ingest_nightly".into()]));
    assert_eq!(job.description, "Regions and liabilities of each V domain.");
    assert_eq!(job.sql_line, 10);
    assert!(job.sql.starts_with("SELECT"));
    assert_eq!(job.schedule.unwrap().to_string(), "0 2 * * * Europe/Zurich");
}

#[test]
fn each_fault_of_a_header_names_its_line_and_what_to_write() {
    for (text, line, why) in [
        (
            "-- shedule: 0 2 * * *\nOPTIMIZE t",
            1,
            "there is no setting shedule",
        ),
        ("-- schedule: 0 2 * *\nOPTIMIZE t", 1, "4 fields"),
        ("-- target: t\nSELECT 1", 1, "needs a mode"),
        (
            "-- target: t\n-- mode: upsert\nSELECT 1",
            2,
            "no mode 'upsert'",
        ),
        (
            "-- target: t\n-- mode: merge\nSELECT 1",
            2,
            "merge on COLUMN",
        ),
        (
            "-- target: t\n-- mode: append\nDELETE FROM t",
            3,
            "one query",
        ),
        (
            "-- target: t\n-- mode: append\nSELECT 1; SELECT 2",
            3,
            "one query",
        ),
        (
            "-- target: system.files\n-- mode: append\nSELECT 1",
            1,
            "main",
        ),
        (
            "-- target: t\n-- mode: incremental on t\nSELECT 1",
            1,
            "the target is the source",
        ),
        ("-- mode: append\nSELECT 1", 1, "for jobs with a target"),
        ("SELECT 1", 1, "does nothing"),
        ("-- timeout: soon\nOPTIMIZE t", 1, "span of time"),
        ("-- chunk: 1 MB\nOPTIMIZE t", 1, "for jobs"),
        ("-- after: a, j\nOPTIMIZE t", 1, "after itself"),
        ("-- retries: 3\n-- retries: 4\nOPTIMIZE t", 2, "twice"),
        ("-- retries:\nOPTIMIZE t", 1, "no value"),
        ("-- job: a/b\nOPTIMIZE t", 1, "cannot be the name"),
        ("-- retries: 3\n", 0, "no statement"),
        ("-- retries: 3\nSELEC 1", 2, "SELEC"),
    ] {
        let found = faults(text);
        let place = format!("{line}: ");
        let is_told = found
            .lines()
            .any(|fault| fault.starts_with(&place) && fault.contains(why));
        assert!(is_told, "{text}\n{found}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults("-- retries: x\n-- timeout: y\nOPTIMIZE t");
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn a_statement_needs_neither_target_nor_mode() {
    let job = parse(
        "-- schedule: @daily\nOPTIMIZE chains; VACUUM chains",
        Some("tidy"),
    )
    .unwrap();
    assert_eq!((job.name.as_str(), &job.mode), ("tidy", &Mode::Statement));
}
