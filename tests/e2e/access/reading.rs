//! Files, globs, buckets and the network, read by statements.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_and_the_lake_are_reached() {
    let server = Server::start().await;
    let (open, out) = (server.path("open"), server.path("out"));
    for sql in [
        format!("SELECT * FROM read_fasta('{open}/a.fa')"),
        format!("SELECT * FROM read_fasta('{open}/*.fa')"),
        format!("SELECT * FROM read_fasta('{open}/sub/../a.fa')"),
        format!("SELECT * FROM '{open}/a.parquet'"),
        format!("SELECT * FROM 'file://{open}/%61.parquet'"),
        format!(
            "CREATE EXTERNAL TABLE e STORED AS PARQUET LOCATION '{open}/a.parquet'; SELECT * FROM e"
        ),
        format!("COPY (SELECT 1) TO '{out}/new/x.csv' STORED AS CSV"),
        "SELECT count(*) FROM chains".to_string(),
        "SELECT * FROM system.catalog LIMIT 1".to_string(),
    ] {
        assert_eq!(server.run(&sql).await.unwrap(), 1, "{sql}");
    }
    assert!(server.root.join("out/new/x.csv").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_not_listed_are_not_read() {
    let server = Server::start().await;
    let (open, secret) = (server.path("open"), server.path("secret"));
    for place in [
        format!("{secret}/s.parquet"),
        format!("{secret}/none.parquet"),
        format!("file://{secret}/s.parquet"),
        format!("{open}/../secret/s.parquet"),
        format!("file://{open}/%2e%2e/secret/s.parquet"),
        format!("file://{open}/%2E./secret/s.parquet"),
        format!("{open}/sub/link.parquet"),
        format!("file://{open}/sub/link.parquet"),
        "file:///etc/passwd".to_string(),
        "/etc/passwd".to_string(),
        "/etc/".to_string(),
        "/".to_string(),
        "file:///".to_string(),
        format!("/proc/self/root{secret}/s.parquet"),
    ] {
        server.refuses(&format!("SELECT * FROM '{place}'")).await;
        for format in ["PARQUET", "CSV", "JSON", "ARROW"] {
            let sql = format!("CREATE EXTERNAL TABLE t STORED AS {format} LOCATION '{place}'");
            server.refuses(&sql).await;
        }
        server
            .refuses(&format!(
                "CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{place}'"
            ))
            .await;
        for function in [
            "read_fasta",
            "read_airr",
            "read_oas",
            "read_pdb",
            "read_mmcif",
            "read_10x",
            "read_sabdab",
            "read_table",
        ] {
            server
                .refuses(&format!("SELECT * FROM {function}('{place}')"))
                .await;
        }
    }
    // An encoded slash makes no way up: it is no path at all.
    let outcome = server
        .run(&format!(
            "SELECT * FROM 'file://{open}/sub/..%2f../a.parquet'"
        ))
        .await;
    assert!(matches!(outcome, Err(Error::Invalid(_))), "{outcome:?}");
    for place in [server.path("open/sub/link.fa"), server.path("secret/s.fa")] {
        server
            .refuses(&format!("SELECT * FROM read_fasta('{place}')"))
            .await;
        server.store_refuses(&place).await;
    }
    for place in ["/etc/passwd", "/etc/new", "/proc/self/environ"] {
        server.store_refuses(place).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_glob_is_checked_on_what_it_expands_to() {
    let server = Server::start().await;
    let (open, secret) = (server.path("open"), server.path("secret"));
    for glob in [
        format!("{open}/sub/*.fa"),
        format!("{open}/**/*.fa"),
        format!("{secret}/*.fa"),
        format!("{open}/../secret/*.fa"),
        "/*".to_string(),
    ] {
        server
            .refuses(&format!("SELECT * FROM read_fasta('{glob}')"))
            .await;
    }
    for glob in [
        format!("{open}/sub/*.parquet"),
        format!("{secret}/*.parquet"),
    ] {
        let sql = format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{glob}'");
        server.refuses(&sql).await;
    }
    server
        .refuses(&format!("SELECT * FROM read_fasta('{open}/sub')"))
        .await;
    symlink(&secret, server.root.join("open/folder")).unwrap();
    server
        .refuses(&format!("SELECT * FROM read_fasta('{open}/folder/*.fa')"))
        .await;
    server
        .refuses(&format!("SELECT * FROM read_fasta('{open}/*/*.fa')"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_buckets_and_the_network_are_not_asked() {
    let server = Server::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for place in [
        format!("http://{address}/latest/meta-data/x.csv"),
        format!("https://{address}/x.csv"),
        "s3://elsewhere/x.csv".to_string(),
        "gs://elsewhere/x.csv".to_string(),
        "az://elsewhere/x.csv".to_string(),
    ] {
        server.refuses(&format!("SELECT * FROM '{place}'")).await;
        server
            .refuses(&format!("SELECT * FROM read_fasta('{place}')"))
            .await;
        server
            .refuses(&format!(
                "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{place}'"
            ))
            .await;
        server
            .refuses(&format!(
                "CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{place}'"
            ))
            .await;
        let store = server.store(&place);
        assert!(matches!(store, Err(Error::Denied(_))), "{place}: {store:?}");
    }
    let asked = listener.accept();
    assert!(asked.is_err(), "somebody asked: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_listed_bucket_only_the_listed_prefix_is_reached() {
    let s3 = tests::s3::S3Server::start();
    let mut config = s3.config("data/lake");
    config.access.read = vec![s3.url("data")];
    let lake = Lake::open_or_init(&config).await.unwrap();
    for name in ["data/a.fa", "database/b.fa", "c.fa"] {
        let file = s3.bucket_folder().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, PROTEIN).unwrap();
    }
    let access = Access::listed(&config).unwrap();
    let session = Session::new(Some(lake), &config, access).unwrap();
    let read = |place: &str| format!("SELECT * FROM read_fasta('{}')", s3.url(place));
    assert_eq!(run(&session, &read("data/a.fa")).await.unwrap(), 1);
    assert_eq!(run(&session, &read("data/*.fa")).await.unwrap(), 1);
    assert_eq!(
        run(&session, "SELECT count(*) FROM chains").await.unwrap(),
        1
    );
    for place in [
        "c.fa",
        "*.fa",
        "database/b.fa",
        "data/../c.fa",
        "data/%2e%2e/c.fa",
        "data/lake/_paratope/lake.json",
        "data/lake/main/chains",
    ] {
        let outcome = run(&session, &read(place)).await;
        assert!(
            matches!(outcome, Err(Error::Denied(_))),
            "{place}: {outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lakes_own_files_are_reached_by_the_names_of_tables_only() {
    let mut server = Server::start().await;
    // Even where everything round the lake is listed.
    server.config.access.read = vec![server.root.display().to_string(), "/".into()];
    let access = Access::listed(&server.config).unwrap();
    server.session = Session::new(Some(Arc::clone(&server.lake)), &server.config, access).unwrap();
    let log = "lake/main/chains/_delta_log/00000000000000000000.json";
    let plan = server.lake.storage().store_url().unwrap();
    symlink(
        server.root.join("lake/main"),
        server.root.join("open/alias"),
    )
    .unwrap();
    for place in [
        server.path(log),
        format!("file://{}", server.path(log)),
        server.path("lake/_paratope/lake.json"),
        server.path("open/../lake/_paratope/lake.json"),
        server.path("open/alias/chains/_delta_log/00000000000000000000.json"),
    ] {
        server.refuses(&format!("SELECT * FROM '{place}'")).await;
        server
            .refuses(&format!(
                "CREATE EXTERNAL TABLE t STORED AS JSON LOCATION '{place}'"
            ))
            .await;
        server
            .store_refuses(&place.replace("file://", "").replace("/open/..", ""))
            .await;
    }
    let table = server.path("lake/main/chains");
    server
        .refuses(&format!(
            "CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{table}'"
        ))
        .await;
    // The name by which plans know the lake's own store is no location.
    for sql in [
        format!("SELECT * FROM '{plan}{}'", server.path(log)),
        format!("SELECT * FROM read_fasta('{plan}{}')", server.path(log)),
        format!(
            "CREATE EXTERNAL TABLE t STORED AS JSON LOCATION '{plan}{}'",
            server.path(log)
        ),
        format!(
            "COPY (SELECT 1) TO '{plan}{}/x.csv' STORED AS CSV",
            server.path("lake")
        ),
    ] {
        let outcome = server.run(&sql).await;
        assert!(
            matches!(outcome, Err(Error::Unsupported(_))),
            "{sql}: {outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistyped_table_is_a_table_that_does_not_exist() {
    let server = Server::start().await;
    let error = server
        .run("SELECT * FROM chians")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("chians") && !error.contains("[access]"),
        "{error}"
    );
}
