//! VACUUM deletes what nobody needs and nothing else.

use std::path::Path;
use std::time::{Duration, SystemTime};

use deltalake::operations::vacuum::VacuumMode;

use super::Bench;
use crate::error::Error;
use crate::tables::maintenance::{
    Optimize, Vacuum, VacuumSummary, checkpoint, optimize, snapshot_at, vacuum,
};
use crate::tables::{LakeTableProvider, Moment, Table};

const HOUR: Duration = Duration::from_secs(3_600);
const TABLE: &str = "CREATE TABLE t (id INT, part STRING) PARTITIONED BY (part)";

async fn compacted() -> Bench {
    let bench = Bench::new(TABLE).await;
    for id in 0..3 {
        bench
            .append(&format!("SELECT {id} AS id, 'a/b %' AS part"))
            .await;
    }
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    bench
}

async fn run(bench: &Bench, hours: u32, dry_run: bool) -> VacuumSummary {
    let options = Vacuum {
        retain: Some(HOUR * hours),
        dry_run,
    };
    vacuum(&bench.lake, &bench.table, options).await.unwrap()
}

/// Makes a file look as if it had been written hours ago.
fn age(path: &Path, hours: u32) {
    let then = SystemTime::now() - HOUR * hours;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(then).unwrap();
}

/// Makes commits look as if they had been made hours ago: their files and what they say.
fn age_log(bench: &Bench, hours: u32, versions: std::ops::RangeInclusive<u64>) {
    for version in versions {
        let path = bench.path().join(format!("_delta_log/{version:020}.json"));
        let then = chrono::Utc::now() - chrono::Duration::hours(hours.into());
        let aged: Vec<String> = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| {
                let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
                for (kind, field) in [("remove", "deletionTimestamp"), ("commitInfo", "timestamp")]
                {
                    if action[kind].is_object() {
                        action[kind][field] = then.timestamp_millis().into();
                    }
                }
                action.to_string()
            })
            .collect();
        std::fs::write(&path, aged.join("\n")).unwrap();
        age(&path, hours);
    }
}

#[tokio::test]
async fn replaced_files_go_and_the_rows_stay() {
    let bench = compacted().await;
    let before = bench.rows().await;
    assert_eq!(bench.on_disk().len(), 4);
    let dry = run(&bench, 0, true).await;
    assert_eq!((dry.files, dry.paths.len()), (3, 3));
    assert_eq!(bench.on_disk().len(), 4, "a dry run deletes nothing");
    let summary = run(&bench, 0, false).await;
    assert_eq!((summary.files, summary.bytes), (3, dry.bytes));
    let mut left = bench.on_disk();
    assert_eq!(left.len(), 1);
    assert!(!dry.paths.contains(&left.remove(0)));
    assert_eq!(bench.rows().await, before);
    assert_eq!(run(&bench, 0, false).await.files, 0);
}

#[tokio::test]
async fn both_ends_are_in_the_log_and_an_idle_vacuum_is_not() {
    let bench = compacted().await;
    run(&bench, 0, false).await;
    let version = bench.table.snapshot().await.unwrap().version();
    let log = crate::tables::log::Log::list(&bench.table).await.unwrap();
    let operation = async |version| log.provenance(version).await.unwrap().info.operation;
    assert_eq!(operation(version).await.as_deref(), Some("VACUUM END"));
    assert_eq!(
        operation(version - 1).await.as_deref(),
        Some("VACUUM START")
    );
    run(&bench, 0, false).await;
    assert_eq!(bench.table.snapshot().await.unwrap().version(), version);
}

#[tokio::test]
async fn versions_within_the_retention_can_still_be_read() {
    let bench = compacted().await;
    for path in bench.on_disk() {
        age(&bench.path().join(path), 1_000);
    }
    // By the clock of the files all are old; the log says that they were replaced just now.
    assert_eq!(run(&bench, 1, false).await.files, 0);
    let old = snapshot_at(&bench.table, Moment::Version(3)).await.unwrap();
    let provider = LakeTableProvider::try_new(&bench.table, old).await.unwrap();
    assert_eq!(bench.rows_of(provider).await.len(), 3);
    // Replaced ten hours ago: kept for twenty hours, not for five.
    age_log(&bench, 10, 0..=4);
    assert_eq!(run(&bench, 20, true).await.files, 0);
    assert_eq!(run(&bench, 5, true).await.files, 3);
}

#[tokio::test]
async fn a_retention_longer_than_that_of_checkpoints_is_kept() {
    let bench = Bench::new(
        "CREATE TABLE t (id INT, part STRING) PARTITIONED BY (part)
         TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 1 hours')",
    )
    .await;
    for id in 0..3 {
        bench
            .append(&format!("SELECT {id} AS id, 'p' AS part"))
            .await;
    }
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    for path in bench.on_disk() {
        age(&bench.path().join(path), 1_000);
    }
    age_log(&bench, 10, 0..=4);
    // The checkpoint forgets what was removed more than an hour ago; its commits do not.
    let reopened = Table::new(bench.lake.storage(), "main.t", "main/t").unwrap();
    assert_eq!(checkpoint(&reopened).await.unwrap(), 4);
    let options = |hours: u32| Vacuum {
        retain: Some(HOUR * hours),
        dry_run: true,
    };
    let kept = vacuum(&bench.lake, &reopened, options(20)).await.unwrap();
    assert_eq!(kept.files, 0, "{kept:?}");
    let gone = vacuum(&bench.lake, &reopened, options(5)).await.unwrap();
    assert_eq!(gone.files, 3);
    // What it is for: deltalake deletes what it was asked to keep.
    let (_, theirs) = bench
        .delta()
        .await
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(chrono::Duration::hours(20))
        .with_dry_run(true)
        .await
        .unwrap();
    assert_eq!(theirs.files_deleted.len(), 3);
}

#[tokio::test]
async fn files_that_a_writer_may_be_about_to_commit_are_left_alone() {
    let bench = Bench::with(TABLE, |config| config.maintenance.orphan_hours = 24).await;
    bench.append("SELECT 1 AS id, 'p' AS part").await;
    let file = bench.path().join("part=p/young.parquet");
    std::fs::write(&file, "not committed yet").unwrap();
    assert_eq!(run(&bench, 0, false).await.files, 0);
    age(&file, 23);
    assert_eq!(run(&bench, 0, false).await.files, 0);
    assert_eq!(run(&bench, 30, false).await.files, 0);
    age(&file, 25);
    assert_eq!(run(&bench, 30, false).await.files, 0);
    assert_eq!(run(&bench, 0, false).await.files, 1);
    assert!(!file.exists());
}

#[tokio::test]
async fn what_is_no_data_file_of_the_table_stays() {
    let bench = compacted().await;
    let strangers = [
        "README.txt",
        "_index/x.parquet",
        ".hidden/x.parquet",
        "part=p/_tmp.parquet",
        "inner/_delta_log/00000000000000000000.json",
        "inner/x.parquet",
        "_delta_log/00000000000000000001.checkpoint.parquet.bak",
    ];
    for stranger in strangers {
        let path = bench.path().join(stranger);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        age(&path, 1_000);
    }
    for orphan in ["_change_data/x.parquet", "deep/er/x.PARQUET"] {
        let path = bench.path().join(orphan);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "orphan").unwrap();
        age(&path, 1_000);
    }
    let summary = run(&bench, 0, false).await;
    assert_eq!(summary.files, 3 + 2, "replaced files and orphans");
    for stranger in strangers {
        assert!(bench.path().join(stranger).exists(), "{stranger}");
    }
}

#[tokio::test]
async fn a_retention_below_the_floor_is_refused_naming_the_setting() {
    let bench = Bench::with(TABLE, |config| config.maintenance.vacuum_floor_hours = 168).await;
    let options = |hours: u32| Vacuum {
        retain: Some(HOUR * hours),
        dry_run: true,
    };
    let error = vacuum(&bench.lake, &bench.table, options(167))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("maintenance.vacuum_floor_hours"),
        "{message}"
    );
    assert!(message.contains("RETAIN 167 HOURS"), "{message}");
    vacuum(&bench.lake, &bench.table, options(168))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_retention_below_the_tables_own_is_refused_naming_the_property() {
    let bench = Bench::new(
        "CREATE TABLE t (id INT) TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 2 days')",
    )
    .await;
    let options = |retain: Option<Duration>| Vacuum {
        retain,
        dry_run: true,
    };
    let error = vacuum(&bench.lake, &bench.table, options(Some(HOUR * 47)))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("delta.deletedFileRetentionDuration"),
        "{error}"
    );
    let summary = vacuum(&bench.lake, &bench.table, options(None))
        .await
        .unwrap();
    assert_eq!(summary.retained, HOUR * 48);
}
