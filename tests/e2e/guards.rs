//! What each guard of the committer is for: with it nothing doubles, without it rows do.

use std::sync::Arc;

use engine::Lake;
use engine::config::Config;
use engine::session::Session;
use engine::storage::Access;
use engine::tables::Table;
use engine::tables::commit::{Commit, Guards, Outcome, Reads, append, commit_guarded};
use engine::tables::write::{Written, write_sorted};
use futures::TryStreamExt as _;
use tests::faults::{Answer, Fault, Rule};
use tests::s3::S3Server;

const TABLE: &str = "main.protein_chains";
const LOG: &str = r"/main/protein_chains/_delta_log/\d{20}\.json$";

struct OpenLake {
    lake: Arc<Lake>,
    config: Config,
}

async fn open(server: &S3Server) -> OpenLake {
    let config = server.config("guards");
    let lake = Lake::open_or_init(&config).await.unwrap();
    OpenLake { lake, config }
}

impl OpenLake {
    fn table(&self) -> Arc<Table> {
        self.lake.table(TABLE).unwrap()
    }

    async fn run(&self, sql: &str) -> engine::session::Answer {
        let access = Access::everything(&self.config).unwrap();
        let session = Session::new(Some(Arc::clone(&self.lake)), &self.config, access).unwrap();
        let statement = session.parse(sql).unwrap().remove(0);
        session.execute(statement).await.unwrap()
    }

    /// Writes one row as a data file that is not committed yet.
    async fn write_row(&self, table: &Table) -> (Written, Commit) {
        let base = table.snapshot().await.unwrap();
        let schema = Table::schema(&base);
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "protein_id" => "'p' AS protein_id".to_string(),
                other => format!("arrow_cast(NULL, '{}') AS {other}", field.data_type()),
            })
            .collect();
        let rows = self.run(&format!("SELECT {}", columns.join(", "))).await;
        let batches: Vec<_> = rows.stream.try_collect().await.unwrap();
        let batches: Vec<_> = batches
            .into_iter()
            .map(|batch| batch.with_schema(Arc::clone(&schema)).unwrap())
            .collect();
        let access = Access::nothing(&self.config).unwrap();
        let session = Session::new(None, &self.config, access).unwrap();
        let frame = session.context().read_batches(batches).unwrap();
        let stream = frame.execute_stream().await.unwrap();
        let context = session.context().task_ctx();
        let written = write_sorted(table, &base, stream, context, 1 << 20)
            .await
            .unwrap();
        assert_eq!(written.rows, 1);
        let actions = written.adds.iter().cloned().map(Into::into).collect();
        let commit = Commit {
            base,
            operation: append(),
            actions,
            transactions: Vec::new(),
            reads: Reads::Nothing,
        };
        (written, commit)
    }

    async fn count(&self) -> i64 {
        let answer = self.run("SELECT count(*) FROM protein_chains").await;
        let batches: Vec<_> = answer.stream.try_collect().await.unwrap();
        let counts = batches[0].column(0);
        let counts = counts
            .as_any()
            .downcast_ref::<arrow::array::Int64Array>()
            .unwrap();
        counts.value(0)
    }
}

/// Versions of the table that hold rows, and rows it shows, after one commit whose answer is lost.
async fn commit_with_lost_answer(answer: Answer, guards: Guards) -> (usize, i64) {
    let server = S3Server::start();
    let lake = open(&server).await;
    let table = lake.table();
    let (_, commit) = lake.write_row(&table).await;
    server.inject(Rule::new("PUT", LOG, Fault::AfterApply(answer)));
    let outcome = commit_guarded(&table, commit, guards).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    assert_eq!(server.faults().injected(), 1);
    let log = server
        .bucket_folder()
        .join("guards/main/protein_chains/_delta_log");
    let entries = std::fs::read_dir(log).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".json")
    });
    // Version 0 created the table.
    (entries.count() - 1, lake.count().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_recognised_as_our_own() {
    for answer in [Answer::Status(500), Answer::Close, Answer::Status(412)] {
        let (commits, rows) = commit_with_lost_answer(answer, Guards::default()).await;
        assert_eq!((commits, rows), (1, 1), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_guard_a_commit_whose_answer_is_lost_is_made_twice() {
    let guards = Guards {
        own_commit: false,
        ..Guards::default()
    };
    for answer in [Answer::Status(500), Answer::Close, Answer::Status(412)] {
        let (commits, _) = commit_with_lost_answer(answer, guards).await;
        assert_eq!(
            commits, 2,
            "{answer:?}: the guard is not what keeps this commit single"
        );
    }
}

/// Two writers rewrite the same file into one of their own each, the second from an old snapshot.
async fn rewrite_twice(guards: Guards) -> (Result<Outcome, engine::Error>, i64) {
    let server = S3Server::start();
    let lake = open(&server).await;
    let table = lake.table();
    let (original, commit) = lake.write_row(&table).await;
    commit_guarded(&table, commit, Guards::default())
        .await
        .unwrap();
    let rewrite = async || {
        let (written, mut commit) = lake.write_row(&table).await;
        let path = &original.adds[0].path;
        let remove = serde_json::json!({
            "remove": {"path": path, "dataChange": false, "deletionTimestamp": 0, "extendedFileMetadata": false}
        });
        commit.actions.push(serde_json::from_value(remove).unwrap());
        assert_eq!(written.adds.len(), 1);
        commit
    };
    let (first, second) = (rewrite().await, rewrite().await);
    commit_guarded(&table, first, guards).await.unwrap();
    let outcome = commit_guarded(&table, second, guards).await;
    (outcome, lake.count().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rewrites_of_one_file_the_second_is_refused() {
    let (outcome, rows) = rewrite_twice(Guards::default()).await;
    assert!(
        matches!(outcome, Err(engine::Error::Conflict(_))),
        "{outcome:?}"
    );
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_guard_two_rewrites_of_one_file_double_its_rows() {
    let guards = Guards {
        conflicts: false,
        ..Guards::default()
    };
    let (outcome, rows) = rewrite_twice(guards).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(rows, 2, "the guard is not what keeps these rows single");
}

/// Two statements of which each found that a row is missing and adds it, as MERGE does.
async fn add_the_missing_row_twice(guards: Guards) -> (Result<Outcome, engine::Error>, i64) {
    let server = S3Server::start();
    let lake = open(&server).await;
    let table = lake.table();
    let add = async || {
        let (_, mut commit) = lake.write_row(&table).await;
        commit.reads = Reads::Rows;
        commit
    };
    let (first, second) = (add().await, add().await);
    commit_guarded(&table, first, guards).await.unwrap();
    let outcome = commit_guarded(&table, second, guards).await;
    (outcome, lake.count().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_statements_that_add_what_neither_found_the_second_is_refused() {
    let (outcome, rows) = add_the_missing_row_twice(Guards::default()).await;
    assert!(
        matches!(outcome, Err(engine::Error::Conflict(_))),
        "{outcome:?}"
    );
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_guard_two_statements_add_the_same_row_twice() {
    let guards = Guards {
        conflicts: false,
        ..Guards::default()
    };
    let (outcome, rows) = add_the_missing_row_twice(guards).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(rows, 2, "the guard is not what keeps this row single");
}
