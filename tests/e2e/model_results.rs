//! Results of language models that the lake keeps: processes, jobs and nodes that come after compute nothing again, users know
//! of what they may know of, and a table that is damaged costs no query.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Lake;
use engine::config::Config;
use engine::policy::{Grants, Role};
use engine::session::{Caller, Session, Sessions};
use engine::storage::Access;
use futures::TryStreamExt as _;
use tempfile::TempDir;
use tests::binary::{Paratope, Row};
use tests::flight::Client;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;

use super::cluster_faults::page;
use super::model_queries::{counted, lake, shown};

const EMBEDDED: &str = "SELECT id, plm_embed(seq, 'tiny') AS embedding FROM domains ORDER BY id";
/// One of each type of results, and a constant.
const KINDS: [&str; 8] = [
    "SELECT id, plm_pseudo_perplexity(seq, 'tiny', 'single_pass') AS r FROM domains ORDER BY id",
    "SELECT id, plm_residue_log_probs(seq, 'tiny') AS r FROM domains WHERE id <= 70 ORDER BY id",
    "SELECT id, try_plm_embed(CASE WHEN id % 9 = 0 THEN 'QV1Q' ELSE seq END, 'tiny', 'cls') AS r FROM domains ORDER BY id",
    "SELECT id, plm_mutation_scan(substr(seq, 1, 20), 'tiny', 'single_pass') AS r FROM domains WHERE id <= 5 ORDER BY id",
    "SELECT id, plm_infill('EVQ_VES' || substr(seq, 1, 30), 'tiny') AS r FROM domains ORDER BY id",
    "SELECT id, plm_embed_pair(seq, substr(seq, 10), 'tiny') AS r FROM domains WHERE id <= 50 ORDER BY id",
    "SELECT plm_embed('EVQLVESGGGLVQPGGSLRLSCAAS', 'tiny') AS r",
    "SELECT id, plm_embed(ab_cdr3(seq), 'tiny') AS r FROM domains ORDER BY id",
];

fn sharing() -> (TempDir, Paratope) {
    let (folder, paratope) = lake();
    (
        folder,
        paratope.with("PARATOPE__MODELS__SHARE_RESULTS", "true"),
    )
}

fn plan(paratope: &Paratope, sql: &str) -> String {
    let rows = paratope.query(&format!("EXPLAIN ANALYZE {sql}"));
    rows.iter().map(|row| row["plan"].to_string()).collect()
}

/// The folder of the table.
fn results(paratope: &Paratope) -> PathBuf {
    let lake = PathBuf::from(paratope.lake());
    lake.join("system").join("inference_results")
}

fn data_files(paratope: &Paratope) -> Vec<PathBuf> {
    let calls = fs::read_dir(results(paratope)).unwrap();
    let calls = calls.map(|entry| entry.unwrap().path());
    let calls = calls.filter(|path| path.to_string_lossy().contains("call="));
    calls
        .flat_map(|call| {
            fs::read_dir(call)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        })
        .collect()
}

#[test]
fn what_one_process_computed_the_next_one_knows() {
    let (_folder, paratope) = sharing();
    let distinct = paratope.count("SELECT count(DISTINCT seq) FROM domains") as f64;
    let unshared = paratope
        .clone()
        .with("PARATOPE__MODELS__SHARE_RESULTS", "false");
    let expected = unshared.query(EMBEDDED);
    assert_eq!(data_files(&paratope).len(), 0);

    let first = plan(&paratope, EMBEDDED);
    assert_eq!(counted(&first, "sequences"), distinct, "{first}");
    let second = plan(&paratope, EMBEDDED);
    assert_eq!(counted(&second, "tokens"), 0.0, "{second}");
    assert_eq!(counted(&second, "cache_hits"), distinct, "{second}");
    assert_eq!(paratope.query(EMBEDDED), expected);
    let told = paratope.query(&format!("EXPLAIN INFERENCE {EMBEDDED}"));
    assert_eq!(told[0]["cached_share"].as_f64(), Some(1.0), "{told:?}");
    assert_eq!(told[0]["tokens_to_compute"].as_f64(), Some(0.0), "{told:?}");
    // Not kept twice.
    let kept = "SELECT count(*) FROM system.inference_results WHERE function = 'plm_embed' AND model = 'tiny@1'";
    assert_eq!(paratope.count(kept) as f64, distinct);
    // Where it is off, nothing is known.
    let alone = plan(&unshared, EMBEDDED);
    assert_eq!(counted(&alone, "sequences"), distinct, "{alone}");

    paratope
        .clone()
        .with("PARATOPE__MODELS__CACHE_BYTES", "0")
        .run(["query", "-c", "SELECT 1"])
        .expect_code(1)
        .expect_message(&["models.share_results", "models.cache_bytes"]);

    // A query that ends before its operators.
    let few = "SELECT plm_embed(seq, 'tiny', 'cls') FROM domains LIMIT 3";
    paratope.query(few);
    let again = plan(&paratope, few);
    assert_eq!(counted(&again, "tokens"), 0.0, "{again}");

    for sql in KINDS {
        let computed = unshared.query(sql);
        assert_eq!(paratope.query(sql), computed, "{sql}");
        let known = plan(&paratope, sql);
        assert_eq!(counted(&known, "tokens"), 0.0, "{sql}\n{known}");
        assert!(counted(&known, "cache_hits") >= 1.0, "{sql}\n{known}");
        assert_eq!(paratope.query(sql), computed, "{sql}");
    }
    // A text that cannot be computed for rows that are not asked about costs no query.
    let guarded = "SELECT id, CASE WHEN id <= 60 THEN plm_embed(substr(seq, CAST(CASE WHEN id > 300 THEN 'x' ELSE '2' END AS BIGINT)), 'tiny', 'cls') END AS r \
        FROM domains ORDER BY id";
    let computed = unshared.query(guarded);
    for _ in 0..2 {
        assert_eq!(paratope.query(guarded), computed);
    }
}

#[test]
fn upkeep_of_the_table_loses_nothing_and_damage_costs_no_query() {
    let (_folder, paratope) = sharing();
    let part = |number: usize| {
        format!(
            "SELECT id, plm_embed(seq, 'tiny') AS e FROM domains WHERE id % 3 = {number} ORDER BY id"
        )
    };
    for number in 0..3 {
        paratope.query(&part(number));
    }
    assert!(data_files(&paratope).len() >= 3);
    paratope
        .run(["maintain", "--table", "system.inference_results"])
        .expect_code(0);
    let whole = plan(&paratope, EMBEDDED);
    assert_eq!(counted(&whole, "tokens"), 0.0, "{whole}");

    let expected = paratope.query(EMBEDDED);
    for file in data_files(&paratope) {
        fs::remove_file(file).unwrap();
    }
    let damaged = paratope
        .run(["query", "--format", "json", "-c", EMBEDDED])
        .expect_code(0);
    assert_eq!(tests::binary::rows(&damaged.stdout), expected);
    damaged.expect_message(&["stored results of models cannot be read"]);
    // Neither does a table that is gone.
    fs::remove_dir_all(results(&paratope)).unwrap();
    assert_eq!(paratope.query(EMBEDDED), expected);
}

#[test]
fn what_was_computed_before_a_process_is_killed_is_not_computed_again() {
    let (_folder, paratope) = sharing();
    // Enough for the table to be appended to several times.
    let many = "CREATE TABLE many AS SELECT n AS id, substr(seq, 1, 40) || translate(lpad(to_hex(n), 6, '0'), '0123456789abcdef', 'ACDEFGHIKLMNPQRS') AS seq \
        FROM (SELECT seq, id * 60 + i AS n FROM domains CROSS JOIN generate_series(1, 60) AS s (i) WHERE id <= 350)";
    paratope.run(["query", "-c", many]).expect_code(0);
    let sum = "SELECT count(*) AS n, sum(plm_embed(seq, 'tiny')[1]) AS s FROM many";
    let mut running = paratope.spawn(["query", "-c", sum]);
    let since = Instant::now();
    while data_files(&paratope).is_empty() || commits(&paratope) < 2 {
        assert!(!running.ended(), "it ended before anything was kept");
        assert!(
            since.elapsed() < Duration::from_secs(120),
            "nothing is kept"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    running.kill();
    let told = paratope.query(&format!("EXPLAIN INFERENCE {sum}"));
    let known = told[0]["cached_share"].as_f64().unwrap();
    assert!(0.0 < known && known < 1.0, "{told:?}");
    let rest = plan(&paratope, sum);
    let computed = counted(&rest, "sequences") / told[0]["distinct_sequences"].as_f64().unwrap();
    // Counts of thousands are rounded.
    assert!((computed + known - 1.0).abs() < 0.01, "{known}\n{rest}");
    let unshared = paratope
        .clone()
        .with("PARATOPE__MODELS__SHARE_RESULTS", "false");
    let some = "SELECT id, plm_embed(seq, 'tiny') AS e FROM many WHERE id % 40 = 0 ORDER BY id";
    assert_eq!(paratope.query(some), unshared.query(some));
}

/// Versions of the table.
fn commits(paratope: &Paratope) -> usize {
    let log = fs::read_dir(results(paratope).join("_delta_log")).unwrap();
    let names = log.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.len() == 25 && name.ends_with(".json"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_keep_what_they_compute_and_know_what_others_did() {
    let (folder, paratope) = sharing();
    for part in 0..6 {
        let insert = format!(
            "INSERT INTO domains SELECT 10000 * {part} + id, seq FROM domains WHERE id % 6 = {part}"
        );
        paratope.run(["query", "-c", &insert]).expect_code(0);
    }
    let sum = "SELECT count(*) AS n, round(sum(plm_pseudo_perplexity(seq, 'tiny', 'single_pass')), 6) AS s FROM domains";
    let (mut folder, mut answers) = (Some(folder), Vec::new());
    for round in 0..2 {
        let http = ["--http", "127.0.0.1:0"];
        let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &http)).collect();
        let workers = addresses(&nodes);
        let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
        let server = Server::over(paratope.clone(), folder.take().unwrap(), &settings);
        let mut client = server.client().await;
        answers.push(shown(&client.query(sum).await.unwrap()));
        let plan = client.query(&format!("EXPLAIN {sum}")).await.unwrap();
        let plan = plan.texts("plan").concat();
        let (head, _) = plan.split_once("Stage 1").unwrap();
        assert!(!head.contains("InferenceExec"), "{plan}");
        // Rows that the nodes give themselves are computed for the same user.
        let set = "SET paratope.endpoints = 'nodes'";
        client.query(set).await.unwrap();
        let rows = "SELECT id, plm_pseudo_perplexity(seq, 'tiny', 'single_pass') AS p FROM domains";
        let info = client.describe(rows).await.unwrap();
        assert!(info.endpoint.len() > 1, "{:?}", info.endpoint);
        for endpoint in &info.endpoint {
            let place = endpoint.location[0].uri.strip_prefix("grpc://").unwrap();
            let mut node = Client::connect(place.parse().unwrap()).await;
            let part = node.fetch(endpoint.ticket.clone().unwrap()).await.unwrap();
            assert!(part.table().await.unwrap().rows() > 0);
        }
        // What the nodes sent through models, by their own count.
        let tokens: f64 = nodes.iter().map(tokens).sum();
        assert_eq!(
            tokens == 0.0,
            round == 1,
            "{tokens} tokens in round {round}"
        );
        folder = Some(server.kill().1);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Tokens that a node sent through models.
fn tokens(node: &Node) -> f64 {
    let metrics = page(node, "/metrics");
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("paratope_inference_tokens_total "));
    count.map_or(0.0, |count| count.parse().unwrap())
}

/// A process over the lake, and the sessions of users in it.
struct Process(Sessions);

impl Process {
    async fn over(paratope: &Paratope) -> Self {
        let mut config = Config::default();
        config.lake.url = paratope.lake().into();
        config.models.share_results = true;
        let lake = Lake::open(&config).await.unwrap();
        let access = Access::nothing(&config).unwrap();
        Self(Sessions::new(Some(Arc::clone(&lake)), &config, access).unwrap())
    }

    fn session(&self, user: &str, role: Role) -> Session {
        let caller = Caller {
            user: user.into(),
            grants: Grants::of(role),
        };
        self.0.open(caller, None).unwrap()
    }
}

/// The share of the results of a query that are known.
async fn known(session: &Session, sql: &str) -> f64 {
    let told = rows(session, &format!("EXPLAIN INFERENCE {sql}")).await;
    told[0]["cached_share"].as_f64().unwrap()
}

async fn rows(session: &Session, sql: &str) -> Vec<Row> {
    let mut all = Vec::new();
    for statement in session.parse(sql).unwrap() {
        let answer = session.execute(statement).await.unwrap();
        let batches: Vec<_> = answer.stream.try_collect().await.unwrap();
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        writer
            .write_batches(&batches.iter().collect::<Vec<_>>())
            .unwrap();
        writer.finish().unwrap();
        let text = String::from_utf8(writer.into_inner()).unwrap();
        all.extend(tests::binary::rows(&text));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_know_of_what_they_may_know_of() {
    let (_folder, paratope) = sharing();
    let sql = "SELECT id, plm_embed(seq, 'tiny') AS e FROM domains WHERE id <= 30";
    let first = Process::over(&paratope).await;
    let (ana, ben) = (
        first.session("ana", Role::Reader),
        first.session("ben", Role::Reader),
    );
    let writer = first.session("wim", Role::Writer);
    rows(&writer, sql).await;
    assert_eq!(known(&writer, sql).await, 1.0);
    // That somebody asked of these sequences is none of a reader's business, in memory and in the table.
    assert_eq!(known(&ana, sql).await, 0.0);
    rows(&ana, sql).await;
    assert_eq!(known(&ana, sql).await, 1.0);
    assert_eq!(known(&ben, sql).await, 0.0);

    let second = Process::over(&paratope).await;
    for (user, role, share) in [
        ("wim", Role::Writer, 1.0),
        ("oda", Role::Admin, 1.0),
        ("ana", Role::Reader, 1.0),
        ("ben", Role::Reader, 0.0),
    ] {
        let session = second.session(user, role);
        assert_eq!(known(&session, sql).await, share, "{user}");
    }
    // A user named as the scope of all others is no writer.
    let everybody = second.session("everybody", Role::Reader);
    assert_eq!(known(&everybody, sql).await, 0.0);
    // Nobody takes another's scope by a setting.
    let set = "SET paratope_results.scope = 'everybody'";
    for statement in everybody.parse(set).unwrap() {
        assert!(everybody.execute(statement).await.is_err());
    }
}
