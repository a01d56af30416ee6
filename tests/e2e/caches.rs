//! What was read once is not read again: seen by the requests that reach a real S3 server.

use tests::binary::Paratope;
use tests::faults::Seen;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::s3::S3Server;
use tests::server::Server;

/// Reads most columns of all chains, and computes with them.
const ALL: &str = "SELECT chain, count(DISTINCT sequence_aa) AS sequences, max(ab_cdr3(v_domain_aa)) AS cdr3, \
    round(avg(v_identity), 4) AS identity FROM chains GROUP BY chain ORDER BY chain";

/// Requests that read objects, but those of the log's tail: whether there is a new version, and the hints beside it.
fn reads(seen: &[Seen]) -> Vec<String> {
    let reads = seen.iter().filter(|request| {
        let is_tail =
            request.path.contains("/_delta_log/") || request.path.ends_with("/_delta_log");
        request.method == "GET" && !is_tail && !request.path.is_empty()
    });
    reads
        .map(|request| request.path.clone())
        .filter(|path| path.contains(".parquet"))
        .collect()
}

/// Versions and checkpoints of `chains` that were read.
fn log_reads(seen: &[Seen]) -> Vec<String> {
    let log = seen.iter().filter(|request| {
        request.method == "GET"
            && request.path.contains("/chains/_delta_log/0")
            && request.status == Some(200)
    });
    log.map(|request| request.path.clone()).collect()
}

/// Asks the same three times, and tells the reads of the first and of the last.
async fn asked(s3: &S3Server, server: &Server) -> (Vec<String>, Vec<String>) {
    let mut client = server.client().await;
    s3.faults().forget();
    let first = client.query(ALL).await.unwrap();
    let cold = reads(&s3.faults().seen());
    client.query(ALL).await.unwrap();
    s3.faults().forget();
    let last = client.query(ALL).await.unwrap();
    let seen = s3.faults().seen();
    assert_eq!(log_reads(&seen), [""; 0]);
    let warm = reads(&seen);
    let shown = |table: &tests::flight::Table| {
        arrow::util::pretty::pretty_format_batches(&table.batches)
            .unwrap()
            .to_string()
    };
    assert_eq!(shown(&first), shown(&last));
    (cold, warm)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_repeated_reads_no_data_again_on_one_process_and_on_nodes() {
    let s3 = S3Server::start();
    let paratope = Paratope::on_s3(&s3, "lake");
    paratope.run(["quickstart"]).expect_code(0);
    let folder = || tempfile::tempdir().unwrap();

    let single = Server::over(paratope.clone(), folder(), "");
    let (cold, warm) = asked(&s3, &single).await;
    assert!(!cold.is_empty());
    assert_eq!(warm, [""; 0]);
    let metrics = single.get("/metrics").unwrap().1;
    assert!(
        metrics.contains("paratope_cache_requests_total{cache=\"object_range\",outcome=\"hit\"}")
    );

    let without = "[cache]\nmemory_bytes = 0\n";
    let (_, again) = asked(&s3, &Server::over(paratope.clone(), folder(), without)).await;
    assert!(!again.is_empty(), "the switch does nothing");

    let nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let cluster = Server::over(paratope, folder(), &settings);
    let (cold, warm) = asked(&s3, &cluster).await;
    assert!(!cold.is_empty());
    assert_eq!(warm, [""; 0]);
    // EXPLAIN ANALYZE tells what each scan had from the cache, here and on nodes.
    for server in [&single, &cluster] {
        let mut client = server.client().await;
        let analyzed = client
            .query(&format!("EXPLAIN ANALYZE {ALL}"))
            .await
            .unwrap();
        let plan = analyzed.texts("plan").concat();
        let counts = |name: &str| -> Vec<u64> {
            let named = format!("{name}=");
            let values = plan.split(named.as_str()).skip(1);
            values
                .map(|rest| rest.split(|it: char| !it.is_ascii_digit()).next().unwrap())
                .map(|digits| digits.parse().unwrap())
                .collect()
        };
        assert!(counts("cached_ranges").iter().sum::<u64>() > 0, "{plan}");
        assert_eq!(counts("fetched_ranges").iter().sum::<u64>(), 0, "{plan}");
    }
}
