//! What a server tells about itself: metrics, logs and `system.query_log`, with the real binary and a real client.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod server;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use engine::measures::{Kind, Measure};
use serde_json::Value;

use server::{Server, WAIT};

/// Stands for what nobody but its sender may read: a literal of a statement.
const LITERAL: &str = "hush-literal-4711";
/// Takes for ever; `{}` says under which name it is found again.
const ENDLESS: &str = "SELECT sum(value) AS {} FROM generate_series(1, 1000000000000)";

fn endless(name: &str) -> String {
    ENDLESS.replace("{}", name)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_metric_is_told_after_a_query() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .run("CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 100)")
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(client.run("SELECT id FROM t").await.unwrap().len(), 100);
    }
    client.run("SELECT * FROM no_such_table").await.unwrap_err();
    let told = server.get("/metrics");
    // Those of jobs appear with the jobs, how long a model took to load with the first one.
    let is_later = |measure: &Measure| {
        let of_jobs = measure.labels.iter().any(|(label, _)| *label == "job");
        of_jobs || measure.name == "paratope_model_load_duration_seconds"
    };
    for measure in flight_server::watch::all().filter(|measure| !is_later(measure)) {
        let (name, kind) = (measure.name, measure.kind.name());
        assert!(told.contains(&format!("# HELP {name} ")), "{name}:\n{told}");
        let line = format!("# TYPE {name} {kind}\n");
        assert!(told.contains(&line), "{line}:\n{told}");
        if measure.kind == Kind::Histogram {
            assert!(
                told.contains(&format!("{name}_bucket{{")),
                "{name}:\n{told}"
            );
        }
    }
    let value = |series: &str| -> f64 {
        let line = told.lines().find(|line| {
            line.strip_prefix(series)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        let line = line.unwrap_or_else(|| panic!("{series}:\n{told}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("paratope_queries_total{status=\"succeeded\"}"), 3.0);
    assert_eq!(value("paratope_queries_total{status=\"failed\"}"), 1.0);
    assert_eq!(value("paratope_queries_total{status=\"timed_out\"}"), 0.0);
    assert_eq!(value("paratope_query_duration_seconds_count"), 4.0);
    // Of CREATE TABLE there is one row, which counts.
    assert_eq!(value("paratope_query_rows_total"), 201.0);
    assert!(value("paratope_query_bytes_total") > 800.0);
    assert_eq!(value("paratope_queries_running"), 0.0);
    assert_eq!(value("paratope_sessions"), 1.0);
    assert!(value("paratope_memory_limit_bytes") > 0.0);
    assert!(value("paratope_process_resident_memory_bytes") > 1e6);
    assert!(value("paratope_commits_total{outcome=\"committed\"}") >= 1.0);
    for outcome in ["hit", "miss"] {
        for cache in ["snapshot", "parquet_footer"] {
            let series =
                format!("paratope_cache_requests_total{{cache=\"{cache}\",outcome=\"{outcome}\"}}");
            assert!(value(&series) >= 1.0, "{series}:\n{told}");
        }
    }
    let gets = "paratope_object_store_requests_total{operation=\"get\",outcome=\"ok\"}";
    assert!(value(gets) >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_told_while_all_threads_compute() {
    let server = Server::start("");
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut client = server.client().await;
        busy.push(tokio::spawn(
            async move { client.run(&endless("busy")).await },
        ));
    }
    server.until(|| {
        server
            .get("/metrics")
            .contains("paratope_queries_running 4")
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        for path in ["/metrics", "/healthz"] {
            let start = Instant::now();
            server.get(path);
            slowest = slowest.max(start.elapsed());
        }
    }
    // Milliseconds on a machine that does nothing else; whether an answer waits for a batch is what counts.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    busy.into_iter().for_each(|task| task.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_is_logged_once_with_its_outcome_and_without_its_literals() {
    let server = Server::start("[server.limits]\nstatement_timeout_s = 15");
    let mut client = server.client().await;
    let good = format!("SELECT '{LITERAL}' AS good");
    client.run(&good).await.unwrap();
    let bad = format!("SELECT CAST(column1 AS INT) AS bad FROM (VALUES ('{LITERAL}'))");
    let told = client.run(&bad).await.unwrap_err();
    assert!(told.contains(LITERAL), "who asked may read it: {told}");
    client.run("SELECT * FROM unknown_table").await.unwrap_err();
    let mut slow = server.client().await;
    let late = tokio::spawn(async move { slow.run(&endless("late")).await });
    let mut other = server.client().await;
    let stopped = tokio::spawn(async move { other.run(&endless("stopped")).await });
    let id = loop {
        let live = client
            .run("SELECT query_id, statement FROM system.queries")
            .await
            .unwrap();
        if let Some(row) = live.iter().find(|row| row[1].contains("stopped")) {
            assert!(row[1].contains("generate_series(?, ?)"), "{row:?}");
            break row[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    client.run(&format!("KILL QUERY '{id}'")).await.unwrap();
    stopped.await.unwrap().unwrap_err();
    late.await.unwrap().unwrap_err();
    let (log, folder) = server.stop();

    let rows = folder.query(
        "SELECT query_id, status, statement, error, started_at IS NULL AS unplanned, ended_at >= enqueued_at AS ordered \
         FROM system.query_log ORDER BY enqueued_at",
    );
    let of = |name: &str| -> Value {
        let found: Vec<&Value> = rows
            .iter()
            .filter(|row| {
                let statement = row["statement"].as_str().unwrap();
                statement.contains(name) && !statement.starts_with("KILL")
            })
            .collect();
        assert_eq!(found.len(), 1, "{name}: {rows:#?}");
        assert_eq!(found[0]["ordered"], true, "{rows:#?}");
        found[0].clone()
    };
    for (name, status, error) in [
        ("AS good", "succeeded", ""),
        ("AS bad", "failed", "Int32"),
        ("unknown_table", "failed", "unknown_table"),
        ("AS late", "timed_out", "timeout"),
        ("AS stopped", "cancelled", "KILL QUERY of"),
    ] {
        let row = of(name);
        assert_eq!(row["status"], status, "{row:#}");
        let told = row["error"].as_str().unwrap_or_default();
        assert!(told.contains(error), "{row:#}");
        let line = log.ended(row["query_id"].as_str().unwrap());
        assert_eq!(line["status"], status, "{line:#}");
        assert_eq!(line["statement"], row["statement"], "{line:#}");
        assert_eq!(line["error"].as_str().unwrap_or_default(), told, "{line:#}");
        for number in ["rows", "bytes", "queue_s", "run_s", "peak_memory_bytes"] {
            assert!(line[number].is_number(), "{number}: {line:#}");
        }
        assert!(line["user"].is_string(), "{line:#}");
    }
    assert_eq!(of("AS good")["statement"], "SELECT ? AS good");
    assert_eq!(of("unknown_table")["unplanned"], true);
    assert_eq!(of("AS late")["unplanned"], false);
    assert!(!serde_json::to_string(&rows).unwrap().contains(LITERAL));
    assert!(!log.text().contains(LITERAL), "{}", log.text());
    let ids: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row["query_id"].as_str())
        .collect();
    assert_eq!(ids.len(), rows.len(), "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_engine_carry_the_id_of_their_statement() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("two.fasta");
    std::fs::write(&file, ">empty\n>whole\nEVQLVESGGGLVQPGGSLRLSCAAS\n").unwrap();
    let server = Server::start(&format!("[access]\nread = [{:?}]", files.path()));
    let mut client = server.client().await;
    let rows = client
        .run(&format!("SELECT * FROM read_fasta({:?})", file).replace('"', "'"))
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let (log, _folder) = server.stop();
    let line = log.line("a record could not be read");
    let id = line["span"]["query_id"].as_str().unwrap();
    assert_eq!(log.ended(id)["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_told_nowhere() {
    use argon2::password_hash::{PasswordHasher as _, SaltString};
    let right = "right-password-hush";
    let wrong = "wrong-password-hush";
    let keys = ["storage-key-hush", "account-key-hush", "session-token-hush"];
    let salt = SaltString::encode_b64(b"sixteen bytes it").unwrap();
    let hash = argon2::Argon2::default()
        .hash_password(right.as_bytes(), &salt)
        .unwrap()
        .to_string();
    let files = tempfile::tempdir().unwrap();
    let users = files.path().join("users.toml");
    let user = format!("[[users]]\nname = 'ana'\npassword = '{hash}'\nrole = 'admin'\n");
    std::fs::write(&users, user).unwrap();
    let server = Server::start(&format!(
        "[server.auth]\nusers = {users:?}\n[access]\nread = ['s3://bucket/open']\n\
         [storage]\nendpoint = 'http://127.0.0.1:9'\nallow_http = true\nretries = 0\nregion = 'r'\naccess_key_id = 'id'\n\
         secret_access_key = '{}'\naccount_key = '{}'\nsession_token = '{}'\n",
        keys[0], keys[1], keys[2]
    ));
    let mut told = String::new();
    let mut intruder = server.client().await;
    if let Err(error) = intruder.sign_in("ana", wrong).await {
        told.push_str(&error);
    }
    let mut client = server.client().await;
    client.sign_in("ana", right).await.unwrap();
    client
        .run("CREATE TABLE t AS SELECT 1 AS id")
        .await
        .unwrap();
    let mut busy = server.client().await;
    busy.sign_in("ana", right).await.unwrap();
    let literal = format!(
        "SELECT sum(value) AS busy FROM generate_series(1, 1000000000000) WHERE CAST(value AS TEXT) <> '{LITERAL}'"
    );
    let busy = tokio::spawn(async move { busy.run(&literal).await });
    let masked = loop {
        let live = client.run("SHOW QUERIES").await.unwrap();
        if !live.is_empty() {
            break live;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    told.push_str(&format!("{masked:?}"));
    for statement in [
        "SHOW ALL",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM t",
        "EXPLAIN VERBOSE SELECT * FROM t",
        "EXPLAIN ANALYZE SELECT * FROM t",
        "DESCRIBE DETAIL t",
        "DESCRIBE HISTORY t",
        "SELECT * FROM system.catalog",
        "SELECT * FROM 's3://bucket/open/x.parquet'",
        "SELECT * FROM 's3://bucket/shut/x.parquet'",
        "SET paratope.storage.secret_access_key = 'x'",
        "SELECT * FROM no_such_table",
        "CREATE EXTERNAL TABLE e STORED AS DELTA LOCATION 's3://bucket/open/e'",
    ] {
        match client.run(statement).await {
            Ok(rows) => told.push_str(&format!("{rows:?}")),
            Err(error) => told.push_str(&error),
        }
    }
    let metrics = server.get("/metrics");
    busy.abort();
    let (log, folder) = server.stop();
    let kept = folder.query("SELECT * FROM system.query_log");
    told.push_str(&metrics);
    told.push_str(&log.text());
    told.push_str(&serde_json::to_string(&kept).unwrap());
    assert!(told.contains("statement ended"), "{told}");
    let own = [right, wrong, LITERAL, hash.as_str()];
    for secret in own.into_iter().chain(keys) {
        let at = told.find(secret);
        let around = at.map(|at| {
            let start = told[..at]
                .char_indices()
                .rev()
                .nth(200)
                .map_or(0, |(start, _)| start);
            &told[start..at + secret.len()]
        });
        assert_eq!(around, None, "{secret} was told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_more_of_its_log_than_what_gathered_last() {
    let server = Server::start("");
    let mut client = server.client().await;
    client.run("SELECT 1 AS early").await.unwrap();
    let count = "SELECT count(*) AS n FROM system.query_log WHERE statement LIKE '%early%'";
    let start = Instant::now();
    while server.folder().query(count)[0]["n"] != 1 {
        assert!(start.elapsed() < WAIT, "entries are written while it runs");
        std::thread::sleep(Duration::from_millis(500));
    }
    client.run("SELECT 1 AS last").await.unwrap();
    let folder = server.kill();
    let rows = folder.query("SELECT statement, status FROM system.query_log");
    assert!(
        rows.iter()
            .any(|row| row["statement"] == "SELECT ? AS early"),
        "{rows:#?}"
    );
    let server = Server::over(folder, "");
    let mut client = server.client().await;
    client.run("SELECT 1 AS after").await.unwrap();
    let (_log, folder) = server.stop();
    let rows = folder.query("SELECT DISTINCT statement FROM system.query_log");
    for name in ["early", "after"] {
        let statement = format!("SELECT ? AS {name}");
        assert!(
            rows.iter()
                .any(|row| row["statement"] == statement.as_str()),
            "{name}: {rows:#?}"
        );
    }
}
