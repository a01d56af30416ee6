//! Rows that many nodes write: one commit, nothing lost, nothing left in between.

use std::path::Path;
use std::time::{Duration, Instant};

use tests::binary::Paratope;
use tests::flight::{Client, Table, refused};
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::s3::S3Server;
use tests::server::Server;
use tonic::Code;

/// Rows of a table as one number that changes with any of them.
async fn sum(client: &mut Client, table: &str) -> String {
    let sql = format!(
        "SELECT concat(count(*), ':', count(DISTINCT sequence_id || source_file || domain_index), ':', sum(length(cdr3))) FROM {table}"
    );
    client.value(&sql).await
}

/// Chains with a column that is computed, numbering each so many times.
fn numbered(times: usize) -> String {
    let numbers: Vec<String> = (1..=times)
        .map(|it| format!("SELECT {it} AS value"))
        .collect();
    let again = numbers.join(" UNION ALL ");
    format!(
        "SELECT c.sequence_id, c.source_file, c.domain_index, c.chain, c.species, \
         max(ab_cdr3(repeat('Q', CAST(n.value AS INT)) || c.sequence_aa)) AS cdr3 \
         FROM chains c CROSS JOIN ({again}) n GROUP BY 1, 2, 3, 4, 5"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_write_what_they_compute_and_the_server_commits_it_once() {
    let s3 = S3Server::start();
    let paratope = Paratope::on_s3(&s3, "lake");
    paratope.run(["quickstart"]).expect_code(0);
    let nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let settings = format!(
        "[cluster]\nworkers = {}\n{EVERYTHING_TRAVELS}",
        addresses(&nodes)
    );
    let folder = || tempfile::tempdir().unwrap();
    let cluster = Server::over(paratope.clone(), folder(), &settings);
    let single = Server::over(paratope.clone(), folder(), "");
    let (mut cluster, mut single) = (cluster.client().await, single.client().await);
    let rows = numbered(1);
    let create = |name: &str| {
        format!(
            "CREATE TABLE {name} PARTITIONED BY (chain, species) TBLPROPERTIES ('paratope.sortColumns' = 'cdr3') AS {rows}"
        )
    };
    single.query(&create("here")).await.unwrap();
    s3.faults().forget();
    cluster.query(&create("there")).await.unwrap();
    let (here, there) = (
        sum(&mut cluster, "here").await,
        sum(&mut cluster, "there").await,
    );
    assert_eq!(here, there);
    // Each node wrote files of its own: more than the one for each partition that one writer makes.
    let written = |name: &str| {
        let part = format!("/main/{name}");
        let puts = s3.faults().seen().into_iter().filter(|it| {
            it.path.contains(&part) && it.path.ends_with(".parquet") && it.method != "GET"
        });
        puts.count()
    };
    let parts = "SELECT count(*) FROM (SELECT DISTINCT chain, species FROM here) p";
    let parts: usize = single.value(parts).await.parse().unwrap();
    assert!(written("there") > parts, "{} of {parts}", written("there"));
    // The same through INSERT, onto what is there; then in its place.
    for server in [&mut single, &mut cluster] {
        server.query("CREATE TABLE IF NOT EXISTS twice (sequence_id STRING, source_file STRING, domain_index INT, chain STRING, species STRING, cdr3 STRING NOT NULL)").await.unwrap();
        let full = format!("INSERT INTO twice SELECT * FROM ({rows}) AS r WHERE cdr3 IS NOT NULL");
        server.query(&full).await.unwrap();
    }
    let half = "SELECT concat(count(*) % 2, count(*) / 2) FROM twice";
    let full = "SELECT concat('0', count(*)) FROM here WHERE cdr3 IS NOT NULL";
    assert_eq!(cluster.value(half).await, single.value(full).await);
    let overwrite =
        format!("INSERT OVERWRITE twice SELECT * FROM ({rows}) AS r WHERE cdr3 IS NOT NULL");
    cluster.query(&overwrite).await.unwrap();
    let once = "SELECT concat('0', count(*)) FROM twice";
    assert_eq!(cluster.value(once).await, single.value(full).await);
    // What a row may not hold is said in the same words, and nothing is changed.
    let before = cluster.value(once).await;
    let wrong = format!("INSERT INTO twice {rows}");
    for server in [&mut single, &mut cluster] {
        let answer = server.query(&wrong).await;
        refused(
            answer,
            Code::InvalidArgument,
            &["column cdr3 may not be NULL"],
        );
    }
    assert_eq!(cluster.value(once).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_while_it_writes_costs_no_row_and_its_files_fall_to_vacuum() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"))
        .with("PARATOPE__MAINTENANCE__ORPHAN_HOURS", "0")
        .with("PARATOPE__MAINTENANCE__VACUUM_FLOOR_HOURS", "0");
    paratope.run(["quickstart"]).expect_code(0);
    let mut nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let server = Server::over(paratope.clone(), folder, &settings);
    let mut client = server.client().await;
    let rows = numbered(2);
    client
        .query(&format!("CREATE TABLE whole AS {rows}"))
        .await
        .unwrap();
    let since = Instant::now();
    client
        .query(&format!("CREATE TABLE again AS {rows}"))
        .await
        .unwrap();
    let usual = since.elapsed();
    let expected = sum(&mut client, "whole").await;
    let mut made = 0;
    for (round, share) in [0.9, 0.6].into_iter().enumerate() {
        let mut busy = client.clone();
        let create = format!("CREATE TABLE killed_{round} AS {rows}");
        let writing = tokio::spawn(async move { busy.query(&create).await });
        tokio::time::sleep(usual.mul_f64(share)).await;
        nodes.remove(0).signal("KILL");
        let answer = tokio::time::timeout(Duration::from_secs(120), writing).await;
        match answer.expect("an end").unwrap() {
            Ok(_) => {
                made += 1;
                assert_eq!(sum(&mut client, &format!("killed_{round}")).await, expected);
            }
            Err(status) => {
                refused(Err::<(), _>(status), Code::Unavailable, &["again"]);
                let missing = client.query(&format!("SELECT 1 FROM killed_{round}")).await;
                refused(missing, Code::NotFound, &["killed_"]);
            }
        }
    }
    assert!(made > 0, "nothing was sent again");
    // What the attempts that failed left behind is no part of any version, and VACUUM finds it.
    for name in ["whole", "killed_0", "killed_1"] {
        let Ok(detail) = client.query(&format!("DESCRIBE DETAIL {name}")).await else {
            continue;
        };
        let vacuum = format!("VACUUM {name} RETAIN 0 HOURS");
        client.query(&vacuum).await.unwrap();
        let location = detail.texts("location").concat();
        let folder = location.strip_prefix("file://").unwrap_or(&location);
        let files: i64 = shown(&detail, "files").parse().unwrap();
        assert_eq!(parquet_files(Path::new(folder)), files, "{name}");
        assert_eq!(sum(&mut client, name).await, expected);
    }
}

/// The cell of the only row.
fn shown(table: &Table, column: &str) -> String {
    let batch = table.batches.iter().find(|batch| batch.num_rows() > 0);
    let column = batch.unwrap().column_by_name(column).unwrap();
    arrow::util::display::array_value_to_string(column, 0).unwrap()
}

/// Data files in a folder.
fn parquet_files(folder: &Path) -> i64 {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true if path.ends_with("_delta_log") => 0,
            true => parquet_files(&path),
            false => i64::from(path.extension().is_some_and(|it| it == "parquet")),
        })
        .sum()
}
