//! A store that loses answers never yields a double or a lost commit.

use std::path::PathBuf;

use tests::binary::Paratope;
use tests::data::chains;
use tests::faults::{Answer, Fault, Rule};
use tests::formats::fasta;
use tests::lake::{assert_same, contents};
use tests::s3::S3Server;

/// Log entries of all tables.
const COMMITS: &str = r"/_delta_log/\d{20}\.json$";

const FAULTS: &[Fault] = &[
    Fault::AfterApply(Answer::Status(500)),
    Fault::AfterApply(Answer::Status(503)),
    Fault::AfterApply(Answer::Status(409)),
    Fault::AfterApply(Answer::Status(412)),
    Fault::AfterApply(Answer::Close),
    Fault::Instead(Answer::Status(500)),
    Fault::Instead(Answer::Status(503)),
    Fault::Instead(Answer::Status(409)),
    Fault::Instead(Answer::Status(412)),
    Fault::Instead(Answer::Close),
];

struct Inputs {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

/// Chains, a protein and a reject, so that every table of an ingest is committed to.
fn inputs() -> Inputs {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.fasta");
    let mut text = fasta(&chains(5, "lost", 6));
    text.push_str(">no-residues\n\n>protein\nMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV\n");
    std::fs::write(&file, text).unwrap();
    Inputs {
        _folder: folder,
        file,
    }
}

/// Which tables' commits meet the fault, and how many commits in a row.
fn ingests_once(table: &str, times: usize) {
    let server = S3Server::start();
    let inputs = inputs();
    let file = inputs.file.to_str().unwrap();
    let reference = Paratope::on_s3(&server, "reference");
    reference.run_verb("ingest", [file]).expect_code(3);
    let expected = contents(&reference);
    assert_eq!(expected["main.chains"].len(), 6);
    for (number, fault) in FAULTS.iter().enumerate() {
        let what = format!("{fault:?} × {times} on {table}");
        let paratope = Paratope::on_s3(&server, &format!("lake-{number}"));
        paratope.init();
        let before = server.faults().injected();
        server.inject(Rule::new("PUT", &format!("{table}{COMMITS}"), *fault).times(times));
        let outcome = paratope.run_verb("ingest", [file]);
        assert!(
            server.faults().injected() > before,
            "{what}: no request met the fault"
        );
        server.faults().clear();
        assert_eq!(outcome.code, Some(3), "{what}: {}", outcome.stderr);
        assert_same(&contents(&paratope), &expected, &what);
        paratope.ingest([file]);
        assert_same(
            &contents(&paratope),
            &expected,
            &format!("{what}, and again"),
        );
    }
}

#[test]
fn a_lost_answer_to_the_commit_of_chains_neither_loses_nor_doubles() {
    ingests_once("/main/chains", 1);
}

#[test]
fn lost_answers_to_commits_of_any_table_neither_lose_nor_double() {
    ingests_once("", 2);
}

#[test]
fn a_store_that_stays_away_fails_the_ingest_and_the_repeat_is_whole() {
    let server = S3Server::start();
    let inputs = inputs();
    let file = inputs.file.to_str().unwrap();
    let reference = Paratope::on_s3(&server, "reference");
    reference.run_verb("ingest", [file]).expect_code(3);
    let expected = contents(&reference);
    for (number, fault) in [
        Fault::AfterApply(Answer::Status(503)),
        Fault::Instead(Answer::Status(503)),
    ]
    .into_iter()
    .enumerate()
    {
        let paratope = Paratope::on_s3(&server, &format!("away-{number}"));
        paratope.init();
        let impatient = paratope.clone().with("PARATOPE__STORAGE__RETRIES", "0");
        server.inject(Rule::new("PUT", &format!("/main/chains{COMMITS}"), fault).times(10_000));
        let outcome = impatient.run_verb("ingest", [file]);
        server.faults().clear();
        if matches!(fault, Fault::Instead(_)) {
            outcome.expect_code(1).expect_message(&["main.chains"]);
        }
        let again = paratope.run_verb("ingest", [file]);
        assert!(matches!(again.code, Some(0 | 3)), "{}", again.stderr);
        assert_same(
            &contents(&paratope),
            &expected,
            &format!("{fault:?} all the time"),
        );
    }
}
