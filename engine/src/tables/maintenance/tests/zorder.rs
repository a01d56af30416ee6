//! Z-order clusters by several columns at once.

use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::datatypes::Int64Type;
use deltalake::kernel::Add;

use super::Bench;
use crate::error::Error;
use crate::tables::maintenance::{Optimize, OptimizeSummary, optimize};

/// 40,000 rows in which a, b and c are independent; d has few values, and NULLs.
const ROWS: &str = "SELECT i AS id, (i * 7919) % 40009 AS a, md5(CAST(i AS VARCHAR)) AS b,
    CASE WHEN i % 3 = 0 THEN NULL ELSE (i * 31) % 10 END AS d
    FROM generate_series(1, 40000) AS s(i)";

async fn bench(sort_columns: &str) -> Bench {
    let bench = Bench::new(&format!(
        "CREATE TABLE t (id BIGINT, a BIGINT, b STRING, d BIGINT)
         TBLPROPERTIES ('paratope.sortColumns' = '{sort_columns}')"
    ))
    .await;
    bench.append(ROWS).await;
    bench
}

async fn zorder(bench: &Bench, columns: &[&str]) -> OptimizeSummary {
    let options = Optimize {
        zorder: columns.iter().map(ToString::to_string).collect(),
        target_file_bytes: Some(40_000),
        ..Optimize::default()
    };
    optimize(&bench.lake, &bench.table, &options).await.unwrap()
}

/// Smallest and largest value of a column in each file, as text that sorts like the values.
async fn ranges(bench: &Bench, column: &str) -> Vec<(String, String)> {
    let padded = |value: &serde_json::Value| match value {
        serde_json::Value::Number(number) => format!("{:0>12}", number.as_i64().unwrap()),
        other => other.as_str().unwrap().to_string(),
    };
    let files = bench.files().await;
    files
        .iter()
        .map(|file| {
            let add: Add = file.add();
            let stats: serde_json::Value = serde_json::from_str(&add.stats.unwrap()).unwrap();
            let of = |which: &str| padded(&stats[which][column]);
            (of("minValues"), of("maxValues"))
        })
        .collect()
}

/// Share of the files that a query for one value reads, averaged over values of the column.
async fn read_share(bench: &Bench, column: &str, probes: &[String]) -> f64 {
    let ranges = ranges(bench, column).await;
    let touched: usize = probes
        .iter()
        .map(|probe| {
            let may_have = |(low, high): &&(String, String)| low <= probe && probe <= high;
            ranges.iter().filter(may_have).count()
        })
        .sum();
    touched as f64 / (probes.len() * ranges.len()) as f64
}

fn probes() -> (Vec<String>, Vec<String>) {
    let a = (0..200).map(|i| format!("{:0>12}", i * 200)).collect();
    let b = (0..200).map(|i| format!("{:02x}8", i)).collect();
    (a, b)
}

#[tokio::test]
async fn files_are_narrow_in_both_columns_where_sorting_serves_the_first_only() {
    let (a, b) = probes();
    let sorted = bench("a, b").await;
    // Sorted the same way and cut into files of the same size: z-order by one column is its sort.
    zorder(&sorted, &["a"]).await;
    let files = sorted.files().await.len();
    assert!(files >= 16, "too few files to tell: {files}");
    let sorted_a = read_share(&sorted, "a", &a).await;
    let sorted_b = read_share(&sorted, "b", &b).await;
    assert!(sorted_a < 0.1, "{sorted_a}");
    assert!(sorted_b > 0.9, "{sorted_b}");

    let z = bench("a, b").await;
    let before = z.rows().await;
    zorder(&z, &["a", "b"]).await;
    let (z_a, z_b) = (read_share(&z, "a", &a).await, read_share(&z, "b", &b).await);
    // Of n files a square grid has the root of n in a row; cutting a curve anywhere costs a little.
    let root = 1.0 / (z.files().await.len() as f64).sqrt();
    for share in [z_a, z_b] {
        assert!(share < 2.0 * root, "{z_a} {z_b}, ideal {root}");
    }
    assert!(z_a + z_b < 0.6 * (sorted_a + sorted_b), "{z_a} {z_b}");
    assert_eq!(z.rows().await, before);
}

#[tokio::test]
async fn a_column_of_few_values_and_nulls_counts_like_any_other() {
    let bench = bench("id").await;
    let before = bench.rows().await;
    zorder(&bench, &["d", "b"]).await;
    assert_eq!(bench.rows().await, before);
    let (_, probes) = probes();
    let share = read_share(&bench, "b", &probes).await;
    assert!(share < 0.6, "{share}");
    let all_null = nulls_per_file(&bench).await;
    let mixed = all_null
        .iter()
        .filter(|share| **share > 0.01 && **share < 0.99);
    let mixed = mixed.count() as f64 / all_null.len() as f64;
    assert!(mixed < 0.5, "NULLs are in all files: {all_null:?}");
}

async fn nulls_per_file(bench: &Bench) -> Vec<f64> {
    let files = bench.files().await;
    files
        .iter()
        .map(|file| {
            let stats: serde_json::Value =
                serde_json::from_str(&file.add().stats.unwrap()).unwrap();
            let nulls = stats["nullCount"]["d"].as_f64().unwrap();
            nulls / stats["numRecords"].as_f64().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn a_partition_that_is_in_order_is_left_alone_until_a_file_comes_or_the_columns_change() {
    let bench = bench("id").await;
    zorder(&bench, &["a", "b"]).await;
    assert_eq!(
        zorder(&bench, &["a", "b"]).await,
        OptimizeSummary::default()
    );
    assert!(zorder(&bench, &["b", "d"]).await.files_added > 0);
    bench
        .append("SELECT 1 AS id, 1 AS a, 'x' AS b, 1 AS d")
        .await;
    assert!(zorder(&bench, &["b", "d"]).await.files_added > 0);
}

#[tokio::test]
async fn columns_that_cannot_be_ordered_by_are_refused_by_name() {
    let bench =
        Bench::new("CREATE TABLE t (a INT, m MAP<STRING, STRING>, p STRING) PARTITIONED BY (p)")
            .await;
    for (columns, word) in [
        (vec!["nope"], "no column nope"),
        (vec!["p"], "partition column"),
        (vec!["a", "a"], "twice"),
        (vec!["m"], "no order"),
        (vec!["a"; 9], "at most 8"),
    ] {
        let options = Optimize {
            zorder: columns.iter().map(ToString::to_string).collect(),
            ..Optimize::default()
        };
        let error = optimize(&bench.lake, &bench.table, &options)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn ids_are_all_there_after_z_order() {
    let bench = bench("id").await;
    zorder(&bench, &["a", "b", "d"]).await;
    let snapshot = bench.table.snapshot().await.unwrap();
    let provider = crate::tables::LakeTableProvider::try_new(&bench.table, snapshot)
        .await
        .unwrap();
    let context = crate::session::reading_context(bench.lake.storage()).unwrap();
    context
        .register_table("t", std::sync::Arc::new(provider))
        .unwrap();
    let sums = context
        .sql("SELECT sum(id), count(DISTINCT id) FROM t")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let sum: &Int64Array = sums[0].column(0).as_primitive::<Int64Type>();
    assert_eq!(sum.value(0), 40_000 * 40_001 / 2);
    assert_eq!(
        sums[0].column(1).as_primitive::<Int64Type>().value(0),
        40_000
    );
}

#[tokio::test]
async fn rows_beyond_memory_end_in_files_as_narrow_as_those_within() {
    let sql = "CREATE TABLE t (id BIGINT, a BIGINT, b STRING, d BIGINT)
        TBLPROPERTIES ('paratope.sortColumns' = 'id')";
    let bench = Bench::with(sql, |config| {
        config.ingest.sort_memory_bytes = 1 << 20;
        config.query.memory_bytes = Some(3 << 20);
    })
    .await;
    bench.append(ROWS).await;
    let before = bench.rows().await;
    zorder(&bench, &["a", "b"]).await;
    assert_eq!(bench.rows().await, before);
    let (a, b) = probes();
    let files = bench.files().await.len();
    assert!(files >= 16, "too few files to tell: {files}");
    let (in_a, in_b) = (
        read_share(&bench, "a", &a).await,
        read_share(&bench, "b", &b).await,
    );
    let root = 1.0 / (files as f64).sqrt();
    for share in [in_a, in_b] {
        assert!(share < 2.0 * root, "{in_a} {in_b}, ideal {root}");
    }
}
