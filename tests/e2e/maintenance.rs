//! OPTIMIZE, VACUUM and RESTORE beside writers on S3: every row is there exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::DataType;
use engine::Lake;
use engine::config::Config;
use engine::session::Session;
use engine::storage::Access;
use engine::tables::commit::{Commit, Guards, Outcome, Reads, append, commit};
use engine::tables::maintenance::{
    Optimize, OptimizeSummary, Vacuum, optimize_guarded, restore, vacuum,
};
use engine::tables::write::write_sorted;
use engine::tables::{Moment, Table};
use futures::TryStreamExt as _;
use tests::binary::Paratope;
use tests::data::chains;
use tests::faults::{Fault, Rule};
use tests::formats::fasta;
use tests::lake::chain_rows;
use tests::s3::S3Server;
use tokio::task::JoinSet;

const TABLE: &str = "main.protein_chains";
/// New data files of that table.
const DATA: &str = r"/main/protein_chains/part-[^/]*\.parquet";
/// Entries of its log.
const LOG: &str = r"/main/protein_chains/_delta_log/\d{20}\.json$";

/// A lake as a process of its own would have it open.
#[derive(Clone)]
struct Open {
    lake: Arc<Lake>,
    config: Config,
}

async fn open(server: &S3Server, folder: &str) -> Open {
    let mut config = server.config(folder);
    config.maintenance.vacuum_floor_hours = 0;
    let lake = Lake::open_or_init(&config).await.unwrap();
    Open { lake, config }
}

impl Open {
    fn table(&self) -> Arc<Table> {
        self.lake.table(TABLE).unwrap()
    }

    /// One row, written and not committed.
    async fn row(&self, id: &str) -> Commit {
        let table = self.table();
        let base = table.snapshot().await.unwrap();
        let schema = Table::schema(&base);
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "protein_id" => format!("'{id}' AS protein_id"),
                other => format!("arrow_cast(NULL, '{}') AS {other}", field.data_type()),
            })
            .collect();
        let session = Session::new(
            None,
            &self.config,
            Access::everything(&self.config).unwrap(),
        )
        .unwrap();
        let sql = format!("SELECT {}", columns.join(", "));
        let statement = session.parse(&sql).unwrap().remove(0);
        let answer = session.execute(statement).await.unwrap();
        let batches: Vec<_> = answer.stream.try_collect().await.unwrap();
        let batches: Vec<_> = batches
            .into_iter()
            .map(|batch| batch.with_schema(Arc::clone(&schema)).unwrap())
            .collect();
        let frame = session.context().read_batches(batches).unwrap();
        let stream = frame.execute_stream().await.unwrap();
        let context = session.context().task_ctx();
        let written = write_sorted(&table, &base, stream, context, 1 << 20)
            .await
            .unwrap();
        Commit {
            base,
            operation: append(),
            actions: written.adds.into_iter().map(Into::into).collect(),
            transactions: Vec::new(),
            reads: Reads::Nothing,
        }
    }

    /// Appends one row.
    async fn append(&self, id: &str) -> u64 {
        let outcome = commit(&self.table(), self.row(id).await).await;
        match outcome.expect("an append never fails") {
            Outcome::Committed(version) => version,
            other => panic!("{other:?}"),
        }
    }

    /// Paths of the data files.
    async fn files(&self) -> Vec<String> {
        let snapshot = self.table().snapshot().await.unwrap();
        let log = snapshot.try_log_data().unwrap();
        log.iter().map(|file| file.path().into_owned()).collect()
    }

    async fn optimize(&self, guards: Guards) -> OptimizeSummary {
        optimize_guarded(&self.lake, &self.table(), &Optimize::default(), guards)
            .await
            .expect("OPTIMIZE gives way and does not fail")
    }

    /// Ids of all rows, sorted; one that is there twice is twice in the list.
    async fn ids(&self) -> Vec<String> {
        self.ids_of("protein_chains").await
    }

    /// The same of what a FROM clause names.
    async fn ids_of(&self, relation: &str) -> Vec<String> {
        let session = Session::new(
            Some(Arc::clone(&self.lake)),
            &self.config,
            Access::everything(&self.config).unwrap(),
        )
        .unwrap();
        let sql = format!("SELECT protein_id FROM {relation}");
        let statement = session.parse(&sql).unwrap().remove(0);
        let answer = session.execute(statement).await.unwrap();
        let batches: Vec<_> = answer.stream.try_collect().await.unwrap();
        let mut ids = Vec::new();
        for batch in &batches {
            let column = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
            let texts = column.as_string::<i32>().iter();
            ids.extend(texts.map(|text| text.unwrap().to_string()));
        }
        ids.sort();
        ids
    }

    async fn version(&self) -> u64 {
        self.table().snapshot().await.unwrap().version()
    }
}

fn name(writer: usize, row: usize) -> String {
    format!("w{writer}-{row:02}")
}

fn names(writers: usize, rows: usize) -> Vec<String> {
    (0..writers)
        .flat_map(|writer| (0..rows).map(move |row| name(writer, row)))
        .collect()
}

/// How many conditional PUTs of log entries lost: a race without any is not a race.
fn lost_puts(server: &S3Server) -> usize {
    let seen = server.faults().seen();
    seen.iter()
        .filter(|request| request.path.contains("/_delta_log/") && request.status == Some(412))
        .count()
}

/// `writers` append `rows` rows each, one by one; the flag is set when they are done.
async fn appending(
    server: &S3Server,
    folder: &str,
    writers: usize,
    rows: usize,
) -> (JoinSet<()>, Arc<AtomicBool>) {
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let mut lakes = Vec::new();
    for _ in 0..writers {
        lakes.push(open(server, folder).await);
    }
    let flag = Arc::clone(&done);
    tasks.spawn(async move {
        let mut writing = JoinSet::new();
        for (writer, lake) in lakes.into_iter().enumerate() {
            writing.spawn(async move {
                for row in 0..rows {
                    lake.append(&name(writer, row)).await;
                }
            });
        }
        while let Some(outcome) = writing.join_next().await {
            outcome.unwrap();
        }
        flag.store(true, Ordering::SeqCst);
    });
    (tasks, done)
}

async fn all(mut tasks: JoinSet<()>) {
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn compactions_racing_each_other_and_appends_lose_and_double_nothing() {
    let server = S3Server::start();
    open(&server, "race").await;
    let (mut tasks, done) = appending(&server, "race", 3, 15).await;
    for _ in 0..3 {
        let lake = open(&server, "race").await;
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                lake.optimize(Guards::default()).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    all(tasks).await;
    let lake = open(&server, "race").await;
    assert_eq!(lake.ids().await, names(3, 15));
    assert!(lost_puts(&server) > 0, "the writers never met");
    let compactions = lake.version().await - 3 * 15;
    assert!(compactions > 1, "compactions never met the writers");
    lake.optimize(Guards::default()).await;
    assert_eq!(lake.ids().await, names(3, 15));
    let files = lake.table().snapshot().await.unwrap();
    assert_eq!(files.try_log_data().unwrap().num_files(), 1);
}

/// Eight writers append for a minute while a compactor rewrites what they wrote, and readers ask for versions of a while ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn for_a_minute_no_append_fails_beside_compactions_and_old_versions_are_read() {
    const WRITERS: usize = 8;
    let server = S3Server::start();
    open(&server, "minute").await;
    let end = Instant::now() + Duration::from_secs(60);
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let lake = open(&server, "minute").await;
        writing.spawn(async move {
            let mut versions = Vec::new();
            while Instant::now() < end {
                versions.push(lake.append(&name(writer, versions.len())).await);
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            (writer, versions)
        });
    }
    let compactor = open(&server, "minute").await;
    let compacting = tokio::spawn(async move {
        let mut summaries = Vec::new();
        while Instant::now() < end {
            summaries.push(compactor.optimize(Guards::default()).await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        summaries
    });
    let reader = open(&server, "minute").await;
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        while Instant::now() < end {
            // Meanwhile its files are put together with others.
            let version = reader.version().await.saturating_sub(20);
            let relation = format!("protein_chains VERSION AS OF {version}");
            read.push((version, reader.ids_of(&relation).await.len()));
        }
        read
    });
    let mut appended = Vec::new();
    let mut expected = Vec::new();
    while let Some(written) = writing.join_next().await {
        let (writer, versions) = written.unwrap();
        expected.extend((0..versions.len()).map(|row| name(writer, row)));
        appended.extend(versions);
    }
    let summaries = compacting.await.unwrap();
    let read = reading.await.unwrap();
    expected.sort();
    assert_eq!(open(&server, "minute").await.ids().await, expected);
    assert!(appended.len() > 20 * WRITERS, "{} appends", appended.len());
    let rewritten: u64 = summaries.iter().map(|done| done.files_removed).sum();
    assert!(summaries.len() > 5 && rewritten > 50, "{summaries:?}");
    assert!(read.len() > 5, "{} versions were read", read.len());
    for (version, rows) in read {
        let then = appended.iter().filter(|at| **at <= version).count();
        assert_eq!(rows, then, "version {version}");
    }
}

/// Two compactions of the same files: neither commits before both have written.
async fn compact_twice(guards: Guards) -> (Vec<String>, Vec<OptimizeSummary>) {
    let server = S3Server::start();
    let lake = open(&server, "twice").await;
    for row in 0..3 {
        lake.append(&name(0, row)).await;
    }
    let stall = Fault::Stall(Duration::from_millis(1_500));
    server.inject(Rule::new("PUT", DATA, stall).times(2));
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let lake = open(&server, "twice").await;
        tasks.spawn(async move { lake.optimize(guards).await });
    }
    let mut summaries = Vec::new();
    while let Some(summary) = tasks.join_next().await {
        summaries.push(summary.unwrap());
    }
    assert_eq!(server.faults().injected(), 2, "both have to write");
    (lake.ids().await, summaries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_compactions_of_the_same_files_one_gives_way() {
    let (ids, summaries) = compact_twice(Guards::default()).await;
    assert_eq!(ids, names(1, 3));
    let skipped: u64 = summaries
        .iter()
        .map(|summary| summary.skipped_conflicts)
        .sum();
    let removed: u64 = summaries.iter().map(|summary| summary.files_removed).sum();
    assert_eq!((skipped, removed), (1, 3), "{summaries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_conflict_check_two_compactions_double_all_rows() {
    let guards = Guards {
        conflicts: false,
        ..Guards::default()
    };
    let (ids, summaries) = compact_twice(guards).await;
    let mut doubled = [names(1, 3), names(1, 3)].concat();
    doubled.sort();
    assert_eq!(
        ids, doubled,
        "the guard is not what keeps these rows single: {summaries:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_compaction_gives_way_to_an_update_of_one_of_its_files() {
    let server = S3Server::start();
    let lake = open(&server, "update").await;
    for row in 0..3 {
        lake.append(&name(0, row)).await;
    }
    let files = lake.files().await;
    let stall = Fault::Stall(Duration::from_millis(1_500));
    server.inject(Rule::new("PUT", DATA, stall));
    let compacting = {
        let lake = open(&server, "update").await;
        tokio::spawn(async move { lake.optimize(Guards::default()).await })
    };
    while server.faults().injected() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // An update in the meantime: one file gives way to one with another row.
    let mut update = lake.row("changed").await;
    let remove = serde_json::json!({
        "remove": {"path": files[0], "dataChange": true, "deletionTimestamp": 0}
    });
    update.actions.push(serde_json::from_value(remove).unwrap());
    update.reads = Reads::Rows;
    commit(&lake.table(), update).await.unwrap();
    let summary = compacting.await.unwrap();
    // The two that are left were put together in the next round.
    assert_eq!(summary.files_removed, 2, "{summary:?}");
    let ids = lake.ids().await;
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], "changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn compactions_beside_ingesting_processes_keep_every_chain() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on_s3(&server, "ingest")
        .with("PARATOPE__INGEST__THREADS", "1")
        .with("PARATOPE__INGEST__COMMIT_BYTES", "1");
    paratope.init();
    let mut expected = Vec::new();
    let mut running = Vec::new();
    for writer in 0..3 {
        let files: Vec<_> = (0..8)
            .map(|ingest| {
                let name = format!("w{writer}-i{ingest}");
                let set = chains((writer * 1_000 + ingest) as u64, &name, 3);
                let path = folder.path().join(format!("{name}.fasta"));
                std::fs::write(&path, fasta(&set)).unwrap();
                expected.extend(set.into_iter().map(|chain| (chain.id, chain.v_domain_aa)));
                path
            })
            .collect();
        let arguments = std::iter::once("ingest".into()).chain(files);
        running.push(paratope.spawn(arguments));
    }
    expected.sort();
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let lake = open(&server, "ingest").await;
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            let chains = lake.lake.table("main.chains").unwrap();
            let options = Optimize::default();
            while !done.load(Ordering::SeqCst) {
                optimize_guarded(&lake.lake, &chains, &options, Guards::default())
                    .await
                    .unwrap();
            }
        });
    }
    let waited = tokio::task::spawn_blocking(move || {
        for writer in running {
            writer.wait().expect_code(0);
        }
    });
    waited.await.unwrap();
    done.store(true, Ordering::SeqCst);
    all(tasks).await;
    assert_eq!(chain_rows(&paratope), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn vacuum_beside_compactions_and_appends_deletes_no_row_and_many_files() {
    let server = S3Server::start();
    open(&server, "vacuum").await;
    let (mut tasks, done) = appending(&server, "vacuum", 2, 15).await;
    for worker in 0..3 {
        let lake = open(&server, "vacuum").await;
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                if worker < 2 {
                    lake.optimize(Guards::default()).await;
                } else {
                    let now = Vacuum {
                        retain: Some(Duration::ZERO),
                        dry_run: false,
                    };
                    vacuum(&lake.lake, &lake.table(), now).await.unwrap();
                }
            }
        });
    }
    all(tasks).await;
    let lake = open(&server, "vacuum").await;
    assert_eq!(lake.ids().await, names(2, 15));
    lake.optimize(Guards::default()).await;
    let now = Vacuum {
        retain: Some(Duration::ZERO),
        dry_run: false,
    };
    vacuum(&lake.lake, &lake.table(), now).await.unwrap();
    assert_eq!(lake.ids().await, names(2, 15));
    let folder = server.bucket_folder().join("vacuum/main/protein_chains");
    let left = std::fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".parquet")
    });
    assert_eq!(left.count(), 1, "what was replaced is deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn restore_beside_appends_keeps_what_came_before_its_version_and_after_it() {
    let server = S3Server::start();
    let lake = open(&server, "restore").await;
    let kept = lake.append("kept").await;
    for row in 0..3 {
        lake.append(&name(9, row)).await;
    }
    let (tasks, _) = appending(&server, "restore", 2, 10).await;
    let summary = restore(&lake.lake, &lake.table(), Moment::Version(kept))
        .await
        .unwrap();
    all(tasks).await;
    let restored = summary.version.unwrap();
    let ids = lake.ids().await;
    assert!(ids.contains(&"kept".to_string()));
    assert!(!ids.iter().any(|id| id.starts_with("w9")), "{ids:?}");
    // Whatever was committed after RESTORE is there, once.
    let after = lake.version().await - restored;
    assert!(ids.len() as u64 > after, "{ids:?}");
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(once, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restore_never_brings_back_files_that_a_vacuum_deletes_meanwhile() {
    let server = S3Server::start();
    let lake = open(&server, "both").await;
    for row in 0..3 {
        lake.append(&name(0, row)).await;
    }
    let before = lake.version().await;
    lake.optimize(Guards::default()).await;
    // RESTORE has seen that its files are there and is about to commit.
    let stall = Fault::Stall(Duration::from_millis(1_500));
    server.inject(Rule::new("PUT", LOG, stall));
    let restoring = {
        let lake = open(&server, "both").await;
        tokio::spawn(
            async move { restore(&lake.lake, &lake.table(), Moment::Version(before)).await },
        )
    };
    while server.faults().injected() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let now = Vacuum {
        retain: Some(Duration::ZERO),
        dry_run: false,
    };
    let summary = vacuum(&lake.lake, &lake.table(), now).await.unwrap();
    assert_eq!(summary.files, 3);
    let error = restoring.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("VACUUM"), "{error}");
    assert_eq!(lake.ids().await, names(1, 3));
}
