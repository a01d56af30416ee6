//! `paratope job`, and jobs in SQL, as people use them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::binary::Paratope;
use tests::server::Server;

fn lake(folder: &Path) -> Paratope {
    let paratope = Paratope::on(folder.join("lake"));
    paratope.init();
    let source = "CREATE TABLE src (k BIGINT, v BIGINT); INSERT INTO src VALUES (1, 10), (2, 20)";
    paratope.run(["query", "-c", source]).expect_code(0);
    paratope
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

const DOUBLE: &str =
    "-- job: double\n-- target: out\n-- mode: incremental on src\nSELECT k, v * 2 AS w FROM src\n";

#[test]
fn a_job_is_added_run_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = lake(folder.path());
    let path = file(folder.path(), "double.sql", DOUBLE);
    let added = paratope.run(["job", "add", &path]).expect_code(0);
    assert!(
        added.stdout.contains("Job double is kept in the lake"),
        "{}",
        added.stdout
    );
    paratope
        .run(["job", "add", &path])
        .expect_code(1)
        .expect_message(&["double exists already", "--replace"]);
    let ran = paratope.run(["job", "run", "double"]).expect_code(0);
    assert!(
        ran.stdout
            .contains("2 rows written in out from 2 of version 1 of src"),
        "{}",
        ran.stdout
    );
    let again = paratope
        .run(["job", "run", "double", "--json"])
        .expect_code(0);
    let told: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&told["status"], &told["rows_written"]),
        (&"succeeded".into(), &0.into())
    );
    let listed =
        paratope.query("SELECT job, state, last_status FROM system.jobs WHERE origin = 'lake'");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["state"], &listed[0]["last_status"]),
        (&"on".into(), &"succeeded".into())
    );
    let shipped = "SELECT count(*) FROM system.jobs WHERE origin = 'shipped' AND state = 'off'";
    assert!(paratope.count(shipped) >= 5);
    assert_eq!(
        paratope.count("SELECT count(*) FROM system.job_runs WHERE job = 'double'"),
        2
    );
    let history = paratope
        .run(["job", "history", "double", "--format", "csv"])
        .expect_code(0);
    assert_eq!(history.stdout.lines().count(), 3, "{}", history.stdout);
    let shown = paratope.run(["job", "show", "double"]).expect_code(0);
    assert_eq!(shown.stdout.trim(), DOUBLE.trim());
    paratope.run(["job", "pause", "double"]).expect_code(0);
    let state = "SELECT state FROM system.jobs WHERE job = 'double'";
    assert_eq!(paratope.value(state), "paused");
    paratope.run(["job", "resume", "double"]).expect_code(0);
    paratope.run(["job", "remove", "double"]).expect_code(0);
    paratope
        .run(["job", "run", "double"])
        .expect_code(1)
        .expect_message(&["there is no job double", "annotate_chains"]);
}

#[test]
fn a_backfill_computes_again_without_a_double_row() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = lake(folder.path());
    let path = file(folder.path(), "double.sql", DOUBLE);
    paratope.run(["job", "add", &path]).expect_code(0);
    paratope.run(["job", "run", "double"]).expect_code(0);
    let told = paratope
        .run(["job", "backfill", "double", "--from-version", "0"])
        .expect_code(0);
    assert!(told.stdout.contains("2 rows removed"), "{}", told.stdout);
    assert_eq!(paratope.count("SELECT count(*) FROM out"), 2);
    paratope
        .run(["job", "backfill", "double", "--from-version", "9"])
        .expect_code(1)
        .expect_message(&["nothing to compute again"]);
}

#[test]
fn lint_says_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = lake(folder.path());
    for (text, parts) in [
        (
            "-- target: out\n-- mode: append\nSELECT k, vv FROM src",
            &["vv", "line 3"][..],
        ),
        (
            "-- schedule: 0 2 * *\n-- target: out\n-- mode: append\nSELECT k FROM src",
            &["line 1", "4 fields"],
        ),
        (
            "-- target: out\n-- mode: incremental on src\nSELECT sum(k) AS s FROM src",
            &["aggregates", "`replace`"],
        ),
        (
            "-- target: src\n-- mode: append\nSELECT 'x' AS k FROM src",
            &["column k", "CAST"],
        ),
        (
            "-- target: out\n-- mode: append\n-- after: nobody\nSELECT k FROM src",
            &["line 3", "no job nobody"],
        ),
    ] {
        let path = file(folder.path(), "bad.sql", text);
        paratope
            .run(["job", "lint", &path])
            .expect_code(1)
            .expect_message(parts);
        paratope.run(["job", "run", &path]).expect_code(1);
    }
    let path = file(folder.path(), "good.sql", DOUBLE);
    paratope.run(["job", "lint", &path]).expect_code(0);
}

#[test]
fn a_run_at_work_is_seen_and_cancelled_and_no_second_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = lake(folder.path());
    let slow = "-- target: out\n-- mode: replace\nSELECT sum(value) AS s FROM generate_series(1, 1000000000000)";
    let path = file(folder.path(), "slow.sql", slow);
    let running = paratope.spawn(["job", "run", &path]);
    let started = Instant::now();
    loop {
        let cancelled = paratope.run(["job", "cancel", "slow"]);
        if cancelled.stderr.contains("there is no job slow") {
            // It is nobody's but its file's: it is kept now, to be known by its name.
            paratope.run(["job", "add", &path]).expect_code(0);
            continue;
        }
        if cancelled.code == Some(0) {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{}",
            cancelled.stderr
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    running
        .wait()
        .expect_code(3)
        .expect_message(&["cancelled by"]);
    let status = "SELECT status FROM system.job_runs WHERE job = 'slow'";
    assert_eq!(paratope.value(status), "cancelled");
}

#[test]
fn jobs_are_made_and_seen_in_sql_and_a_server_runs_what_is_due() {
    let server = Server::start("[jobs]\npoll_s = 1\n");
    let paratope = server.paratope().clone();
    let script = "CREATE TABLE src (k BIGINT); INSERT INTO src VALUES (1), (2); \
        CREATE JOB copy OPTIONS (schedule '* * * * * *', target 'out', mode 'incremental on src') AS SELECT k, 'it''s' AS w FROM src; \
        CREATE JOB then_count OPTIONS (after 'copy', target 'counts', mode 'replace') AS SELECT count(*) AS n FROM out";
    paratope.run(["query", "-c", script]).expect_code(0);
    let jobs = paratope.query("SHOW JOBS");
    assert!(
        jobs.iter().any(|row| row["job"] == "then_count"),
        "{jobs:?}"
    );
    let done = "SELECT count(DISTINCT job) FROM system.job_runs WHERE status = 'succeeded' AND job IN ('copy', 'then_count')";
    let started = Instant::now();
    while paratope.count(done) < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(180),
            "{}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(paratope.value("SELECT DISTINCT w FROM out"), "it's");
    assert_eq!(paratope.count("SELECT n FROM counts"), 2);
    std::thread::sleep(Duration::from_secs(5));
    let (_, metrics) = server.get("/metrics").unwrap();
    for name in [
        "runs_total{job=\"copy\"",
        "last_run_duration_seconds{job=\"copy\"",
        "lag_versions{job=\"copy\"",
    ] {
        assert!(
            metrics.contains(&format!("paratope_job_{name}")),
            "{name}:\n{metrics}"
        );
    }
    paratope
        .run(["query", "-c", "DROP JOB then_count; DROP JOB copy"])
        .expect_code(0);
    assert_eq!(
        paratope.count("SELECT count(*) FROM system.jobs WHERE origin = 'lake'"),
        0
    );
}

/// The body of the first request to a webhook.
fn hook() -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        let mut bytes = [0; 4096];
        loop {
            let read = stream.read(&mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            if read == 0 || text.trim_end().ends_with('}') {
                break;
            }
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        text
    });
    (url, heard)
}

#[test]
fn a_job_that_cannot_be_done_is_not_tried_again_and_the_webhook_hears_of_it() {
    let (url, heard) = hook();
    let server = Server::start(&format!("[jobs]\npoll_s = 1\nwebhook = \"{url}\"\n"));
    let paratope = server.paratope().clone();
    let script = "CREATE TABLE src (k BIGINT); \
        CREATE JOB wrong OPTIONS (schedule '* * * * * *', target 'out', mode 'replace', retries '5') AS SELECT nothing FROM src";
    paratope.run(["query", "-c", script]).expect_code(0);
    let request = heard.join().unwrap();
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        (&body["job"], &body["status"], &body["attempts"]),
        (&"wrong".into(), &"failed".into(), &1.into())
    );
    assert!(
        body["error"].as_str().unwrap().contains("nothing"),
        "{body}"
    );
    paratope.run(["job", "pause", "wrong"]).expect_code(0);
}

#[test]
fn every_shipped_job_has_no_faults_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    // Without its model, the job says what to do.
    paratope
        .run(["job", "lint", "embed_chains"])
        .expect_code(1)
        .expect_message(&["antiberty", "paratope model"]);
    let files = folder.path().join("tiny");
    tests::model::write(&files, 7).unwrap();
    let add = [
        "model",
        "add",
        "antiberty",
        "--from",
        files.to_str().unwrap(),
    ];
    paratope.run(add).expect_code(0);
    let shipped = "SELECT job, target FROM system.jobs WHERE origin = 'shipped' ORDER BY job";
    let jobs = paratope.query(shipped);
    assert_eq!(jobs.len(), 6);
    for job in &jobs {
        let name = job["job"].as_str().unwrap();
        paratope.run(["job", "lint", name]).expect_code(0);
        if name == "ingest_nightly" {
            // Its folder is not there.
            continue;
        }
        paratope.run(["job", "run", name]).expect_code(0);
        if let Some(target) = job["target"].as_str() {
            let rows = paratope.count(&format!("SELECT count(*) FROM {target}"));
            assert!(rows > 0, "{name} wrote nothing");
        }
    }
    let dimension = "SELECT min(array_length(embedding)) FROM chain_embeddings";
    assert!(paratope.count(dimension) > 1);
    let twice = "SELECT count(*) - count(DISTINCT v_domain_hash) FROM chain_embeddings";
    assert_eq!(paratope.count(twice), 0);
}

#[test]
fn upkeep_says_what_it_would_gain_and_gains_it() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = lake(folder.path()).with("PARATOPE__MAINTENANCE__VACUUM_FLOOR_HOURS", "0");
    for k in 3..9 {
        let insert = format!("INSERT INTO src VALUES ({k}, {k})");
        paratope.run(["query", "-c", &insert]).expect_code(0);
    }
    let health = paratope
        .run(["table", "health", "src", "--format", "json"])
        .expect_code(0);
    let health: Value = serde_json::from_str(&health.stdout).unwrap();
    assert_eq!(
        (&health[0]["files"], &health[0]["files_after"]),
        (&7.into(), &1.into())
    );
    assert!(
        health[0]["advice"]
            .as_str()
            .unwrap()
            .contains("7 small files become 1"),
        "{health}"
    );
    let maintain = |arguments: &[&str]| -> Value {
        let all = ["maintain", "--table", "src", "--format", "json"];
        let done = paratope.run(all.iter().chain(arguments)).expect_code(0);
        serde_json::from_str::<Value>(&done.stdout).unwrap()[0].clone()
    };
    let planned = maintain(&["--dry-run"]);
    assert_eq!(
        (&planned["files_compacted"], &planned["files_after"]),
        (&7.into(), &7.into())
    );
    let done = maintain(&[]);
    assert_eq!(
        (&done["files_compacted"], &done["files_after"]),
        (&7.into(), &1.into())
    );
    assert_eq!(done["files_expected"], done["files_after"]);
    assert_eq!(paratope.count("SELECT count(*) FROM src"), 8);
    paratope.run(["maintain"]).expect_code(0);
}
