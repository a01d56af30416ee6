//! RESTORE brings a version back, and with it the ids of inputs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deltalake::kernel::{DataType, StructField};

use super::Bench;
use crate::error::Error;
use crate::ingest::{IngestOptions, Progress, Status, ingest};
use crate::lake::Lake;
use crate::session::{self};
use crate::storage::Access;
use crate::tables::maintenance::{Optimize, RestoreSummary, Vacuum, optimize, restore, vacuum};
use crate::tables::{LakeTableProvider, Moment, transactions};

const TABLE: &str = "CREATE TABLE t (id INT, part STRING) PARTITIONED BY (part)";

async fn three_versions() -> Bench {
    let bench = Bench::new(TABLE).await;
    for id in 1..=3 {
        bench
            .append(&format!("SELECT {id} AS id, 'a/b %' AS part"))
            .await;
    }
    bench
}

async fn run(bench: &Bench, to: Moment) -> RestoreSummary {
    restore(&bench.lake, &bench.table, to).await.unwrap()
}

#[tokio::test]
async fn rows_go_back_and_forward_again() {
    let bench = three_versions().await;
    let all = bench.rows().await;
    let back = run(&bench, Moment::Version(1)).await;
    assert_eq!((back.files_added, back.files_removed), (0, 2));
    assert_eq!((back.restored, back.version), (1, Some(4)));
    assert_eq!(bench.rows().await, all[..1]);
    let forward = run(&bench, Moment::Version(3)).await;
    assert_eq!((forward.files_added, forward.files_removed), (2, 0));
    assert_eq!(bench.rows().await, all);
    let again = run(&bench, Moment::Version(3)).await;
    assert_eq!(again.version, None, "nothing to do is no commit");
}

#[tokio::test]
async fn a_version_before_a_compaction_comes_back_with_its_statistics() {
    let bench = three_versions().await;
    let all = bench.rows().await;
    let stats = async || {
        let mut stats: Vec<_> = bench
            .files()
            .await
            .iter()
            .map(|file| (file.path.clone(), file.add().stats.unwrap()))
            .collect();
        stats.sort();
        stats
    };
    let before = stats().await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    let summary = run(&bench, Moment::Version(3)).await;
    assert_eq!((summary.files_added, summary.files_removed), (3, 1));
    assert_eq!(bench.rows().await, all);
    assert_eq!(stats().await, before);
}

#[tokio::test]
async fn schema_and_properties_go_back_too() {
    let bench = three_versions().await;
    let before = bench.rows().await;
    bench
        .delta()
        .await
        .add_columns()
        .with_fields([StructField::nullable("added", DataType::DOUBLE)])
        .await
        .unwrap();
    bench
        .append("SELECT 4 AS id, 'p' AS part, 0.5 AS added")
        .await;
    run(&bench, Moment::Version(3)).await;
    assert_eq!(bench.rows().await, before);
    let schema = bench.table.snapshot().await.unwrap().arrow_schema();
    assert!(schema.field_with_name("added").is_err());
}

#[tokio::test]
async fn a_time_means_the_version_of_then() {
    let bench = Bench::new(TABLE).await;
    bench.append("SELECT 1 AS id, 'p' AS part").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let then = chrono::Utc::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.append("SELECT 2 AS id, 'p' AS part").await;
    let summary = run(&bench, Moment::Timestamp(then)).await;
    assert_eq!(summary.restored, 1);
    assert_eq!(bench.rows().await.len(), 1);
    let future = Moment::Timestamp(chrono::Utc::now() + chrono::Duration::hours(1));
    let error = restore(&bench.lake, &bench.table, future)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let past = Moment::Timestamp(chrono::DateTime::UNIX_EPOCH);
    let error = restore(&bench.lake, &bench.table, past).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[tokio::test]
async fn a_version_whose_files_are_deleted_is_refused_naming_vacuum() {
    let bench = three_versions().await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    let rows = bench.rows().await;
    let options = Vacuum {
        retain: Some(Duration::ZERO),
        dry_run: false,
    };
    vacuum(&bench.lake, &bench.table, options).await.unwrap();
    let error = restore(&bench.lake, &bench.table, Moment::Version(3))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(error.to_string().contains("VACUUM"), "{error}");
    assert_eq!(bench.rows().await, rows);
}

#[tokio::test]
async fn a_version_that_an_unfinished_vacuum_may_be_deleting_is_refused() {
    let bench = three_versions().await;
    optimize(&bench.lake, &bench.table, &Optimize::default())
        .await
        .unwrap();
    let options = Vacuum {
        retain: Some(Duration::ZERO),
        dry_run: false,
    };
    vacuum(&bench.lake, &bench.table, options).await.unwrap();
    // As if it were still at work: its end is not in the log, and its files are there.
    let end = bench.table.snapshot().await.unwrap().version();
    let path = bench.path().join(format!("_delta_log/{end:020}.json"));
    std::fs::remove_file(path).unwrap();
    let table = crate::tables::Table::new(bench.lake.storage(), "main.t", "main/t").unwrap();
    let error = restore(&bench.lake, &table, Moment::Version(3))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    assert!(error.to_string().contains("VACUUM"), "{error}");
}

#[tokio::test]
async fn versions_that_never_were_or_are_gone_are_named() {
    let bench = three_versions().await;
    let error = restore(&bench.lake, &bench.table, Moment::Version(9))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "main.t has no version 9: the newest is 3"
    );
    super::super::checkpoint(&bench.table).await.unwrap();
    for version in 0..=2 {
        let path = bench.path().join(format!("_delta_log/{version:020}.json"));
        std::fs::remove_file(path).unwrap();
    }
    let error = restore(&bench.lake, &bench.table, Moment::Version(1))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(
        error.to_string().contains("the oldest left is 3"),
        "{error}"
    );
}

/// A lake and a FASTA file with one chain.
struct Ingested {
    _folder: tempfile::TempDir,
    lake: Arc<Lake>,
    file: PathBuf,
}

/// Trastuzumab's heavy variable domain.
const CHAIN: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

impl Ingested {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        config.ingest.threads = 1;
        let (lake, _) = Lake::init(&config).await.unwrap();
        let file = folder.path().join("x.fasta");
        std::fs::write(&file, format!(">x\n{CHAIN}\n")).unwrap();
        Self {
            _folder: folder,
            lake,
            file,
        }
    }

    async fn ingest(&self) -> Status {
        self.ingest_with(IngestOptions::default()).await
    }

    async fn ingest_with(&self, options: IngestOptions) -> Status {
        let inputs = [self.file.display().to_string()];
        let progress = Arc::new(Progress::default());
        let access = Access::everything(self.lake.config()).unwrap();
        let summary = ingest(&self.lake, &access, &inputs, &options, &progress)
            .await
            .unwrap();
        summary.inputs[0].status
    }

    async fn restore(&self, version: u64) -> RestoreSummary {
        let chains = self.lake.table("main.chains").unwrap();
        restore(&self.lake, &chains, Moment::Version(version))
            .await
            .unwrap()
    }

    async fn chains(&self) -> usize {
        self.query("main.chains", "SELECT sequence_id FROM t")
            .await
            .len()
    }

    /// Events of the ledger with the number of chains, sorted.
    async fn events(&self) -> Vec<String> {
        let rows = self
            .query("system.files", "SELECT event, chains, source_file FROM t")
            .await;
        let file = self.file.display().to_string();
        rows.iter()
            .map(|row| {
                let (row, source) = row.rsplit_once(" | ").unwrap();
                assert!(source.ends_with(&file), "{source}");
                row.to_string()
            })
            .collect()
    }

    async fn query(&self, table: &str, sql: &str) -> Vec<String> {
        let table = self.lake.table(table).unwrap();
        let snapshot = table.snapshot().await.unwrap();
        let provider = LakeTableProvider::try_new(&table, snapshot).await.unwrap();
        let context = session::reading_context(self.lake.storage()).unwrap();
        context.register_table("t", Arc::new(provider)).unwrap();
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        super::text(&batches)
    }
}

#[tokio::test]
async fn an_input_that_was_restored_away_is_ingested_again() {
    let lake = Ingested::new().await;
    assert_eq!(lake.ingest().await, Status::Ingested);
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    let summary = lake.restore(0).await;
    assert_eq!((summary.inputs_undone, summary.inputs_redone), (1, 0));
    assert_eq!(lake.chains().await, 0);
    assert_eq!(lake.events().await, ["ingested | 1", "undone | 1"]);
    assert_eq!(lake.ingest().await, Status::Ingested);
    assert_eq!(lake.chains().await, 1);
    assert_eq!(
        lake.events().await,
        ["ingested | 1", "ingested | 1", "undone | 1"]
    );
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    assert_eq!(lake.chains().await, 1);
}

#[tokio::test]
async fn an_input_that_was_restored_back_is_done_again() {
    let lake = Ingested::new().await;
    lake.ingest().await;
    lake.restore(0).await;
    let summary = lake.restore(1).await;
    assert_eq!((summary.inputs_undone, summary.inputs_redone), (0, 1));
    assert_eq!(
        lake.events().await,
        ["ingested | 1", "redone | 1", "undone | 1"]
    );
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    assert_eq!(lake.chains().await, 1);
    // And away and back once more, over versions that were themselves made by RESTORE.
    lake.restore(2).await;
    assert_eq!(lake.chains().await, 0);
    lake.restore(3).await;
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    assert_eq!(lake.chains().await, 1);
}

#[tokio::test]
async fn once_ids_have_expired_the_ledger_alone_remembers_what_restore_did() {
    let lake = Ingested::new().await;
    lake.ingest().await;
    lake.restore(0).await;
    let chains = lake.lake.table("main.chains").unwrap();
    expire_ids(&chains).await;
    let lake = Ingested {
        lake: Lake::open(lake.lake.config()).await.unwrap(),
        ..lake
    };
    let ids = transactions::all(&lake.lake.table("main.chains").unwrap())
        .await
        .unwrap();
    assert!(ids.is_empty(), "{ids:?}");
    assert_eq!(lake.ingest().await, Status::Ingested);
    assert_eq!(lake.chains().await, 1);
    // The same where it was done when its id expired.
    expire_ids(&lake.lake.table("main.chains").unwrap()).await;
    let lake = Ingested {
        lake: Lake::open(lake.lake.config()).await.unwrap(),
        ..lake
    };
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    assert_eq!(lake.chains().await, 1);
}

/// Takes the transaction ids out of a table's log, as their expiry does.
async fn expire_ids(table: &crate::tables::Table) {
    let store = table.log_store().object_store(None);
    let log = crate::tables::log::Log::list(table).await.unwrap();
    let commits: Vec<_> = log
        .commits()
        .map(|(_, meta)| meta.location.clone())
        .collect();
    for path in commits {
        let bytes = object_store::ObjectStoreExt::get(&store, &path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let kept: Vec<&str> = std::str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("{\"txn\""))
            .collect();
        object_store::ObjectStoreExt::put(&store, &path, kept.join("\n").into_bytes().into())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_restore_that_was_interrupted_before_the_ledger_is_completed_by_the_next_ingest() {
    let lake = Ingested::new().await;
    lake.ingest().await;
    lake.restore(0).await;
    // The ledger as it was before the RESTORE entered what it did.
    let files = lake.lake.table("system.files").unwrap();
    let newest = files.snapshot().await.unwrap().version();
    let path = format!("_delta_log/{newest:020}.json");
    let store = files.log_store().object_store(None);
    object_store::ObjectStoreExt::delete(&store, &path.as_str().into())
        .await
        .unwrap();
    backdate_ids(&lake.lake.table("main.chains").unwrap()).await;
    let lake = Ingested {
        lake: Lake::open(lake.lake.config()).await.unwrap(),
        ..lake
    };
    assert_eq!(lake.events().await, ["ingested | 1"]);
    assert_eq!(lake.ingest().await, Status::Ingested);
    assert_eq!(lake.chains().await, 1);
    assert_eq!(
        lake.events().await,
        ["ingested | 1", "ingested | 1", "undone | 1"]
    );
}

#[tokio::test]
async fn what_chains_say_counts_while_the_ledger_is_not_completed_yet() {
    let lake = Ingested::new().await;
    lake.ingest().await;
    lake.restore(0).await;
    let files = lake.lake.table("system.files").unwrap();
    let newest = files.snapshot().await.unwrap().version();
    let path = format!("_delta_log/{newest:020}.json");
    let store = files.log_store().object_store(None);
    object_store::ObjectStoreExt::delete(&store, &path.as_str().into())
        .await
        .unwrap();
    let lake = Ingested {
        lake: Lake::open(lake.lake.config()).await.unwrap(),
        ..lake
    };
    assert_eq!(lake.ingest().await, Status::Ingested);
    assert_eq!(lake.chains().await, 1);
    assert_eq!(lake.events().await, ["ingested | 1"]);
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
}

/// Makes the transaction ids of a table an hour older: nobody is about to enter them any more.
async fn backdate_ids(table: &crate::tables::Table) {
    let store = table.log_store().object_store(None);
    let log = crate::tables::log::Log::list(table).await.unwrap();
    let commits: Vec<_> = log
        .commits()
        .map(|(_, meta)| meta.location.clone())
        .collect();
    for path in commits {
        let bytes = object_store::ObjectStoreExt::get(&store, &path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let lines: Vec<String> = std::str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .map(|line| {
                let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
                if let Some(at) = action["txn"]["lastUpdated"].as_i64() {
                    action["txn"]["lastUpdated"] = (at - 3_600_000).into();
                }
                action.to_string()
            })
            .collect();
        object_store::ObjectStoreExt::put(&store, &path, lines.join("\n").into_bytes().into())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn replacing_an_input_after_a_restore_adds_it_once() {
    let lake = Ingested::new().await;
    lake.ingest().await;
    lake.restore(0).await;
    let replace = IngestOptions {
        replace: true,
        ..IngestOptions::default()
    };
    assert_eq!(lake.ingest_with(replace).await, Status::Ingested);
    assert_eq!(lake.chains().await, 1);
    assert_eq!(lake.ingest().await, Status::AlreadyIngested);
    assert_eq!(lake.chains().await, 1);
}
