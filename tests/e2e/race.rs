//! Many writer processes, one table: every row is there exactly once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tests::binary::Paratope;
use tests::data::chains;
use tests::formats::fasta;
use tests::lake::chain_rows;
use tests::s3::S3Server;

/// Chains in each file.
const CHAINS: usize = 4;

/// The files of each writer, and all rows they hold.
struct Work {
    files: Vec<Vec<PathBuf>>,
    expected: Vec<(String, String)>,
}

fn work(folder: &Path, writers: usize, ingests: usize) -> Work {
    let mut expected = Vec::new();
    let files = (0..writers)
        .map(|writer| {
            (0..ingests)
                .map(|ingest| {
                    let name = format!("w{writer}-i{ingest}");
                    let seed = (writer * 1_000 + ingest) as u64;
                    let set = chains(seed, &name, CHAINS);
                    let path = folder.join(format!("{name}.fasta"));
                    std::fs::write(&path, fasta(&set)).unwrap();
                    expected.extend(set.into_iter().map(|chain| (chain.id, chain.v_domain_aa)));
                    path
                })
                .collect()
        })
        .collect();
    expected.sort();
    Work { files, expected }
}

/// One process a writer, all at once; each commits its files one by one.
fn one_process_each(paratope: &Paratope, work: &Work) {
    let paratope = paratope.clone().with("PARATOPE__INGEST__COMMIT_BYTES", "1");
    let running: Vec<_> = work
        .files
        .iter()
        .map(|files| {
            paratope.spawn(
                std::iter::once(Path::new("ingest")).chain(files.iter().map(PathBuf::as_path)),
            )
        })
        .collect();
    for writer in running {
        writer.wait().expect_code(0);
    }
}

/// Each writer runs one command after the other; all writers run at once.
fn one_process_a_file(paratope: &Paratope, work: &Work) {
    std::thread::scope(|scope| {
        for files in &work.files {
            scope.spawn(move || {
                for file in files {
                    paratope.ingest([file]);
                }
            });
        }
    });
}

/// How many conditional PUTs of log entries lost: a race without any is not a race.
fn lost_puts(server: &S3Server) -> usize {
    let seen = server.faults().seen();
    seen.iter()
        .filter(|request| request.path.contains("/_delta_log/") && request.status == Some(412))
        .count()
}

fn assert_every_row_once(paratope: &Paratope, work: &Work) {
    let rows = chain_rows(paratope);
    assert_eq!(rows.len(), work.expected.len());
    assert_eq!(rows, work.expected);
    let inputs = work.files.iter().flatten().count();
    assert_eq!(
        paratope.count("SELECT count(*) FROM system.files"),
        inputs as i64
    );
    let twice = paratope.count(
        "SELECT count(*) FROM (SELECT input_id FROM system.files GROUP BY input_id HAVING count(*) > 1)",
    );
    assert_eq!(twice, 0, "inputs that are twice in the ledger");
}

#[test]
fn eight_writer_processes_with_25_ingests_each_lose_and_double_nothing_on_s3() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let work = work(folder.path(), 8, 25);
    // The lake is created by whoever comes first, too.
    let paratope = Paratope::on_s3(&server, "race").with("PARATOPE__INGEST__THREADS", "1");
    one_process_each(&paratope, &work);
    assert_every_row_once(&paratope, &work);
    assert!(lost_puts(&server) > 0, "the writers never met");
    let versions = server
        .faults()
        .count("PUT", r"/main/chains/_delta_log/\d{20}\.json$")
        - 1;
    assert!(
        versions >= 8 * 25,
        "each ingest is a commit, but there were {versions} attempts"
    );
}

#[test]
fn commands_that_race_for_a_new_lake_on_s3_lose_and_double_nothing() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let work = work(folder.path(), 6, 3);
    let paratope = Paratope::on_s3(&server, "new").with("PARATOPE__INGEST__THREADS", "1");
    one_process_a_file(&paratope, &work);
    assert_every_row_once(&paratope, &work);
    assert!(lost_puts(&server) > 0, "the writers never met");
}

#[test]
fn four_writer_processes_on_a_local_disk_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let work = work(folder.path(), 4, 8);
    let paratope = Paratope::on(folder.path().join("lake")).with("PARATOPE__INGEST__THREADS", "1");
    one_process_each(&paratope, &work);
    assert_every_row_once(&paratope, &work);
}

#[test]
fn writers_of_the_same_file_add_it_once() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let work = work(folder.path(), 1, 1);
    let file = &work.files[0][0];
    let paratope = Paratope::on_s3(&server, "same");
    paratope.init();
    let statuses: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|_| {
                let paratope = &paratope;
                scope.spawn(move || {
                    let outcome =
                        paratope.run_verb("ingest", ["--format", "json", file.to_str().unwrap()]);
                    let summary: serde_json::Value =
                        serde_json::from_str(&outcome.expect_code(0).stdout).unwrap();
                    summary["inputs"][0]["status"].as_str().unwrap().to_string()
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_every_row_once(&paratope, &work);
    let mut counts = BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_insert(0) += 1;
    }
    assert_eq!(counts.get("ingested"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("already_ingested"), Some(&5), "{counts:?}");
}
