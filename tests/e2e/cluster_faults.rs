//! What becomes of a cluster whose server dies or whose object store fails.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tests::binary::Paratope;
use tests::faults::{Answer, Fault, Rule};
use tests::flight::{Client, refused};
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::s3::S3Server;
use tests::server::Server;
use tonic::Code;

/// The body of a page of a node.
pub(super) fn page(node: &Node, path: &str) -> String {
    let address = node.http().expect("a node with --http");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n")
        .map(|(_, body)| body.to_string())
        .unwrap_or_default()
}

fn tasks(node: &Node) -> u64 {
    let metrics = page(node, "/metrics");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("paratope_node_tasks_running "));
    let line = line.unwrap_or_else(|| panic!("{metrics}"));
    line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
}

fn until(what: &str, most: Duration, is_so: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < most, "{what}: not within {most:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_server_that_dies_are_idle_soon_and_its_change_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let http = ["--http", "127.0.0.1:0"];
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &http)).collect();
    assert!(page(&nodes[0], "/healthz").contains("ok"));
    assert!(page(&nodes[0], "/readyz").contains("0 tasks run"));
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let server = Server::over(paratope.clone(), folder, &settings);
    let mut client = server.client().await;
    let chains = "SELECT count(*) FROM chains";
    let before = client.value(chains).await;
    let copied = minutes();
    let changes = [
        format!("CREATE TABLE copied AS {copied}"),
        format!("UPDATE chains SET cdr3_aa = 'X' WHERE cdr3_aa IN ({copied})"),
    ];
    let mut writing = Vec::new();
    for change in changes {
        let mut client = server.client().await;
        writing.push(tokio::spawn(async move { client.query(&change).await }));
    }
    until("work", Duration::from_secs(60), || {
        nodes.iter().all(|node| tasks(node) > 0)
    });
    let (paratope, _folder) = server.kill();
    for change in writing {
        assert!(change.await.unwrap().is_err());
    }
    for node in &nodes {
        until("idle", Duration::from_secs(5), || tasks(node) == 0);
    }
    assert_eq!(paratope.value(chains).to_string(), before);
    assert_eq!(
        paratope.count("SELECT count(*) FROM chains WHERE cdr3_aa = 'X'"),
        0
    );
    paratope
        .run(["query", "-c", "SELECT * FROM copied"])
        .expect_code(1)
        .expect_message(&["copied"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_for_a_while_is_asked_again_and_one_that_stays_so_is_named() {
    let s3 = S3Server::start();
    let paratope = Paratope::on_s3(&s3, "lake")
        .with("PARATOPE__STORAGE__RETRIES", "3")
        .with("PARATOPE__STORAGE__REQUEST_TIMEOUT_S", "5")
        .with("PARATOPE__CACHE__MEMORY_BYTES", "0");
    paratope.run(["quickstart"]).expect_code(0);
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &[])).collect();
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let folder = tempfile::tempdir().unwrap();
    let cluster = Server::over(paratope, folder, &settings);
    let mut client = cluster.client().await;
    let sql = "SELECT chain, count(DISTINCT cdr3_aa) AS n, max(ab_cdr3(v_domain_aa)) AS c FROM chains GROUP BY 1 ORDER BY 1";
    let rows = |table: &tests::flight::Table| {
        arrow::util::pretty::pretty_format_batches(&table.batches)
            .unwrap()
            .to_string()
    };
    let expected = rows(&client.query(sql).await.unwrap());
    let data = r"/part-[^/]*\.parquet";
    for fault in [
        Fault::Instead(Answer::Status(503)),
        Fault::Instead(Answer::Close),
        Fault::Stall(Duration::from_secs(2)),
    ] {
        let before = s3.faults().injected();
        s3.inject(Rule::new("GET", data, fault).times(3));
        assert_eq!(
            rows(&client.query(sql).await.unwrap()),
            expected,
            "{fault:?}"
        );
        assert!(s3.faults().injected() > before, "{fault:?}");
        s3.faults().clear();
    }
    for fault in [
        Fault::Instead(Answer::Status(503)),
        Fault::Stall(Duration::from_secs(60)),
    ] {
        s3.inject(Rule::new("GET", data, fault).times(10_000));
        let answer = tokio::time::timeout(Duration::from_secs(120), client.query(sql)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{fault:?}: no end"));
        refused(answer, Code::Unavailable, &["part-"]);
        s3.faults().clear();
    }
    // It is all over once the store answers again.
    assert_eq!(rows(&client.query(sql).await.unwrap()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_beyond_the_memory_of_a_node_fails_alone_and_the_node_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let narrow = paratope
        .clone()
        .with("PARATOPE__QUERY__MEMORY_BYTES", "16000000");
    let mut nodes: Vec<Node> = (0..2).map(|_| Node::start(&narrow, &[])).collect();
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let server = Server::over(paratope, folder, &settings);
    let mut client = server.client().await;
    let large = format!(
        "SELECT count(DISTINCT c.sequence_aa || '-' || CAST(n.value AS STRING)) FROM chains c CROSS JOIN ({}) n",
        numbers(200)
    );
    let small = "SELECT count(DISTINCT sequence_aa) FROM chains";
    let expected = client.value(small).await;
    for _ in 0..2 {
        let answer = client.query(&large).await;
        refused(answer, Code::ResourceExhausted, &["memory"]);
        // What the tasks of the failed one held is given back when they have ended.
        let since = Instant::now();
        let answer = loop {
            match client.query(small).await {
                Err(status) if since.elapsed() < Duration::from_secs(60) => {
                    refused::<()>(Err(status), Code::ResourceExhausted, &["memory"]);
                }
                answer => break answer.unwrap().value(),
            }
        };
        assert_eq!(answer, expected);
    }
    assert!(nodes.iter_mut().all(Node::is_up));
}

/// Minutes of work: thousands of prefixes of each chain, each longer than the last.
fn minutes() -> String {
    let numbers = numbers(80);
    format!(
        "SELECT max(ab_cdr3(repeat('Q', CAST(80 * n.value + m.value AS INT)) || c.sequence_aa)) AS cdr3 FROM chains c \
        CROSS JOIN ({numbers}) n CROSS JOIN ({numbers}) m GROUP BY c.locus"
    )
}

/// A subquery of so many numbers, which every node can compute.
fn numbers(count: usize) -> String {
    let each = (1..=count).map(|number| format!("SELECT {number} AS value"));
    each.collect::<Vec<_>>().join(" UNION ALL ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_stopped_in_any_way_stops_on_all_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let http = ["--http", "127.0.0.1:0"];
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &http)).collect();
    let workers = addresses(&nodes);
    let settings = format!(
        "[server.limits]\nstatement_timeout_s = 20\n[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}"
    );
    let server = Server::over(paratope, folder, &settings);
    let begin = |mut client: Client| {
        let query = tokio::spawn(async move { client.query(&minutes()).await });
        until("work", Duration::from_secs(60), || {
            nodes.iter().all(|node| tasks(node) > 0)
        });
        query
    };
    let idle = |why: &str| {
        until(why, Duration::from_secs(2), || {
            nodes.iter().all(|node| tasks(node) == 0)
        });
    };

    // Its client goes away.
    begin(server.client().await).abort();
    idle("a client that went away");

    // Somebody stops it.
    let query = begin(server.client().await);
    let mut client = server.client().await;
    let ids = "SELECT query_id FROM system.queries WHERE statement LIKE '%repeat%' AND statement NOT LIKE '%query_id%'";
    let id = client.value(ids).await;
    client.query(&format!("KILL QUERY '{id}'")).await.unwrap();
    idle("KILL QUERY");
    refused(query.await.unwrap(), Code::Cancelled, &["kill query"]);

    // It takes too long.
    let query = begin(server.client().await);
    refused(query.await.unwrap(), Code::DeadlineExceeded, &["20 s"]);
    idle("a timeout");
}
