//! Expensive functions are computed where they are right, for as few rows as the query allows, and by the nodes of a cluster
//! where rows are many. What is right comes from a column that holds the results of the same function already.

use regex::Regex;
use tests::binary::Paratope;
use tests::flight::Table;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;

/// `{f}` is the function's result in table `numbered`, `{a}` and `{b}` in the tables of these names. Then the rows that it
/// may be computed for at most: a query that counts them.
const QUERIES: [(&str, &str, &str); 24] = [
    (
        "top",
        "SELECT sequence_id, {f} AS c FROM numbered ORDER BY sequence_id DESC LIMIT 10",
        "SELECT 10",
    ),
    (
        "limit_in_a_subquery",
        "SELECT {f} AS c FROM (SELECT * FROM numbered ORDER BY sequence_id LIMIT 5) ORDER BY c",
        "SELECT 5",
    ),
    (
        "limit_after_a_subquery",
        "SELECT upper(c) || '-' AS c FROM (SELECT sequence_id, {f} AS c FROM numbered) n ORDER BY sequence_id LIMIT 7",
        "SELECT 7",
    ),
    (
        "filter",
        "SELECT sequence_id, {f} AS c FROM numbered WHERE v_gene LIKE 'IGHV3%' AND {f} LIKE 'A%' ORDER BY sequence_id",
        "SELECT count(*) FROM numbered WHERE v_gene LIKE 'IGHV3%'",
    ),
    (
        "filter_of_a_subquery",
        "SELECT sequence_id, c FROM (SELECT sequence_id, locus, {f} AS c FROM numbered) n WHERE c LIKE '%W%' AND locus = 'IGL' ORDER BY 1",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "filter_behind_or",
        "SELECT sequence_id FROM numbered WHERE locus = 'IGL' OR {f} LIKE 'AR%' ORDER BY 1",
        "SELECT count(*) FROM numbered",
    ),
    (
        "groups",
        "SELECT {f} AS c, count(*) AS n FROM numbered GROUP BY 1 ORDER BY n DESC, c LIMIT 20",
        "SELECT count(*) FROM numbered",
    ),
    (
        "aggregate",
        "SELECT locus, max({f}) AS c, count(DISTINCT {f}) AS n FROM numbered GROUP BY locus ORDER BY locus",
        "SELECT count(*) FROM numbered",
    ),
    (
        "aggregate_with_a_filter",
        "SELECT count({f}) FILTER (WHERE locus = 'IGL') AS n FROM numbered",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "having",
        "SELECT v_gene, count(*) AS n FROM numbered GROUP BY v_gene HAVING max({f}) LIKE 'T%' ORDER BY 1",
        "SELECT count(*) FROM numbered",
    ),
    (
        "rollup",
        "SELECT locus, {f} AS c, count(*) AS n FROM numbered WHERE locus = 'IGL' GROUP BY ROLLUP (locus, {f}) ORDER BY n DESC, locus, c LIMIT 10",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "case",
        "SELECT sequence_id, CASE WHEN locus = 'IGL' THEN {f} ELSE 'none' END AS c FROM numbered ORDER BY sequence_id",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "coalesce",
        "SELECT sequence_id, coalesce(nullif(locus, 'IGL'), {f}) AS c FROM numbered ORDER BY sequence_id",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "inner_join",
        "SELECT a.sequence_id, a.c FROM (SELECT sequence_id, v_gene, {f} AS c FROM numbered) a \
         JOIN (SELECT DISTINCT v_gene FROM numbered WHERE v_gene LIKE 'IGHV4%') g ON a.v_gene = g.v_gene ORDER BY 1",
        "SELECT count(*) FROM numbered WHERE v_gene LIKE 'IGHV4%'",
    ),
    (
        "left_join",
        "SELECT n.sequence_id, b.c FROM numbered n LEFT JOIN \
         (SELECT sequence_id, coalesce({f}, 'none') AS c FROM numbered WHERE locus = 'IGL') b \
         ON n.sequence_id = b.sequence_id ORDER BY 1",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "anti_join",
        "SELECT {f} AS c FROM numbered WHERE v_gene NOT IN (SELECT v_gene FROM numbered WHERE locus <> 'IGL' AND v_gene IS NOT NULL) ORDER BY c",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "join_on_it",
        "SELECT a.sequence_id, b.sequence_id AS other FROM numbered a JOIN numbered b ON {a} = {b} AND a.sequence_id < b.sequence_id ORDER BY 1, 2 LIMIT 50",
        "SELECT 2 * count(*) FROM numbered",
    ),
    (
        "join_of_pairs",
        "SELECT a.sequence_id, b.sequence_id AS other FROM numbered a JOIN numbered b \
         ON a.v_gene = b.v_gene AND a.locus = 'IGL' AND a.sequence_id < b.sequence_id AND length({a}) + length({b}) > 21 ORDER BY 1, 2 LIMIT 50",
        "SELECT 2 * count(*) FROM numbered a JOIN numbered b ON a.v_gene = b.v_gene AND a.locus = 'IGL' AND a.sequence_id < b.sequence_id",
    ),
    (
        "window",
        "SELECT sequence_id, row_number() OVER (PARTITION BY {f} ORDER BY sequence_id) AS i FROM numbered ORDER BY i DESC, sequence_id LIMIT 30",
        "SELECT count(*) FROM numbered",
    ),
    (
        "first_of_each",
        "SELECT sequence_id, c FROM (SELECT sequence_id, {f} AS c, row_number() OVER (PARTITION BY v_gene ORDER BY sequence_id) AS i FROM numbered) \
         WHERE i = 1 ORDER BY 1",
        "SELECT count(DISTINCT coalesce(v_gene, 'none')) FROM numbered",
    ),
    (
        "scalar_subquery",
        "SELECT count(*) AS n FROM numbered WHERE length(v_gene) < (SELECT max(length({f})) FROM numbered WHERE locus = 'IGL')",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "in_a_subquery",
        "SELECT sequence_id FROM numbered WHERE locus = 'IGL' AND {f} IN (SELECT {f} FROM numbered WHERE v_gene LIKE 'IGLV1%') ORDER BY 1",
        "SELECT 2 * count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "union",
        "SELECT {f} AS c FROM numbered WHERE locus = 'IGL' UNION SELECT 'x' AS c ORDER BY c LIMIT 15",
        "SELECT count(*) FROM numbered WHERE locus = 'IGL'",
    ),
    (
        "order",
        "SELECT sequence_id FROM numbered ORDER BY {f}, sequence_id LIMIT 10",
        "SELECT count(*) FROM numbered",
    ),
];

/// Those whose plans are kept, as examples of what goes where.
const SHOWN: [&str; 8] = [
    "top",
    "filter",
    "aggregate_with_a_filter",
    "case",
    "inner_join",
    "join_of_pairs",
    "first_of_each",
    "groups",
];

fn computed(template: &str) -> String {
    template
        .replace("{f}", "ab_cdr3(sequence_aa)")
        .replace("{a}", "ab_cdr3(a.sequence_aa)")
        .replace("{b}", "ab_cdr3(b.sequence_aa)")
}

fn stored(template: &str) -> String {
    template
        .replace("{f}", "stored")
        .replace("{a}", "a.stored")
        .replace("{b}", "b.stored")
}

/// The lake of `quickstart` with a table whose column `stored` is what the function gives.
fn numbered(folder: &tempfile::TempDir) -> Paratope {
    let paratope = Paratope::on(folder.path().join("lake")).with("PARATOPE__QUERY__THREADS", "2");
    paratope.run(["quickstart"]).expect_code(0);
    let create = "CREATE TABLE numbered AS SELECT concat_ws('/', sequence_id, source_file, source_record, domain_index) AS sequence_id, locus, v_gene, sequence_aa, \
        ab_cdr3(sequence_aa) AS stored FROM chains ORDER BY sequence_id";
    paratope.run(["query", "-c", create]).expect_code(0);
    paratope
}

fn plan(paratope: &Paratope, explain: &str, sql: &str) -> String {
    let rows = paratope.query(&format!("{explain} {sql}"));
    let plan = rows.iter().find(|row| {
        let kind = row["plan_type"].as_str().unwrap_or_default();
        kind == "physical_plan" || kind == "Plan with Metrics"
    });
    plan.unwrap_or_else(|| panic!("no plan in {rows:?}"))["plan"]
        .as_str()
        .unwrap()
        .to_string()
}

fn number(paratope: &Paratope, sql: &str) -> u64 {
    let rows = paratope.query(sql);
    rows[0].values().next().unwrap().as_u64().unwrap()
}

/// The sum of a counter over a plan.
fn counted(plan: &str, counter: &str) -> u64 {
    let pattern = Regex::new(&format!(r"\b{counter}=([\d.]+)( K)?")).unwrap();
    let counts = pattern.captures_iter(plan).map(|found| {
        let number: f64 = found[1].parse().unwrap();
        // Large counts are given in thousands, rounded.
        match found.get(2) {
            Some(_) => (number * 1_000.0) as u64,
            None => number as u64,
        }
    });
    counts.sum()
}

#[test]
fn functions_are_computed_once_for_each_row_that_needs_them_and_rightly() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = numbered(&folder);
    // A call on a column, not a column of its name.
    let call = Regex::new(r"ab_cdr3\(\w+@").unwrap();
    for (name, template, most) in QUERIES {
        let sql = computed(template);
        let expected = paratope.query(&stored(template));
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(paratope.query(&sql), expected, "{name}");
        let analyzed = plan(&paratope, "EXPLAIN ANALYZE", &sql);
        let calls = counted(&analyzed, "calls_computed");
        let most = number(&paratope, most);
        assert!(
            0 < calls && calls <= most,
            "{name}: {calls} of {most}\n{analyzed}"
        );
        let physical = plan(&paratope, "EXPLAIN FORMAT INDENT", &sql);
        for line in physical.lines().filter(|line| call.is_match(line)) {
            assert!(line.contains("InferenceExec"), "{name}: {physical}");
        }
        if SHOWN.contains(&name) {
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("snapshots");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.add_filter(
                r"[^\s\[]*/part-[^\s,\]:]*\.parquet(?::\d+\.\.\d+)?",
                "….parquet",
            );
            settings.bind(|| insta::assert_snapshot!(format!("inference_{name}"), physical));
        }
    }
}

#[test]
fn equal_inputs_are_computed_once_across_files_and_batches() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = numbered(&folder);
    let repeated = "SELECT count(ab_cdr3(sequence_aa)) AS n FROM numbered, generate_series(1, 5)";
    let analyzed = plan(&paratope, "EXPLAIN ANALYZE", repeated);
    let distinct = number(
        &paratope,
        "SELECT count(DISTINCT sequence_aa) FROM numbered",
    );
    let (calls, remembered) = (
        counted(&analyzed, "calls_computed"),
        counted(&analyzed, "calls_remembered"),
    );
    // Threads that ask for the same at the same moment compute it each.
    assert!(calls < 2 * distinct, "{calls} of {distinct}\n{analyzed}");
    assert!(remembered > 2 * distinct, "{analyzed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_compute_what_many_rows_need_and_the_coordinator_what_few_do() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = numbered(&folder);
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &[])).collect();
    let workers = addresses(&nodes);
    let settings = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let server = Server::over(paratope, folder, &settings);
    let mut client = server.client().await;
    for (name, template, _) in QUERIES {
        let expected = client.query(&stored(template)).await.unwrap();
        let answer = client.query(&computed(template)).await;
        let answer = answer.unwrap_or_else(|status| panic!("{name}: {status}"));
        let (expected, answer) = (shown(&expected), shown(&answer));
        assert_eq!(answer, expected, "{name}");
    }
    let mut stages = async |sql: &str| {
        let plan = client.query(&format!("EXPLAIN {sql}")).await.unwrap();
        let plan = plan.texts("plan").pop().unwrap();
        let (head, nodes) = plan.split_once("Stage 1").unwrap_or((&plan, ""));
        let inference = |part: &str| part.contains("InferenceExec");
        (inference(head), inference(nodes))
    };
    let all = "SELECT sequence_id, ab_cdr3(sequence_aa) AS c FROM numbered";
    assert_eq!(stages(all).await, (false, true));
    let few = "SELECT ab_cdr3(sequence_aa) AS c FROM numbered ORDER BY sequence_id LIMIT 10";
    assert_eq!(stages(few).await, (true, false));
    // The table is one row group, of which each node has one half.
    let slices = client.query(&format!("EXPLAIN {all}")).await.unwrap();
    let slices = slices.texts("plan").concat();
    let half = Regex::new(r"t([01]): SlicedScan: rows=\[\[(\d+)\.\.(\d+)\]").unwrap();
    let halves: Vec<[u64; 3]> = half
        .captures_iter(&slices)
        .map(|found| found.extract().1.map(|number| number.parse().unwrap()))
        .collect();
    let rows = client.query("SELECT count(*) AS n FROM numbered").await;
    let rows: u64 = rows.unwrap().value().parse().unwrap();
    assert_eq!(halves, [[0, 0, rows / 2], [1, rows / 2, rows]], "{slices}");
    // Functions that nodes find by themselves and conditions that travel with them.
    let analyzed = client
        .query(&format!("EXPLAIN ANALYZE {all}"))
        .await
        .unwrap();
    let analyzed = analyzed.texts("plan").concat();
    let (calls, remembered) = (
        counted(&analyzed, "calls_computed"),
        counted(&analyzed, "calls_remembered"),
    );
    // Large counts are given in thousands.
    assert!(calls > 1_000, "{analyzed}");
    assert!((calls + remembered).abs_diff(rows) < 50, "{analyzed}");
}

fn shown(table: &Table) -> String {
    arrow::util::pretty::pretty_format_batches(&table.batches)
        .unwrap()
        .to_string()
}
