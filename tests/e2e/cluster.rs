//! The same SQL on several nodes: real worker processes, a real S3 server, nodes that die.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::binary::Paratope;
use tests::flight::{Client, Table, refused};
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::s3::S3Server;
use tests::server::Server;
use tonic::Code;

/// Rows as text, in an order of their own, so that only what they hold is compared.
fn rows(table: &Table) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in &table.batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                arrow::util::display::array_value_to_string(column, row).expect("a text")
            });
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

/// A statement that numbers every chain, each several times over.
const HEAVY: &str = "SELECT c.chain, count(DISTINCT ab_cdr3(repeat('Q', CAST(n.value AS INT)) || c.sequence_aa)) AS cdr3s \
    FROM chains c CROSS JOIN (SELECT 1 AS value UNION ALL SELECT 2) n GROUP BY c.chain ORDER BY c.chain";

/// Queries of many shapes, the same for the same seed.
fn generated(count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(6);
    let mut pick = |of: &[&str]| of[random.random_range(0..of.len())].to_string();
    let keys = [
        "chain",
        "species",
        "v_gene",
        "locus",
        "study_id",
        "productive",
        "length(cdr3_aa)",
    ];
    let filters = [
        "chain = 'heavy'",
        "v_identity > 0.9",
        "cdr3_aa LIKE '%YY%'",
        "species IN ('human', 'mouse')",
        "length(sequence_aa) BETWEEN 100 AND 125",
        "v_gene IS NULL",
        "productive OR duplicate_count > 1",
        "sequence_id IN (SELECT sequence_id FROM chains WHERE cdr3_aa IS NOT NULL)",
        "ab_locus(sequence_aa) = 'IGH'",
        "chain = 'nothing'",
    ];
    let values = [
        "count(*)",
        "count(DISTINCT cdr3_aa)",
        "min(sequence_id)",
        "max(length(sequence_aa))",
        "round(avg(v_identity), 6)",
        "sum(length(cdr3_aa))",
        "max(ab_cdr1(v_domain_aa))",
        "round(avg(protein_mass(cdr3_aa)), 3)",
    ];
    (0..count)
        .map(|nth| {
            let key = pick(&keys);
            let (filter, another) = (pick(&filters), pick(&filters));
            let (value, more) = (pick(&values), pick(&values));
            match nth % 8 {
                0 => format!("SELECT {key} AS k, {value} AS a, {more} AS b FROM chains WHERE {filter} GROUP BY 1"),
                1 => format!("SELECT {value} AS a, {more} AS b FROM chains WHERE {filter} AND {another}"),
                2 => format!("SELECT h.sequence_id, l.sequence_id AS light FROM chains h JOIN chains l ON h.pair_id = l.pair_id AND h.chain < l.chain WHERE h.{}", "cdr3_aa IS NOT NULL"),
                3 => format!("SELECT {key} AS k, cell_id IS NULL AS o, {value} AS a FROM chains WHERE {filter} GROUP BY ROLLUP ({key}, cell_id IS NULL)"),
                4 => format!("SELECT sequence_id, domain_index, row_number() OVER (PARTITION BY {key} ORDER BY sequence_id, source_file, domain_index, source_record) AS n FROM chains WHERE {filter}"),
                5 => format!("SELECT {key} AS k, {value} AS a FROM chains WHERE {filter} GROUP BY 1 UNION ALL SELECT {key}, {value} FROM chains WHERE {another} GROUP BY 1"),
                6 => format!("SELECT DISTINCT {key} AS k, ab_cdr3(v_domain_aa) AS c FROM chains WHERE {filter} AND cdr3_aa IS NOT NULL"),
                _ => format!("WITH g AS (SELECT {key} AS k, count(*) AS n FROM chains GROUP BY 1) SELECT g.k, g.n, {value} AS a FROM chains JOIN g ON g.k IS NOT DISTINCT FROM {key} WHERE {filter} GROUP BY 1, 2 HAVING count(*) > 1"),
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_give_the_same_rows_on_one_process_and_on_three_nodes_over_s3() {
    let s3 = S3Server::start();
    let paratope = Paratope::on_s3(&s3, "lake");
    paratope.run(["quickstart"]).expect_code(0);
    let nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let folder = || tempfile::tempdir().unwrap();
    let settings = format!(
        "[cluster]\nworkers = {}\n{EVERYTHING_TRAVELS}",
        addresses(&nodes)
    );
    let cluster = Server::over(paratope.clone(), folder(), &settings);
    let single = Server::over(paratope.clone(), folder(), "");
    let (mut cluster, mut single) = (cluster.client().await, single.client().await);
    let states = cluster
        .query("SELECT state FROM system.nodes")
        .await
        .unwrap();
    assert_eq!(states.texts("state"), ["ready"; 3]);
    let loads = "SELECT count(*) FROM system.nodes WHERE tasks = 0 AND cached_bytes >= 0";
    assert_eq!(cluster.value(loads).await, "3");
    let mut queries = generated(300);
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/examples")).unwrap()
    {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        queries.push(text.trim().trim_end_matches(';').to_string());
    }
    // One value is asked for, and there are several.
    let several =
        "SELECT count(*), (SELECT sequence_id FROM chains WHERE chain = 'heavy') FROM chains";
    for client in [&mut single, &mut cluster] {
        refused(
            client.query(several).await,
            Code::InvalidArgument,
            &["more than one row"],
        );
    }
    let mut travelled = 0;
    for sql in &queries {
        let here = single.query(sql).await;
        let here = here.unwrap_or_else(|status| panic!("{sql}: {status}"));
        let there = cluster.query(sql).await;
        let there = there.unwrap_or_else(|status| panic!("{sql}: {status}"));
        assert_eq!(here.schema, there.schema, "{sql}");
        assert_eq!(rows(&here), rows(&there), "{sql}");
        let plan = cluster.query(&format!("EXPLAIN {sql}")).await.unwrap();
        travelled += usize::from(plan.texts("plan").concat().contains("DistributedExec"));
    }
    // What reads no table of the lake, or only tiny ones of the session, stays.
    assert!(
        travelled * 10 > queries.len() * 9,
        "{travelled} of {}",
        queries.len()
    );
}

/// A server with nodes that join it by themselves.
struct Joined {
    server: Server,
    nodes: Vec<Node>,
}

impl Joined {
    async fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paratope = Paratope::on(folder.path().join("lake"));
        paratope.run(["quickstart"]).expect_code(0);
        let settings = format!("[cluster]\n{EVERYTHING_TRAVELS}");
        let server = Server::over(paratope, folder, &settings);
        let mut joined = Self {
            server,
            nodes: Vec::new(),
        };
        joined.fill(count).await;
        joined
    }

    /// Starts nodes until there are so many, and waits until they are ready.
    async fn fill(&mut self, count: usize) {
        let join = format!("grpc://{}", self.server.flight());
        while self.nodes.len() < count {
            let node = Node::start(self.server.paratope(), &["--join", &join]);
            self.nodes.push(node);
        }
        let mut client = self.server.client().await;
        let since = Instant::now();
        while ready(&mut client).await < count {
            assert!(
                since.elapsed() < Duration::from_secs(120),
                "{}",
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn ready(client: &mut Client) -> usize {
    let count = "SELECT count(*) FROM system.nodes WHERE state = 'ready'";
    client.value(count).await.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_stopped_or_drained_cost_no_query_its_rows() {
    let mut cluster = Joined::start(3).await;
    let mut client = cluster.server.client().await;
    let since = Instant::now();
    let expected = rows(&client.query(HEAVY).await.unwrap());
    let usual = since.elapsed();
    assert!(expected.len() > 1);
    let mut random = StdRng::seed_from_u64(7);
    let (mut right, mut again) = (0, 0);
    for round in 0..12 {
        cluster.fill(3).await;
        let mut busy = client.clone();
        let query = tokio::spawn(async move { busy.query(HEAVY).await });
        let moment = usual.mul_f64(random.random_range(0.0..1.0));
        tokio::time::sleep(moment).await;
        let victim = cluster.nodes.swap_remove(random.random_range(0..3));
        victim.signal("KILL");
        match tokio::time::timeout(Duration::from_secs(60), query).await {
            Ok(answer) => match answer.unwrap() {
                Ok(table) => {
                    assert_eq!(rows(&table), expected, "round {round}");
                    right += 1;
                }
                Err(status) => {
                    refused(Err::<(), _>(status), Code::Unavailable, &["again"]);
                    again += 1;
                }
            },
            Err(_) => panic!("round {round}: the query hangs\n{}", cluster.server.log()),
        }
        // Whatever became of it, the next one is answered by those that are left.
        assert_eq!(
            rows(&client.query(HEAVY).await.unwrap()),
            expected,
            "round {round}"
        );
    }
    assert!(right > again, "{right} right, {again} to be sent again");

    // One that lives and does not answer.
    cluster.fill(3).await;
    let mut busy = client.clone();
    let query = tokio::spawn(async move { busy.query(HEAVY).await });
    tokio::time::sleep(usual / 3).await;
    let asleep = cluster.nodes.swap_remove(0);
    asleep.signal("STOP");
    let since = Instant::now();
    let table = query.await.unwrap().unwrap();
    assert_eq!(rows(&table), expected);
    // Ten seconds to find out, and the query itself on fewer nodes, while other tests take the cores.
    assert!(
        since.elapsed() < Duration::from_secs(10) + usual * 4,
        "{:?}",
        since.elapsed()
    );
    drop(asleep);

    // One that is told to end: it ends what it has.
    cluster.fill(3).await;
    let mut busy = client.clone();
    let query = tokio::spawn(async move { busy.query(HEAVY).await });
    tokio::time::sleep(usual / 3).await;
    let mut leaving = cluster.nodes.swap_remove(0);
    leaving.signal("TERM");
    assert_eq!(rows(&query.await.unwrap().unwrap()), expected);
    assert!(leaving.wait().success());

    // What was sent again stands in the log, with the reason.
    let log = "SELECT count(*) FROM system.query_log WHERE length(sent_again) > 10 AND status = 'succeeded'";
    let since = Instant::now();
    while client.value(log).await == "0" {
        assert!(
            since.elapsed() < Duration::from_secs(120),
            "nothing was noted"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_work_for_their_cluster_only_and_a_cluster_without_nodes_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let secret = paratope
        .clone()
        .with("PARATOPE__CLUSTER__TOKEN", "a-token-of-this-test");
    let node = Node::start(&secret, &[]);
    let nodes = [node];
    let settings = |set: &str| {
        format!(
            "[cluster]\nworkers = {}\n{set}{EVERYTHING_TRAVELS}",
            addresses(&nodes)
        )
    };
    let elsewhere = || tempfile::tempdir().unwrap();
    let sql = "SELECT count(DISTINCT cdr3_aa) FROM chains";
    let expected = paratope.value(sql).to_string();
    for (set, works) in [
        ("", false),
        ("token = \"another\"\n", false),
        (
            "token = \"a-token-of-this-test\"\ncompression = \"zstd\"\n",
            true,
        ),
    ] {
        let server = Server::over(paratope.clone(), elsewhere(), &settings(set));
        let mut client = server.client().await;
        match works {
            true => assert_eq!(client.value(sql).await, expected),
            false => {
                let parts = ["cluster.token", nodes[0].url()];
                refused(client.query(sql).await, Code::Unavailable, &parts);
                assert_eq!(client.value("SELECT state FROM system.nodes").await, "lost");
                // What stays at home needs nobody.
                assert_eq!(client.value("SELECT 1").await, "1");
            }
        }
        // Who joins with another token is not let in.
        if works {
            let join = format!("grpc://{}", server.flight());
            let stranger = paratope
                .clone()
                .with("PARATOPE__CLUSTER__TOKEN", "a-stranger");
            let _stranger = Node::start(&stranger, &["--join", &join]);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(client.value("SELECT count(*) FROM system.nodes").await, "1");
        }
    }
    // One that works on another lake has nothing of this one's, whatever its token.
    let other = Paratope::on(folder.path().join("other"));
    other.init();
    let others = [Node::start(&other, &[])];
    let settings = format!(
        "[cluster]\nworkers = {}\n{EVERYTHING_TRAVELS}",
        addresses(&others)
    );
    let server = Server::over(paratope.clone(), elsewhere(), &settings);
    let mut client = server.client().await;
    refused(
        client.query(sql).await,
        Code::Unavailable,
        &["another lake", "--lake"],
    );
    assert_eq!(
        client.value("SELECT state FROM system.nodes").await,
        "other_lake"
    );
    let open = paratope.run(["worker", "--listen", "0.0.0.0:0"]);
    open.expect_code(1)
        .expect_message(&["cluster.token", "127.0.0.1"]);
    // A server whose users say who they are lets nobody in without a token, from its own machine neither.
    let users = folder.path().join("users.toml");
    let user = "[[users]]\nname = \"ana\"\ntoken = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\nrole = \"admin\"\n";
    std::fs::write(&users, user).unwrap();
    let settings = format!("[server.auth]\nusers = {users:?}\n");
    let guarded = Server::over(paratope.clone(), elsewhere(), &settings);
    let mut client = guarded.client().await;
    let joined = client.act("JoinCluster", nodes[0].url().into()).await;
    refused(joined, Code::PermissionDenied, &["cluster.token"]);
    let far = paratope.run([
        "worker",
        "--listen",
        "127.0.0.1:0",
        "--join",
        "grpc://far.example:1",
    ]);
    far.expect_code(2).expect_message(&["--advertise"]);
    let wrong = paratope.run(["query", "--workers", "ftp://x", "-c", "SELECT 1"]);
    wrong
        .expect_code(1)
        .expect_message(&["ftp://x", "http://host:port"]);
}

#[test]
fn what_is_wrong_when_a_server_or_a_node_starts_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.init();
    let any = "127.0.0.1:0";
    let taken = std::net::TcpListener::bind(any).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let nonsense = paratope
        .clone()
        .with("PARATOPE__CLUSTER__WORKERS", "[\"nonsense\"]");
    for (paratope, arguments, told) in [
        (
            &nonsense,
            vec!["serve", "--listen", any, "--http", any],
            "nonsense is no address of a node",
        ),
        (
            &paratope,
            vec!["serve", "--listen", taken.as_str(), "--http", any],
            taken.as_str(),
        ),
        (
            &paratope,
            vec!["serve", "--listen", any, "--http", taken.as_str()],
            taken.as_str(),
        ),
        (
            &paratope,
            vec!["worker", "--listen", taken.as_str()],
            taken.as_str(),
        ),
    ] {
        let outcome = paratope.run(&arguments).expect_message(&[told]);
        assert!(outcome.code.is_some_and(|code| code != 0), "{arguments:?}");
        assert!(
            !outcome.stderr.contains("panicked"),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
}
