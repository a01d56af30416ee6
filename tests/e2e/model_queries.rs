//! Language models in queries: what is known is not computed again, nodes compute with the same bytes, what nobody waits for
//! stops, and what a query would cost is told and limited beforehand.

use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::Float32Type;
use regex::Regex;
use tempfile::TempDir;
use tests::binary::Paratope;
use tests::flight::{Client, Table, refused};
use tests::model;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;
use tonic::Code;

/// The lake of `quickstart`, with the model `tiny` and a table of 400 V domains, some of them twice.
pub(super) fn lake() -> (TempDir, Paratope) {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake")).with("PARATOPE__QUERY__THREADS", "2");
    paratope.run(["quickstart"]).expect_code(0);
    let files = folder.path().join("tiny");
    model::write(&files, 7).unwrap();
    let from = files.to_str().unwrap();
    paratope
        .run(["model", "add", "tiny", "--from", from])
        .expect_code(0);
    let create = "CREATE TABLE domains AS SELECT CAST(row_number() OVER (ORDER BY v_domain_hash, sequence_id) AS BIGINT) AS id, v_domain_aa AS seq \
        FROM (SELECT * FROM chains WHERE v_domain_aa IS NOT NULL ORDER BY v_domain_hash, sequence_id LIMIT 350) \
        UNION ALL SELECT 1000 + CAST(row_number() OVER (ORDER BY v_domain_hash, sequence_id) AS BIGINT), v_domain_aa \
        FROM (SELECT * FROM chains WHERE v_domain_aa IS NOT NULL ORDER BY v_domain_hash, sequence_id LIMIT 50)";
    paratope.run(["query", "-c", create]).expect_code(0);
    (folder, paratope)
}

const EMBEDDED: &str = "SELECT id, plm_embed(seq, 'tiny') AS embedding FROM domains";
/// A number that depends on every number of every embedding.
const DIGEST: &str = "SELECT count(*) AS n, round(sum(inner_product(plm_embed(seq, 'tiny'), plm_embed(seq, 'tiny'))), 2) AS s FROM domains";

pub(super) fn shown(table: &Table) -> String {
    arrow::util::pretty::pretty_format_batches(&table.batches)
        .unwrap()
        .to_string()
}

async fn analyzed(client: &mut Client, sql: &str) -> String {
    let plan = client
        .query(&format!("EXPLAIN ANALYZE {sql}"))
        .await
        .unwrap();
    plan.texts("plan").concat()
}

/// The sum of a counter over a plan.
pub(super) fn counted(plan: &str, counter: &str) -> f64 {
    let pattern = Regex::new(&format!(r"\b{counter}=([\d.]+)( K| M)?")).unwrap();
    let counts = pattern.captures_iter(plan).map(|found| {
        let number: f64 = found[1].parse().unwrap();
        let unit = found.get(2).map_or("", |unit| unit.as_str());
        number
            * if unit == " K" {
                1e3
            } else if unit == " M" {
                1e6
            } else {
                1.0
            }
    });
    counts.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_not_computed_again_and_everything_is_counted() {
    let (folder, paratope) = lake();
    let server = Server::over(paratope, folder, "");
    let mut client = server.client().await;
    let distinct: f64 = client
        .value("SELECT count(DISTINCT seq) FROM domains")
        .await
        .parse()
        .unwrap();
    let tokens: f64 = client
        .value("SELECT sum(length(seq) + 2) FROM (SELECT DISTINCT seq FROM domains)")
        .await
        .parse()
        .unwrap();

    let first = analyzed(&mut client, EMBEDDED).await;
    // Counts of thousands are rounded.
    assert_eq!(counted(&first, "sequences"), distinct, "{first}");
    assert!(
        (counted(&first, "tokens") / tokens - 1.0).abs() < 0.01,
        "{first}"
    );
    assert!(counted(&first, "micro_batches") > 1.0, "{first}");
    assert!(first.contains("model_load"), "{first}");
    assert!(first.contains("plm_embed(seq@1, tiny@1#"), "{first}");

    let second = analyzed(&mut client, EMBEDDED).await;
    assert_eq!(counted(&second, "tokens"), 0.0, "{second}");
    assert_eq!(counted(&second, "cache_hits"), distinct, "{second}");
    // Another function, and the same of other rows, are not known.
    let other = analyzed(
        &mut client,
        "SELECT plm_embed(seq, 'tiny', 'cls') FROM domains WHERE id <= 10",
    )
    .await;
    assert_eq!(counted(&other, "cache_hits"), 0.0, "{other}");
    // A known constant, and one by which rows are sorted.
    let nearest = "SELECT id FROM domains ORDER BY cosine_distance(plm_embed(seq, 'tiny'), plm_embed('EVQLVESGGG', 'tiny')) LIMIT 5";
    let plan = analyzed(&mut client, nearest).await;
    assert_eq!(counted(&plan, "sequences"), 1.0, "{plan}");

    let (_, metrics) = server.get("/metrics").unwrap();
    let metric = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(metric("paratope_inference_tokens_total ") >= tokens);
    assert!(metric("paratope_inference_sequences_total ") >= distinct);
    assert!(metric("paratope_inference_batches_total ") > 1.0);
    assert_eq!(metric("paratope_model_load_duration_seconds_count"), 1.0);
    assert!(
        metric("paratope_cache_requests_total{cache=\"inference\",outcome=\"hit\"}") >= distinct
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cache_nothing_is_known_and_results_are_the_same() {
    let (folder, paratope) = lake();
    let expected = paratope.query(DIGEST);
    let server = Server::over(
        paratope,
        folder,
        "[models]\ncache_bytes = 0\nbatch_tokens = 300\n",
    );
    let mut client = server.client().await;
    for _ in 0..2 {
        let plan = analyzed(&mut client, EMBEDDED).await;
        assert!(counted(&plan, "tokens") > 30_000.0, "{plan}");
    }
    let digest = client.query(DIGEST).await.unwrap();
    let count = digest.batches[0]
        .column(0)
        .as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!(Some(count.value(0)), expected[0]["n"].as_i64());
    let sum = digest.batches[0]
        .column(1)
        .as_primitive::<arrow::datatypes::Float64Type>()
        .value(0);
    assert_eq!(sum, expected[0]["s"].as_f64().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_compute_with_the_same_bytes_and_one_that_is_killed_costs_no_row() {
    let (folder, paratope) = lake();
    // Many files, so that every node has some; and a model that nodes have not seen when they start.
    for part in 0..6 {
        let insert = format!(
            "INSERT INTO domains SELECT 10000 * {part} + id, seq FROM domains WHERE id % 6 = {part}"
        );
        paratope.run(["query", "-c", &insert]).expect_code(0);
    }
    let mut nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &[])).collect();
    let files = folder.path().join("later");
    model::write(&files, 9).unwrap();
    let from = files.to_str().unwrap();
    paratope
        .run(["model", "add", "later", "--from", from])
        .expect_code(0);
    let query = |method: &str| {
        let every = if method == "exact" { 20 } else { 1 };
        format!(
            "SELECT id % 7 AS i, count(*) AS n, round(sum(plm_pseudo_perplexity(seq, 'later', '{method}')), 6) AS s FROM domains WHERE id % {every} = 0 GROUP BY 1 ORDER BY 1"
        )
    };
    let expected = paratope.query(&query("single_pass"));
    let workers = addresses(&nodes);
    let settings =
        format!("[models]\ncache_bytes = 0\n[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let server = Server::over(paratope, folder, &settings);
    let mut client = server.client().await;
    let plan = client
        .query(&format!("EXPLAIN {}", query("single_pass")))
        .await
        .unwrap();
    let plan = plan.texts("plan").concat();
    let (head, stages) = plan.split_once("Stage 1").unwrap();
    assert!(
        !head.contains("InferenceExec") && stages.contains("InferenceExec"),
        "{plan}"
    );
    assert!(
        Regex::new("later@1#[0-9a-f]{64}").unwrap().is_match(&plan),
        "{plan}"
    );
    let answer = client.query(&query("single_pass")).await.unwrap();
    let sums = |table: &Table| -> Vec<f64> {
        let all = table.batches.iter();
        all.flat_map(|batch| {
            batch
                .column(2)
                .as_primitive::<arrow::datatypes::Float64Type>()
                .values()
                .to_vec()
        })
        .collect()
    };
    let expected: Vec<f64> = expected
        .iter()
        .map(|row| row["s"].as_f64().unwrap())
        .collect();
    assert_eq!(sums(&answer), expected);

    // A pass for each residue, and a node that dies in the middle.
    let exact = query("exact");
    let mut busy = client.clone();
    let running = tokio::spawn(async move { busy.query(&exact).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let victim = nodes.pop().unwrap();
    victim.signal("KILL");
    drop(victim);
    let survived = running.await.unwrap().unwrap();
    assert!(survived.rows() > 0);
    assert_eq!(
        shown(&client.query(&query("single_pass")).await.unwrap()),
        shown(&answer)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_stops_within_a_second() {
    let (folder, paratope) = lake();
    let server = Server::over(paratope, folder, "");
    let mut busy = server.client().await;
    // An hour of work.
    let sql = "SELECT max(plm_pseudo_perplexity(repeat(seq, 4), 'tiny')) FROM domains, generate_series(1, 100)";
    let query = tokio::spawn(async move { busy.query(sql).await });
    let mut client = server.client().await;
    let ids = "SELECT query_id FROM system.queries WHERE statement LIKE '%repeat%' AND statement NOT LIKE '%query_id%'";
    let since = Instant::now();
    let id = loop {
        let found = client.query(ids).await.unwrap();
        if found.rows() == 1 {
            break found.value();
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "the query does not run"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.query(&format!("KILL QUERY '{id}'")).await.unwrap();
    refused(query.await.unwrap(), Code::Cancelled, &["kill query"]);
    // A micro-batch later nothing computes any more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.computed().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let computed = server.computed().unwrap() - before;
    assert!(
        computed < Duration::from_millis(300),
        "{computed:?} of work in a second"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_query_would_cost_is_told_and_limited_beforehand() {
    let (folder, paratope) = lake();
    let server = Server::over(paratope, folder, "[models]\nmax_inference_tokens = 60000\n");
    let mut client = server.client().await;
    let explained = |table: &Table, column: &str| -> f64 {
        let column = table.batches[0].column_by_name(column).unwrap();
        let text = arrow::util::display::array_value_to_string(column, 0).unwrap();
        text.parse()
            .unwrap_or_else(|_| panic!("{text} is no number"))
    };
    let distinct: f64 = client
        .value("SELECT count(DISTINCT seq) FROM domains")
        .await
        .parse()
        .unwrap();
    let tokens: f64 = client
        .value("SELECT sum(length(seq) + 2) FROM (SELECT DISTINCT seq FROM domains)")
        .await
        .parse()
        .unwrap();
    let before = client
        .query(&format!("EXPLAIN INFERENCE {EMBEDDED}"))
        .await
        .unwrap();
    assert_eq!(before.texts("function"), ["plm_embed"]);
    assert_eq!(before.texts("model"), ["tiny@1"]);
    assert_eq!(explained(&before, "rows"), 400.0);
    assert_eq!(explained(&before, "distinct_sequences"), distinct);
    assert_eq!(explained(&before, "tokens"), tokens);
    assert_eq!(explained(&before, "tokens_to_compute"), tokens);
    assert_eq!(explained(&before, "cached_share"), 0.0);
    assert!(explained(&before, "estimated_s") > 0.0);
    // Nothing was spent.
    client
        .query(&format!("{EMBEDDED} WHERE id <= 100"))
        .await
        .unwrap();
    let after = client
        .query(&format!("EXPLAIN INFERENCE {EMBEDDED}"))
        .await
        .unwrap();
    assert!(explained(&after, "cached_share") > 0.2, "{}", shown(&after));
    assert!(
        explained(&after, "tokens_to_compute") < 0.8 * tokens,
        "{}",
        shown(&after)
    );
    // A pass for each residue is beyond the limit, and refused before it begins.
    let since = Instant::now();
    let exact = "SELECT sum(plm_pseudo_perplexity(seq, 'tiny')) FROM domains";
    refused(
        client.query(exact).await,
        Code::ResourceExhausted,
        &["tokens", "models.max_inference_tokens", "EXPLAIN INFERENCE"],
    );
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    // Rows that another call finds are not known beforehand.
    let nested = "EXPLAIN INFERENCE SELECT plm_infill(seq, 'tiny') FROM domains WHERE plm_embed(seq, 'tiny')[1] > 0";
    let nested = client.query(nested).await.unwrap();
    assert_eq!(nested.rows(), 2, "{}", shown(&nested));
    assert!(shown(&nested).contains("plm_infill"), "{}", shown(&nested));
    let none = client
        .query("EXPLAIN INFERENCE SELECT count(*) FROM domains")
        .await
        .unwrap();
    assert_eq!(none.rows(), 0);
}

#[test]
fn a_user_has_so_many_tokens_a_day() {
    let (folder, paratope) = lake();
    let of_one = |sql: &str| format!("SELECT plm_embed(seq, 'tiny') FROM domains WHERE {sql}");
    // One process: what it granted is what it counts.
    let script = [of_one("id = 1"), of_one("id = 1"), of_one("id = 2")].join("; ");
    let limited = |tokens: &str| {
        paratope
            .clone()
            .with("PARATOPE__MODELS__MAX_INFERENCE_TOKENS_PER_USER", tokens)
            .run(["query", "-c", &script])
    };
    // The second is known.
    limited("300").expect_code(0);
    limited("200")
        .expect_code(1)
        .expect_message(&["of the 200 that a user may send in 24 hours", "are gone"]);
    // A copy counts once, like the query in it.
    let file = folder.path().join("one.json");
    let copy = format!("COPY ({}) TO '{}'", of_one("id = 1"), file.display());
    paratope
        .clone()
        .with("PARATOPE__MODELS__MAX_INFERENCE_TOKENS_PER_USER", "200")
        .run(["query", "-c", &copy])
        .expect_code(0);
    assert!(file.metadata().unwrap().len() > 0);
}

#[test]
fn neighbours_over_stored_embeddings_are_plain_sql() {
    let (_folder, paratope) = lake();
    let create = "CREATE TABLE embeddings AS SELECT id, seq, plm_embed(seq, 'tiny') AS embedding FROM domains";
    paratope.run(["query", "-c", create]).expect_code(0);
    // A stored vector is what is computed, and its sequence is its own nearest neighbour.
    let nearest = "SELECT e.id FROM embeddings e CROSS JOIN (SELECT embedding AS wanted FROM embeddings WHERE id = 17) w \
        ORDER BY cosine_distance(e.embedding, w.wanted), e.id LIMIT 5";
    let rows = paratope.query(nearest);
    assert_eq!(rows.len(), 5);
    let own =
        "SELECT min(id) FROM embeddings WHERE seq = (SELECT seq FROM embeddings WHERE id = 17)";
    assert_eq!(&rows[0]["id"], &paratope.value(own));
    let by_call = "SELECT id FROM embeddings WHERE id <= 350 \
        ORDER BY cosine_distance(embedding, plm_embed('EVQLVESGGGLVQPGGSLRLSCAAS', 'tiny')), id LIMIT 5";
    let computed = "SELECT id FROM domains WHERE id <= 350 \
        ORDER BY cosine_distance(plm_embed(seq, 'tiny'), plm_embed('EVQLVESGGGLVQPGGSLRLSCAAS', 'tiny')), id LIMIT 5";
    assert_eq!(paratope.query(by_call), paratope.query(computed));
}

/// With the environment variable `PARATOPE_ANTIBERTY` (a folder with AntiBERTy's `config.json` and `pytorch_model.bin`) and
/// `PARATOPE_ANTIBERTY_REFERENCE` (what the package gives), SQL gives the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn antiberty_gives_what_its_own_package_gives() {
    let of = |name: &str| std::env::var(name).ok();
    let (Some(files), Some(reference)) =
        (of("PARATOPE_ANTIBERTY"), of("PARATOPE_ANTIBERTY_REFERENCE"))
    else {
        eprintln!("skipped: PARATOPE_ANTIBERTY and PARATOPE_ANTIBERTY_REFERENCE are not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.init();
    paratope
        .run(["model", "add", "antiberty@0.1.3", "--from", &files])
        .expect_code(0);
    let server = Server::over(paratope, folder, "");
    let mut client = server.client().await;
    let file = std::path::Path::new(&reference).join("antiberty_reference.json");
    let reference: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for expected in reference["sequences"].as_array().unwrap() {
        let sequence = expected["sequence"].as_str().unwrap();
        for (pooling, field) in [("mean", "mean_pooled_first8"), ("cls", "cls_first8")] {
            let sql = format!("SELECT plm_embed('{sequence}', 'antiberty', '{pooling}') AS e");
            let table = client.query(&sql).await.unwrap();
            let vector = table.batches[0].column(0).as_fixed_size_list().value(0);
            let vector = vector.as_primitive::<Float32Type>();
            assert_eq!(vector.len(), 512);
            for (found, expected) in vector
                .values()
                .iter()
                .zip(expected[field].as_array().unwrap())
            {
                let expected = expected.as_f64().unwrap();
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{pooling}: {found}, not {expected}"
                );
            }
        }
        let Some(likelihood) = expected["pseudo_log_likelihood_mean"].as_f64() else {
            continue;
        };
        let sql = format!("SELECT plm_pseudo_perplexity('{sequence}', 'antiberty') AS p");
        let found: f64 = client.value(&sql).await.parse().unwrap();
        let perplexity = (-likelihood).exp();
        assert!(
            (found / perplexity - 1.0).abs() < 1e-5,
            "{found}, not {perplexity}"
        );
    }
}
