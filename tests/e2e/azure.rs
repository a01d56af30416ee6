//! The same lake on `az://`, against Azurite: a round trip, a race of writers, wrong credentials.
//!
//! `.ci/run` starts Azurite (npm) and names it in `PARATOPE_AZURITE`; elsewhere these tests say
//! that they were skipped.

use std::path::{Path, PathBuf};

use tests::binary::Paratope;
use tests::data::chains;
use tests::formats::fasta;
use tests::lake::chain_rows;

/// Base64 of the key that `clients/azurite` gives its account.
const KEY: &str = "bm90LWEtc2VjcmV0LW9mLWFueWJvZHk=";

/// A lake in the container, under a folder of its own for each test and run.
fn lake(name: &str) -> Option<Paratope> {
    let Ok(endpoint) = std::env::var("PARATOPE_AZURITE") else {
        eprintln!("skipped: PARATOPE_AZURITE is not set (tests/clients/azurite sets it)");
        return None;
    };
    let folder = uuid::Uuid::new_v4().simple().to_string();
    let paratope = Paratope::on(format!("az://lake/{name}-{folder}"))
        .with("PARATOPE__STORAGE__ENDPOINT", &endpoint)
        .with("PARATOPE__STORAGE__ACCOUNT", "paratope")
        .with("PARATOPE__STORAGE__ACCOUNT_KEY", KEY)
        .with("PARATOPE__STORAGE__ALLOW_HTTP", "true");
    Some(paratope)
}

fn write(folder: &Path, seed: u64, name: &str, count: usize) -> (PathBuf, Vec<(String, String)>) {
    let set = chains(seed, name, count);
    let path = folder.join(format!("{name}.fasta"));
    std::fs::write(&path, fasta(&set)).unwrap();
    let rows = set.into_iter().map(|chain| (chain.id, chain.v_domain_aa));
    (path, rows.collect())
}

#[test]
fn a_round_trip_on_azure_gives_back_what_was_ingested_once() {
    let Some(paratope) = lake("trip") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, mut expected) = write(folder.path(), 1, "trip", 30);
    expected.sort();
    paratope.init();
    paratope.ingest([&file]);
    paratope.ingest([&file]);
    assert_eq!(chain_rows(&paratope), expected);
    let heavy = paratope.count("SELECT count(*) FROM chains WHERE chain = 'heavy'");
    assert!(heavy > 0 && heavy < 30, "{heavy}");
}

#[test]
fn four_writer_processes_on_azure_lose_and_double_nothing() {
    let Some(paratope) = lake("race") else { return };
    let paratope = paratope
        .with("PARATOPE__INGEST__THREADS", "1")
        .with("PARATOPE__INGEST__COMMIT_BYTES", "1");
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let running: Vec<_> = (0..4u64)
        .map(|writer| {
            let files = (0..6u64).map(|ingest| {
                let (file, rows) = write(
                    folder.path(),
                    writer * 100 + ingest,
                    &format!("w{writer}-{ingest}"),
                    3,
                );
                expected.extend(rows);
                file
            });
            let files: Vec<_> = std::iter::once(PathBuf::from("ingest"))
                .chain(files)
                .collect();
            paratope.spawn(files)
        })
        .collect();
    for writer in running {
        writer.wait().expect_code(0);
    }
    expected.sort();
    assert_eq!(chain_rows(&paratope), expected);
    assert_eq!(paratope.count("SELECT count(*) FROM system.files"), 24);
}

#[test]
fn a_wrong_key_on_azure_is_named_without_being_shown() {
    let Some(paratope) = lake("key") else { return };
    // Base64 of "wrong-and-secret".
    let wrong = "d3JvbmctYW5kLXNlY3JldA==";
    let outcome = paratope
        .with("PARATOPE__STORAGE__ACCOUNT_KEY", wrong)
        .run(["init"])
        .expect_code(1)
        .expect_message(&["credentials", "az://lake/"]);
    assert!(!outcome.stderr.contains(wrong), "{}", outcome.stderr);
}
