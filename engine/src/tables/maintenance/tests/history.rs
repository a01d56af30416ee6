//! DESCRIBE HISTORY and DESCRIBE DETAIL.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;

use super::Bench;
use crate::tables::Moment;
use crate::tables::maintenance::{
    Optimize, checkpoint, detail, history, optimize, resolve, restore,
};

async fn bench() -> Bench {
    let bench = Bench::new(
        "CREATE TABLE t (id INT, part STRING) PARTITIONED BY (part)
         TBLPROPERTIES ('paratope.sortColumns' = 'id', 'delta.targetFileSize' = '67108864')",
    )
    .await;
    for id in 1..=3 {
        bench
            .append(&format!("SELECT {id} AS id, 'p' AS part"))
            .await;
    }
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    restore(&bench.lake, &bench.table, Moment::Version(2))
        .await
        .unwrap();
    bench
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column
        .iter()
        .map(|text| text.unwrap_or("NULL").to_string())
        .collect()
}

fn map(batch: &RecordBatch, column: &str, row: usize) -> Vec<(String, String)> {
    let map = batch.column_by_name(column).unwrap().as_map();
    let entries = map.value(row);
    let keys = entries.column(0).as_string::<i32>();
    let values = entries.column(1).as_string::<i32>();
    (0..entries.len())
        .map(|entry| {
            (
                keys.value(entry).to_string(),
                values.value(entry).to_string(),
            )
        })
        .collect()
}

#[tokio::test]
async fn history_tells_who_did_what_newest_first() {
    let bench = bench().await;
    let rows = history(&bench.table, None).await.unwrap();
    assert_eq!(
        texts(&rows, "operation"),
        [
            "RESTORE",
            "OPTIMIZE",
            "WRITE",
            "WRITE",
            "WRITE",
            "CREATE TABLE"
        ]
    );
    let versions = rows.column(0).as_primitive::<Int64Type>();
    assert_eq!(versions.values().to_vec(), [5, 4, 3, 2, 1, 0]);
    assert_eq!(
        map(&rows, "operation_parameters", 0),
        [("version".into(), "2".into())]
    );
    let metrics = map(&rows, "operation_metrics", 1);
    assert!(
        metrics.contains(&("numRemovedFiles".into(), "3".into())),
        "{metrics:?}"
    );
    let metrics = rows.column_by_name("operation_metrics").unwrap();
    assert!(metrics.is_null(2), "a write of ours tells none");
    let blind = rows.column_by_name("is_blind_append").unwrap().as_boolean();
    assert_eq!(
        blind.iter().take(3).collect::<Vec<_>>(),
        [Some(false), Some(false), Some(true)]
    );
    let two = history(&bench.table, Some(2)).await.unwrap();
    assert_eq!(two.num_rows(), 2);
    assert_eq!(two, rows.slice(0, 2));
}

#[tokio::test]
async fn history_reaches_as_far_back_as_the_log() {
    let bench = bench().await;
    checkpoint(&bench.table).await.unwrap();
    for version in 0..=2 {
        let path = bench.path().join(format!("_delta_log/{version:020}.json"));
        std::fs::remove_file(path).unwrap();
    }
    let rows = history(&bench.table, None).await.unwrap();
    assert_eq!(texts(&rows, "operation"), ["RESTORE", "OPTIMIZE", "WRITE"]);
}

#[tokio::test]
async fn times_of_history_name_versions() {
    let bench = bench().await;
    let log = crate::tables::log::Log::list(&bench.table).await.unwrap();
    for version in 0..=5 {
        let at = log.provenance(version).await.unwrap().at;
        let found = resolve(&bench.table, Moment::Timestamp(at)).await.unwrap();
        let same_moment = log.provenance(found).await.unwrap().at == at;
        assert!(found == version || same_moment, "{version}: {found}");
    }
}

#[tokio::test]
async fn a_checkpoint_is_made_once_a_version() {
    let bench = bench().await;
    assert_eq!(checkpoint(&bench.table).await.unwrap(), 5);
    assert_eq!(checkpoint(&bench.table).await.unwrap(), 5);
    assert!(bench.path().join("_delta_log/_last_checkpoint").exists());
    let before = bench.rows().await;
    let reopened = crate::tables::Table::new(bench.lake.storage(), "main.t", "main/t").unwrap();
    let snapshot = reopened.snapshot().await.unwrap();
    let provider = crate::tables::LakeTableProvider::try_new(&reopened, snapshot)
        .await
        .unwrap();
    assert_eq!(bench.rows_of(provider).await, before);
}

#[tokio::test]
async fn detail_describes_a_table_in_one_row() {
    let bench = bench().await;
    let row = detail(&bench.table).await.unwrap();
    assert_eq!(row.num_rows(), 1);
    assert_eq!(texts(&row, "format"), ["delta"]);
    assert_eq!(texts(&row, "name"), ["main.t"]);
    assert!(texts(&row, "location")[0].ends_with("/lake/main/t"));
    let number = |name: &str| {
        let column = row.column_by_name(name).unwrap();
        column.as_primitive::<Int64Type>().value(0)
    };
    assert_eq!(
        (number("files"), number("rows"), number("version")),
        (2, 2, 5)
    );
    let bytes: u64 = bench.files().await.iter().map(|file| file.bytes).sum();
    assert_eq!(number("bytes"), bytes as i64);
    let list = |name: &str| -> Vec<String> {
        let values = row.column_by_name(name).unwrap().as_list::<i32>().value(0);
        let values = values.as_string::<i32>();
        values
            .iter()
            .map(|value| value.unwrap().to_string())
            .collect()
    };
    assert_eq!(list("partition_columns"), ["part"]);
    assert_eq!(list("sort_columns"), ["id"]);
    let properties = map(&row, "properties", 0);
    assert!(
        properties.contains(&("delta.targetFileSize".into(), "67108864".into())),
        "{properties:?}"
    );
    for moment in ["created_at", "last_modified"] {
        assert!(row.column_by_name(moment).unwrap().is_valid(0), "{moment}");
    }
}
