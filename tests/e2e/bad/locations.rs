//! Lakes that cannot be reached, opened or made.

use std::process::Command;

use tests::binary::{Paratope, Running};
use tests::s3::S3Server;

use super::Bench;

#[test]
fn wrong_credentials_are_named_without_being_shown() {
    let server = S3Server::start();
    let wrong = Paratope::on_s3(&server, "lake")
        .with("PARATOPE__STORAGE__SECRET_ACCESS_KEY", "wrong-and-secret");
    for outcome in [
        wrong.run(["init"]),
        wrong.run(["query", "-c", "SELECT 1 FROM chains"]),
    ] {
        let outcome = outcome
            .expect_code(1)
            .expect_message(&["credentials", "s3://lake/lake"]);
        assert!(
            !outcome.stderr.contains("wrong-and-secret"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn an_unreachable_endpoint_is_named_within_seconds() {
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let paratope = Paratope::on("s3://lake/lake")
        .with("PARATOPE__STORAGE__ENDPOINT", &endpoint)
        .with("PARATOPE__STORAGE__REGION", "us-east-1")
        .with("PARATOPE__STORAGE__ACCESS_KEY_ID", "key")
        .with("PARATOPE__STORAGE__SECRET_ACCESS_KEY", "secret")
        .with("PARATOPE__STORAGE__ALLOW_HTTP", "true")
        .with("PARATOPE__STORAGE__RETRIES", "1");
    let started = std::time::Instant::now();
    paratope
        .run(["init"])
        .expect_code(1)
        .expect_message(&[&endpoint]);
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn a_lake_of_an_unknown_version_is_refused_with_both_versions() {
    let bench = Bench::new();
    bench.paratope.init();
    let marker = bench.folder.path().join("lake/_paratope/lake.json");
    let text = std::fs::read_to_string(&marker).unwrap();
    let mut mark: serde_json::Value = serde_json::from_str(&text).unwrap();
    mark["format_version"] = 99.into();
    std::fs::write(&marker, mark.to_string()).unwrap();
    for outcome in [
        bench.ingest(&bench.good),
        bench.paratope.run(["query", "-c", "SELECT 1 FROM chains"]),
        bench.paratope.run(["init"]),
    ] {
        outcome
            .expect_code(1)
            .expect_message(&["99", "lake.json", "newer"]);
    }
}

#[test]
fn a_lake_whose_mark_is_no_mark_is_refused() {
    let bench = Bench::new();
    bench.paratope.init();
    let marker = bench.folder.path().join("lake/_paratope/lake.json");
    std::fs::write(&marker, "{").unwrap();
    bench
        .ingest(&bench.good)
        .expect_code(1)
        .expect_message(&["lake.json"]);
}

#[test]
fn a_query_of_a_lake_that_is_not_there_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    Paratope::on(folder.path().join("nowhere"))
        .run(["query", "-c", "SELECT 1"])
        .expect_code(1)
        .expect_message(&["nowhere", "paratope init"]);
}

#[test]
fn an_unsupported_scheme_is_refused_with_the_supported_ones() {
    Paratope::on("hdfs://name/lake")
        .run(["init"])
        .expect_code(1)
        .expect_message(&["hdfs", "s3://", "az://", "gs://"]);
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["ingest"]).expect_code(2);
    paratope.run(["no-such-verb"]).expect_code(2);
}

/// A mount without hard links, as FAT and many FUSE mounts are: the calls that make them fail.
#[cfg(target_os = "linux")]
#[test]
fn a_mount_without_hard_links_is_refused_before_anything_is_stored() {
    const LINKLESS: &str = r"
        #include <errno.h>
        int link(const char *a, const char *b) { errno = EPERM; return -1; }
        int linkat(int c, const char *a, int d, const char *b, int e) { errno = EPERM; return -1; }
    ";
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (
        folder.path().join("linkless.c"),
        folder.path().join("linkless.so"),
    );
    std::fs::write(&source, LINKLESS).unwrap();
    // The linker that Rust uses is this compiler's, so it is there.
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let lake = folder.path().join("lake");
    let paratope = Paratope::on(&lake);
    let without_links = |arguments: &[&str]| {
        Running::start(paratope.command(arguments).env("LD_PRELOAD", &library)).wait()
    };
    without_links(&["init"])
        .expect_code(1)
        .expect_message(&["hard links"]);
    assert!(
        !lake.join("main").exists(),
        "tables were made on a location that was refused"
    );
    // The same folder with links is fine: what was refused is the mount.
    paratope.init();
}

#[test]
fn a_store_that_overwrites_where_it_should_refuse_is_not_made_a_lake() {
    use tests::faults::{Answer, Fault, Rule};
    let server = S3Server::start();
    // The second creation of the probe is answered as if it had been carried out.
    server.inject(
        Rule::new(
            "PUT",
            "/_paratope/probe-",
            Fault::Instead(Answer::Status(200)),
        )
        .after(1),
    );
    Paratope::on_s3(&server, "lake")
        .run(["init"])
        .expect_code(1)
        .expect_message(&["If-None-Match"]);
    assert_eq!(server.faults().injected(), 1);
    assert_eq!(server.faults().count("PUT", "_delta_log"), 0);
}
