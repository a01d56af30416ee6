//! What statements write, open past the stores, ingest and set.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_where_it_is_not_listed() {
    let server = Server::start().await;
    let before = std::fs::read(server.root.join("secret/s.parquet")).unwrap();
    for place in [
        server.path("secret/s.parquet"),
        server.path("secret/new.parquet"),
        server.path("open/new.parquet"),
        server.path("out/../secret/new.parquet"),
        server.path("out/secret/new.parquet"),
        format!("file://{}/%2e%2e/secret/new.parquet", server.path("out")),
        server.path("lake/main/chains/new.parquet"),
        server.path("lake/main/chains/_delta_log/00000000000000000009.json"),
        "/etc/new.parquet".to_string(),
        "s3://elsewhere/new.parquet".to_string(),
        "https://127.0.0.1/new.parquet".to_string(),
    ] {
        for format in ["parquet", "csv", "json", "airr", "fasta"] {
            let rows = "SELECT 'a' AS sequence_id, 'EVQ' AS sequence_aa";
            server
                .refuses(&format!("COPY ({rows}) TO '{place}' STORED AS {format}"))
                .await;
        }
        server
            .refuses(&format!(
                "EXPLAIN ANALYZE COPY (SELECT 1 AS n) TO '{place}' STORED AS PARQUET"
            ))
            .await;
        if let Some(path) = place.strip_prefix('/').filter(|path| !path.contains("..")) {
            server.store_refuses_to_write(StorePath::from(path)).await;
        }
    }
    assert_eq!(
        std::fs::read_dir(server.root.join("secret"))
            .unwrap()
            .count(),
        3
    );
    assert_eq!(
        std::fs::read(server.root.join("secret/s.parquet")).unwrap(),
        before
    );
    assert!(!Path::new("/etc/new.parquet").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_would_go_round_the_stores_are_refused() {
    let server = Server::start().await;
    let place = server.path("secret/s.csv");
    for sql in [
        format!("CREATE UNBOUNDED EXTERNAL TABLE t (n INT) STORED AS CSV LOCATION '{place}'"),
        format!(
            "CREATE EXTERNAL TABLE t (n INT) STORED AS CSV LOCATION '{place}' OPTIONS ('unbounded' 'true')"
        ),
        format!(
            "CREATE EXTERNAL TABLE t (n INT) STORED AS CSV LOCATION '{place}' OPTIONS ('format.unbounded' 'TRUE')"
        ),
    ] {
        let outcome = server.run(&format!("{sql}; SELECT * FROM t")).await;
        let is_refused = matches!(outcome, Err(Error::Unsupported(_) | Error::Denied(_)));
        assert!(is_refused, "{sql}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_takes_what_is_listed_and_reports_the_rest() {
    let server = Server::start().await;
    let inputs = [
        "open/a.fa",
        "secret/s.fa",
        "open/sub/*.fa",
        "open/../secret/s.fa",
    ];
    let inputs: Vec<String> = inputs.iter().map(|name| server.path(name)).collect();
    let progress = Arc::new(Progress::default());
    let access = server.session.access();
    let options = IngestOptions::default();
    let summary = ingest(&server.lake, access, &inputs, &options, &progress)
        .await
        .unwrap();
    let failed: Vec<_> = summary
        .inputs
        .iter()
        .filter_map(|input| input.error.clone())
        .collect();
    assert_eq!(failed.len(), 3, "{summary:?}");
    assert!(
        failed.iter().all(|error| error.contains("[access]")),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_process_are_not_the_sessions() {
    let server = Server::start().await;
    let temp = server.path("secret");
    for sql in [
        "SET datafusion.runtime.memory_limit = '100G'".to_string(),
        format!("SET datafusion.runtime.temp_directory = '{temp}'"),
        "RESET datafusion.runtime.memory_limit".to_string(),
        format!("SET datafusion.catalog.location = '{temp}'"),
        "SET datafusion.catalog.default_catalog = 'x'".to_string(),
        "SET datafusion.sql_parser.enable_ident_normalization = false".to_string(),
    ] {
        let outcome = server.run(&sql).await;
        assert!(
            matches!(outcome, Err(Error::Denied(_))),
            "{sql}: {outcome:?}"
        );
    }
    for sql in [
        "SET datafusion.execution.batch_size = 100",
        "RESET datafusion.execution.batch_size",
        "SET timezone = 'Europe/Berlin'",
        "RESET timezone",
        "SET datafusion.optimizer.prefer_hash_join = false",
    ] {
        server.run(sql).await.unwrap();
    }
    // Stores, memory and functions are still those that the session was made with.
    server.refuses("SELECT * FROM '/etc/passwd'").await;
    assert_eq!(server.run("SELECT count(*) FROM chains").await.unwrap(), 1);
}
