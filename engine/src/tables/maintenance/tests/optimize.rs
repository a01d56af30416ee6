//! OPTIMIZE puts files together and loses no row.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, Int64Array, RecordBatch};
use datafusion::arrow::compute::{SortOptions, concat_batches};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::prelude::{col, lit};
use deltalake::kernel::{DataType, StructField};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Bench;
use crate::error::Error;
use crate::tables::TableDefinition;
use crate::tables::maintenance::{Optimize, OptimizeSummary, optimize};

const PLAIN: &str = "CREATE TABLE t (id BIGINT, gene STRING, note STRING)
    TBLPROPERTIES ('paratope.sortColumns' = 'gene, id')";
const PARTITIONED: &str = "CREATE TABLE t (id BIGINT, gene STRING, species STRING)
    PARTITIONED BY (species) TBLPROPERTIES ('paratope.sortColumns' = 'gene')";

fn rows(from: usize, count: usize) -> String {
    let genes = "'IGHV' || CAST(i % 7 AS VARCHAR)";
    format!(
        "SELECT i AS id, {genes} AS gene, CASE WHEN i % 5 = 0 THEN NULL ELSE 'n' END AS note
         FROM generate_series({from}, {}) AS s(i)",
        from + count - 1
    )
}

async fn run(bench: &Bench, options: Optimize) -> OptimizeSummary {
    optimize(&bench.lake, &bench.table, &options).await.unwrap()
}

#[tokio::test]
async fn small_files_become_one_with_the_same_rows_in_sort_order() {
    let bench = Bench::new(PLAIN).await;
    for file in 0..5 {
        bench.append(&rows(file * 10, 10)).await;
    }
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!((summary.files_removed, summary.files_added), (5, 1));
    assert_eq!((summary.partitions, summary.skipped_conflicts), (1, 0));
    assert_eq!(bench.rows().await, before);
    let files = bench.files().await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].rows, Some(50));
    assert_eq!(summary.bytes_after, files[0].bytes);
    let genes = genes_in_order(&bench).await;
    assert!(genes.is_sorted(), "{genes:?}");
}

async fn genes_in_order(bench: &Bench) -> Vec<String> {
    let path = bench.path().join(&bench.files().await[0].path);
    let sql = format!("SELECT gene FROM '{}'", path.display());
    let batches = super::select(&sql).await;
    batches
        .iter()
        .flat_map(|batch| {
            let genes = datafusion::arrow::compute::cast(
                batch.column(0),
                &datafusion::arrow::datatypes::DataType::Utf8,
            )
            .unwrap();
            let genes = datafusion::arrow::array::AsArray::as_string::<i32>(&genes).clone();
            genes
                .iter()
                .map(|gene| gene.unwrap().to_string())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let bench = Bench::new(PLAIN).await;
    for file in 0..40 {
        bench.append(&rows(file * 100, 100 + file)).await;
    }
    let options = Optimize {
        // A few files fit into one.
        target_file_bytes: Some(8_000),
        ..Optimize::default()
    };
    let first = run(&bench, options.clone()).await;
    assert!(first.files_added > 1, "{first:?}");
    let version = bench.table.snapshot().await.unwrap().version();
    let second = run(&bench, options).await;
    assert_eq!(second, OptimizeSummary::default());
    assert_eq!(bench.table.snapshot().await.unwrap().version(), version);
}

#[tokio::test]
async fn a_file_near_the_target_and_a_single_small_one_are_left_alone() {
    let bench = Bench::new(PLAIN).await;
    bench.append(&rows(0, 3_000)).await;
    bench.append(&rows(3_000, 10)).await;
    let large = bench.files().await.iter().map(|file| file.bytes).max();
    let options = Optimize {
        target_file_bytes: large,
        ..Optimize::default()
    };
    assert_eq!(run(&bench, options).await, OptimizeSummary::default());
}

#[tokio::test]
async fn partitions_stay_apart_with_null_and_odd_characters_in_their_values() {
    let bench = Bench::new(PARTITIONED).await;
    let species = ["'human'", "NULL", "'a/b=c d%e'", "'Åø ü'", "'x:y?#'"];
    for round in 0..3 {
        for (index, species) in species.iter().enumerate() {
            let from = (round * 10 + index) * 4;
            bench
                .append(&format!(
                    "SELECT i AS id, 'g' || CAST(-i AS VARCHAR) AS gene, {species} AS species
                     FROM generate_series({from}, {}) AS s(i)",
                    from + 3
                ))
                .await;
        }
    }
    let before = bench.rows().await;
    assert_eq!(before.len(), 60);
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!(
        (
            summary.files_removed,
            summary.files_added,
            summary.partitions
        ),
        (15, 5, 5)
    );
    assert_eq!(bench.rows().await, before);
    // The log's view of the partitions, as any reader has it.
    let mut values: Vec<_> = bench
        .files()
        .await
        .into_iter()
        .map(|file| file.partition[0].clone())
        .collect();
    values.sort();
    let expected = [
        None,
        Some("a/b=c d%e"),
        Some("human"),
        Some("x:y?#"),
        Some("Åø ü"),
    ];
    let expected: Vec<_> = expected.map(|value| value.map(str::to_string)).into();
    assert_eq!(values, expected);
}

#[tokio::test]
async fn a_condition_selects_partitions_and_nothing_else() {
    let bench = Bench::new(PARTITIONED).await;
    for id in 0..3 {
        for species in ["'human'", "'mouse'", "NULL"] {
            bench
                .append(&format!(
                    "SELECT {id} AS id, 'g' AS gene, {species} AS species"
                ))
                .await;
        }
    }
    let only = |filter| Optimize {
        filter: Some(filter),
        ..Optimize::default()
    };
    let summary = run(&bench, only(col("t.species").eq(lit("human")))).await;
    assert_eq!((summary.files_removed, summary.partitions), (3, 1));
    let summary = run(&bench, only(col("species").is_null())).await;
    assert_eq!((summary.files_removed, summary.partitions), (3, 1));
    let error = optimize(&bench.lake, &bench.table, &only(col("gene").eq(lit("g"))))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(
        error.to_string().contains("partitioned by species"),
        "{error}"
    );
}

#[tokio::test]
async fn files_older_than_a_column_have_nulls_in_it_afterwards() {
    let bench = Bench::new(PLAIN).await;
    bench.append(&rows(0, 10)).await;
    bench
        .delta()
        .await
        .add_columns()
        .with_fields([StructField::nullable("added", DataType::DOUBLE)])
        .await
        .unwrap();
    bench
        .append("SELECT 99 AS id, 'g' AS gene, 'n' AS note, 0.5 AS added")
        .await;
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!(summary.files_added, 1);
    assert_eq!(bench.rows().await, before);
}

#[tokio::test]
async fn no_rows_change_in_the_log() {
    let bench = Bench::new(PLAIN).await;
    bench.append(&rows(0, 10)).await;
    bench.append(&rows(10, 10)).await;
    run(&bench, Optimize::default()).await;
    let log = crate::tables::log::Log::list(&bench.table).await.unwrap();
    let (commit, actions) = log.actions(3).await.unwrap();
    assert_eq!(commit.info.operation.as_deref(), Some("OPTIMIZE"));
    assert_eq!(commit.info.is_blind_append, Some(false));
    for action in actions {
        match action {
            deltalake::kernel::Action::Add(add) => assert!(!add.data_change),
            deltalake::kernel::Action::Remove(remove) => assert!(!remove.data_change),
            _ => {}
        }
    }
}

#[tokio::test]
async fn columns_of_all_kinds_survive() {
    let bench = Bench::new(
        "CREATE TABLE t (id INT NOT NULL, list ARRAY<STRING>, map MAP<STRING, STRING>, day DATE,
         at TIMESTAMP, flag BOOLEAN, ratio FLOAT, raw BINARY, part DATE) PARTITIONED BY (part)",
    )
    .await;
    for id in 0..4 {
        bench
            .append(&format!(
                "SELECT {id} AS id,
                 CASE WHEN {id} = 0 THEN NULL ELSE ['a', NULL, 'c{id}'] END AS list,
                 CASE WHEN {id} = 1 THEN NULL ELSE map(['k'], ['v{id}']) END AS map,
                 DATE '2024-02-29' AS day, TIMESTAMP '1969-12-31T23:59:59.123456Z' AS at,
                 {id} > 1 AS flag, CAST(0.1 AS FLOAT) AS ratio, CAST('x' AS BYTEA) AS raw,
                 CASE WHEN {id} = 3 THEN NULL ELSE DATE '2024-01-01' END AS part"
            ))
            .await;
    }
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!((summary.files_removed, summary.files_added), (3, 1));
    assert_eq!(bench.rows().await, before);
}

#[tokio::test]
async fn a_table_with_features_that_would_be_lost_is_refused() {
    // As others may have made it: a statement here would refuse the property.
    let mut definition = TableDefinition::parse("CREATE TABLE t (id INT)").unwrap();
    let property = ("delta.enableDeletionVectors".into(), "true".into());
    definition.properties.push(property);
    let bench = Bench::of(definition, |_| {}).await;
    let error = optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    assert!(error.to_string().contains("deletion vectors"), "{error}");
}

/// Rows of the only file, in its order.
async fn stored(bench: &Bench) -> RecordBatch {
    let files = bench.files().await;
    assert_eq!(files.len(), 1);
    let file = std::fs::File::open(bench.path().join(&files[0].path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Whether rows are sorted by columns, NULLs last.
fn is_sorted(rows: &RecordBatch, columns: &[&str]) -> bool {
    let options = SortOptions::default().asc().nulls_last();
    let columns: Vec<_> = columns
        .iter()
        .map(|name| Arc::clone(rows.column_by_name(name).unwrap()))
        .collect();
    let fields = columns
        .iter()
        .map(|column| SortField::new_with_options(column.data_type().clone(), options))
        .collect();
    let keys = RowConverter::new(fields).unwrap();
    keys.convert_columns(&columns).unwrap().iter().is_sorted()
}

/// Rows that memory for sorting holds a fraction of.
async fn wide_rows_and_little_memory() -> Bench {
    let bench = Bench::with(PLAIN, |config| {
        config.ingest.sort_memory_bytes = 3 << 20;
        config.query.memory_bytes = Some(9 << 20);
    })
    .await;
    for file in 0..4 {
        bench
            .append(&format!(
                "SELECT i AS id, CASE WHEN i % 9 = 0 THEN NULL ELSE md5(CAST(i AS VARCHAR)) END AS gene,
                        repeat(md5(CAST(-i AS VARCHAR)), 8) AS note
                 FROM generate_series({}, {}) AS s(i)",
                file * 20_000,
                file * 20_000 + 19_999
            ))
            .await;
    }
    bench
}

#[tokio::test]
async fn rows_beyond_memory_are_sorted_like_those_within() {
    let bench = wide_rows_and_little_memory().await;
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!((summary.files_removed, summary.files_added), (4, 1));
    let rows = stored(&bench).await;
    assert_eq!(rows.num_rows(), 80_000);
    assert!(is_sorted(&rows, &["gene", "id"]));
    assert_eq!(bench.rows().await, before);
}

#[tokio::test]
async fn unsorted_files_of_other_writers_with_nulls_in_the_keys_come_out_sorted() {
    let bench = Bench::new(PLAIN).await;
    for file in 0..3 {
        let rows = super::select(&format!(
            "SELECT i AS id, CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN '' ELSE md5(CAST(i AS VARCHAR)) END AS gene,
                    'n' || CAST(i AS VARCHAR) AS note
             FROM generate_series({}, {}) AS s(i) ORDER BY md5(CAST(-i AS VARCHAR))",
            file * 5_000,
            file * 5_000 + 4_999
        ))
        .await;
        bench.delta().await.write(rows).await.unwrap();
    }
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!((summary.files_removed, summary.files_added), (3, 1));
    let rows = stored(&bench).await;
    assert!(is_sorted(&rows, &["gene", "id"]));
    assert_eq!(bench.rows().await, before);
}

#[tokio::test]
async fn without_sort_columns_files_are_put_together_as_they_are() {
    let bench = Bench::new(
        "CREATE TABLE t (id BIGINT, gene STRING, species STRING) PARTITIONED BY (species)",
    )
    .await;
    for file in 0..4 {
        bench
            .append(&format!(
                "SELECT i AS id, md5(CAST(i AS VARCHAR)) AS gene, 'human' AS species
                 FROM generate_series({}, {}) AS s(i)",
                file * 1_000,
                file * 1_000 + 999
            ))
            .await;
    }
    let before = bench.rows().await;
    let summary = run(&bench, Optimize::default()).await;
    assert_eq!((summary.files_removed, summary.files_added), (4, 1));
    assert_eq!(bench.rows().await, before);
    let rows = stored(&bench).await;
    let ids: &Int64Array = rows.column(0).as_primitive();
    let descents = ids.values().windows(2).filter(|pair| pair[0] > pair[1]);
    assert!(descents.count() < 4, "rows were torn from their neighbours");
}
