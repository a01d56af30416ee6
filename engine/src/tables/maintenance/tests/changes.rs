//! `table_changes`: the rows that changed between two versions.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use deltalake::kernel::{DataType, StructField};

use super::Bench;
use crate::error::{Error, Result};
use crate::tables::Moment;
use crate::tables::maintenance::{Optimize, Vacuum, optimize, restore, table_changes, vacuum};

const PLAIN: &str = "CREATE TABLE t (id INT, part STRING) PARTITIONED BY (part)";
const RECORDING: &str = "CREATE TABLE t (id INT, name STRING, part STRING) PARTITIONED BY (part)
    TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')";

async fn changes(bench: &Bench, from: u64, to: Option<u64>) -> Result<Arc<dyn TableProvider>> {
    table_changes(&bench.table, Moment::Version(from), to.map(Moment::Version)).await
}

/// Changed rows without the time, as sorted text.
async fn changed(bench: &Bench, from: u64, to: Option<u64>, condition: &str) -> Vec<String> {
    let provider = changes(bench, from, to).await.unwrap();
    let rows = bench.rows_where(provider, condition).await;
    let without_time = |row: String| row.rsplit_once(" | ").unwrap().0.to_string();
    rows.into_iter().map(without_time).collect()
}

async fn appended() -> Bench {
    let bench = Bench::new(PLAIN).await;
    for (id, part) in [(1, "'a/b %'"), (2, "NULL"), (3, "'c'")] {
        bench
            .append(&format!("SELECT {id} AS id, {part} AS part"))
            .await;
    }
    bench
}

#[tokio::test]
async fn appends_and_compactions_are_read_without_change_data() {
    let bench = appended().await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    bench.append("SELECT 4 AS id, 'c' AS part").await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    assert_eq!(
        changed(&bench, 0, None, "true").await,
        [
            "1 | a/b % | insert | 1",
            "2 | NULL | insert | 2",
            "3 | c | insert | 3",
            "4 | c | insert | 4",
        ]
    );
    assert_eq!(
        changed(&bench, 2, Some(2), "true").await,
        ["2 | NULL | insert | 2"]
    );
    assert_eq!(
        changed(&bench, 5, Some(5), "true").await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn filters_and_projections_reach_the_files() {
    let bench = appended().await;
    for (condition, expected) in [
        ("_commit_version > 2", vec!["3 | c | insert | 3"]),
        ("part = 'a/b %'", vec!["1 | a/b % | insert | 1"]),
        ("part IS NULL AND id > 0", vec!["2 | NULL | insert | 2"]),
        ("_change_type = 'delete'", vec![]),
        (
            "id = 3 AND _commit_timestamp > TIMESTAMP '2020-01-01T00:00:00Z'",
            vec!["3 | c | insert | 3"],
        ),
        (
            "_commit_timestamp < TIMESTAMP '2020-01-01T00:00:00Z'",
            vec![],
        ),
    ] {
        assert_eq!(
            changed(&bench, 0, None, condition).await,
            expected,
            "{condition}"
        );
    }
    let context = crate::session::reading_context(bench.lake.storage()).unwrap();
    let provider = changes(&bench, 0, None).await.unwrap();
    context.register_table("t", provider).unwrap();
    let one = |sql: &str| {
        let (context, sql) = (context.clone(), sql.to_string());
        async move {
            let frame = context.sql(&sql).await.unwrap();
            super::text(&frame.collect().await.unwrap())
        }
    };
    assert_eq!(one("SELECT count(*) FROM t").await, ["3"]);
    assert_eq!(
        one("SELECT _change_type, id FROM t WHERE id = 1").await,
        ["insert | 1"]
    );
    assert_eq!(one("SELECT id FROM t LIMIT 2").await.len(), 2);
    let plan = context
        .sql("EXPLAIN SELECT id FROM t WHERE _commit_version = 2")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let plan = super::text(&plan).join("\n");
    assert_eq!(plan.matches(".parquet").count(), 1, "{plan}");
}

#[tokio::test]
async fn deletes_of_whole_files_are_read_without_change_data() {
    let bench = appended().await;
    restore(&bench.lake, &bench.table, Moment::Version(1))
        .await
        .unwrap();
    assert_eq!(
        changed(&bench, 4, None, "true").await,
        ["2 | NULL | delete | 4", "3 | c | delete | 4"]
    );
}

#[tokio::test]
async fn a_version_that_rewrote_rows_is_an_error_that_names_it_and_the_property() {
    let bench = Bench::new("CREATE TABLE t (id INT, part STRING)").await;
    bench
        .append("SELECT i AS id, 'c' AS part FROM generate_series(1, 4) AS s(i)")
        .await;
    bench
        .delta()
        .await
        .delete()
        .with_predicate("id = 2")
        .await
        .unwrap();
    bench.append("SELECT 9 AS id, 'c' AS part").await;
    let error = changes(&bench, 1, None).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("version 2 of main.t (DELETE)"),
        "{message}"
    );
    assert!(message.contains("delta.enableChangeDataFeed"), "{message}");
    assert_eq!(
        changed(&bench, 3, None, "true").await,
        ["9 | c | insert | 3"]
    );
}

async fn recorded() -> Bench {
    let bench = Bench::new(RECORDING).await;
    bench
        .append("SELECT i AS id, 'n' || CAST(i AS VARCHAR) AS name, CASE WHEN i < 3 THEN 'a/b %' ELSE 'c' END AS part FROM generate_series(1, 4) AS s(i)")
        .await;
    bench
        .delta()
        .await
        .update()
        .with_predicate("id = 2")
        .with_update("name", "'changed'")
        .await
        .unwrap();
    bench
        .delta()
        .await
        .delete()
        .with_predicate("id = 3")
        .await
        .unwrap();
    bench
}

#[tokio::test]
async fn recorded_changes_tell_updates_and_deletes_row_by_row() {
    let bench = recorded().await;
    assert_eq!(
        changed(&bench, 2, None, "true").await,
        [
            "2 | changed | a/b % | update_postimage | 2",
            "2 | n2 | a/b % | update_preimage | 2",
            "3 | n3 | c | delete | 3",
        ]
    );
    assert_eq!(changed(&bench, 0, None, "true").await.len(), 7);
    assert_eq!(
        changed(&bench, 0, None, "_change_type = 'delete' AND part = 'c'").await,
        ["3 | n3 | c | delete | 3"]
    );
    // Compactions and restores in between.
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    restore(&bench.lake, &bench.table, Moment::Version(1))
        .await
        .unwrap();
    let all = changed(&bench, 0, None, "true").await;
    // Undoing all is the negative of all that was done: nothing is left but the first rows.
    let mut balance = std::collections::BTreeMap::new();
    for row in all {
        let fields: Vec<&str> = row.split(" | ").collect();
        let sign = if fields[3].contains("insert") || fields[3].contains("post") {
            1
        } else {
            -1
        };
        *balance.entry(fields[..3].join(" | ")).or_insert(0) += sign;
    }
    balance.retain(|_, count| *count != 0);
    let rows = bench.rows().await;
    assert_eq!(balance.keys().cloned().collect::<Vec<_>>(), rows);
}

#[tokio::test]
async fn changes_agree_with_deltalake() {
    // Without odd characters, in whose folders deltalake's scan finds no file.
    let bench = Bench::new(RECORDING).await;
    bench
        .append("SELECT i AS id, 'n' AS name, 'p' || CAST(i % 2 AS VARCHAR) AS part FROM generate_series(1, 9) AS s(i)")
        .await;
    let delta = bench.delta().await;
    let (delta, _) = delta
        .update()
        .with_predicate("id > 6")
        .with_update("name", "'m'")
        .await
        .unwrap();
    delta.delete().with_predicate("id = 4").await.unwrap();
    let delta = bench.delta().await;
    let theirs = deltalake::delta_datafusion::cdf::scan::DeltaCdfTableProvider::try_new(
        delta.scan_cdf().with_starting_version(0),
    )
    .unwrap();
    let context = crate::session::bare_context().unwrap();
    context.register_table("t", Arc::new(theirs)).unwrap();
    let theirs = context
        .sql("SELECT * FROM t")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let theirs = super::text(&theirs);
    let ours = bench.rows_of_changes(0).await;
    let without_time = |rows: Vec<String>| -> Vec<String> {
        let cut = |row: String| row.rsplit_once(" | ").unwrap().0.to_string();
        rows.into_iter().map(cut).collect()
    };
    assert_eq!(without_time(ours), without_time(theirs));
}

impl Bench {
    async fn rows_of_changes(&self, from: u64) -> Vec<String> {
        let provider = changes(self, from, None).await.unwrap();
        self.rows_where(provider, "true").await
    }
}

#[tokio::test]
async fn columns_that_came_later_are_null_in_older_changes() {
    let bench = appended().await;
    bench
        .delta()
        .await
        .add_columns()
        .with_fields([StructField::nullable("added", DataType::DOUBLE)])
        .await
        .unwrap();
    bench
        .append("SELECT 5 AS id, 'c' AS part, 0.5 AS added")
        .await;
    assert_eq!(
        changed(&bench, 3, None, "true").await,
        ["3 | c | NULL | insert | 3", "5 | c | 0.5 | insert | 5"]
    );
}

#[tokio::test]
async fn ranges_by_time_and_ranges_that_are_none() {
    let bench = Bench::new(PLAIN).await;
    bench.append("SELECT 1 AS id, 'c' AS part").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let then = chrono::Utc::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.append("SELECT 2 AS id, 'c' AS part").await;
    let since = table_changes(&bench.table, Moment::Timestamp(then), None)
        .await
        .unwrap();
    assert_eq!(bench.rows_where(since, "true").await.len(), 1);
    let until = table_changes(
        &bench.table,
        Moment::Version(0),
        Some(Moment::Timestamp(then)),
    )
    .await
    .unwrap();
    assert_eq!(bench.rows_where(until, "id = 1").await.len(), 1);
    let error = changes(&bench, 2, Some(1)).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let error = changes(&bench, 7, None).await.unwrap_err();
    assert!(error.to_string().contains("no version 7"), "{error}");
}

#[tokio::test]
async fn changes_that_are_gone_are_named() {
    let bench = appended().await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    bench.append("SELECT 4 AS id, 'c' AS part").await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    let options = Vacuum {
        retain: Some(Duration::ZERO),
        dry_run: false,
    };
    vacuum(&bench.lake, &bench.table, options).await.unwrap();
    let error = changes(&bench, 0, None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(error.to_string().contains("VACUUM"), "{error}");
    super::super::checkpoint(&bench.table).await.unwrap();
    for version in 0..=2 {
        let path = bench.path().join(format!("_delta_log/{version:020}.json"));
        std::fs::remove_file(path).unwrap();
    }
    let error = changes(&bench, 1, None).await.unwrap_err();
    assert!(error.to_string().contains("gone from its log"), "{error}");
}
