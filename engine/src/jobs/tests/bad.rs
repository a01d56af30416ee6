//! Jobs that cannot be: what is said, before a run and by the run itself.

use deltalake::logstore::commit_uri_from_version;
use object_store::ObjectStoreExt as _;

use super::{Place, job};
use crate::error::Error;
use crate::jobs::cursor::Ids;
use crate::jobs::source::Source;
use crate::jobs::{Book, Job, Origin, lint};

const SOURCE: &str = "CREATE TABLE src (k BIGINT, v BIGINT); INSERT INTO src VALUES (1, 10), (2, 20); \
    CREATE TABLE other (k BIGINT, note STRING)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_not_row_by_row_is_refused_with_the_modes_that_fit() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    for (sql, why) in [
        ("SELECT count(*) AS n FROM src", "groups or aggregates"),
        ("SELECT DISTINCT v FROM src", "DISTINCT"),
        (
            "SELECT k, row_number() OVER (ORDER BY v) AS n FROM src",
            "window",
        ),
        ("SELECT k FROM src ORDER BY v LIMIT 1", "LIMIT"),
        (
            "SELECT src.k FROM src JOIN other ON src.k = other.k",
            "reads other too",
        ),
        (
            "SELECT a.k FROM src a JOIN src b ON a.k = b.v",
            "joins it with itself",
        ),
        (
            "SELECT k FROM src WHERE k IN (SELECT k FROM other)",
            "a subquery reads other",
        ),
        (
            "SELECT k, (SELECT max(v) FROM src) AS m FROM src",
            "a subquery reads src",
        ),
        ("SELECT k FROM other", "reads other too"),
        ("SELECT 1 AS k", "does not read it"),
        (
            "SELECT k FROM src UNION ALL SELECT 0",
            "one part of the UNION",
        ),
        ("SELECT k FROM src UNION SELECT v FROM src", "aggregates"),
    ] {
        let job = job("-- target: out\n-- mode: incremental on src", sql);
        let linted = lint::plan(&place.lake, &place.session, &job)
            .await
            .unwrap_err();
        let ran = place.run(&job).await.unwrap_err();
        for error in [linted.to_string(), ran.to_string()] {
            let is_told = error.contains(why) || why == "aggregates" && error.contains("DISTINCT");
            assert!(is_told && error.contains("`replace`"), "{sql}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_row_by_row_is_taken_however_it_is_written() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    place
        .sql("CREATE VIEW some AS SELECT k, v FROM src WHERE v > 0")
        .await;
    for sql in [
        "SELECT k FROM src ORDER BY v",
        "SELECT k FROM some",
        "WITH x AS (SELECT * FROM src) SELECT k FROM x",
        "SELECT k FROM src UNION ALL SELECT v FROM src",
        "SELECT src.k FROM src JOIN (VALUES (1), (2)) AS t(n) ON src.k = t.n",
        "SELECT unnest([k, v]) AS k FROM src",
        "SELECT k FROM src WHERE k IN (1, 2)",
    ] {
        let job = job("-- target: out\n-- mode: incremental on src", sql);
        lint::plan(&place.lake, &place.session, &job)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_tables_is_told_by_lint_and_by_the_run() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let incremental = "-- mode: incremental on src";
    for (header, sql, parts) in [
        (
            "-- target: out",
            "SELECT nothing FROM src",
            ["nothing", "field"],
        ),
        (
            "-- target: other",
            "SELECT k, v AS note FROM src",
            ["note", "CAST"],
        ),
        (
            "-- target: other",
            "SELECT k, v FROM src",
            ["no column v", "ADD COLUMN"],
        ),
        (
            "-- target: out\n-- key: h",
            "SELECT k FROM src",
            ["no column h", "k"],
        ),
        (
            "-- target: out\n-- partition: p",
            "SELECT k FROM src",
            ["p", "not a column"],
        ),
        ("-- target: out", "SELECT k + 1 FROM src", ["k + ", "name"]),
    ] {
        let job = job(&format!("{header}\n{incremental}"), sql);
        let linted = lint::plan(&place.lake, &place.session, &job)
            .await
            .unwrap_err();
        let ran = place.run(&job).await.unwrap_err();
        for error in [linted.to_string(), ran.to_string()] {
            let is_told = parts.iter().all(|part| error.contains(part));
            assert!(
                is_told || parts[1] == "name" && error.contains("k +"),
                "{sql}: {error}"
            );
        }
    }
    let job = job(
        "-- target: out\n-- mode: incremental on gone",
        "SELECT k FROM gone",
    );
    let error = place.run(&job).await.unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_conflicts_and_missing_jobs_are_told() {
    let place = Place::new().await;
    let read = |name: &str, header: &str| {
        Job::parse(&format!("{header}\nSELECT 1 AS k"), Some(name)).unwrap()
    };
    let one = read("one", "-- target: t\n-- mode: replace\n-- after: two");
    let two = read("two", "-- target: t\n-- mode: append\n-- after: one, gone");
    let book = Book::read(&place.lake, None).await.unwrap();
    let book = book
        .with(one.clone(), Origin::Lake)
        .with(two.clone(), Origin::Lake);
    let told = |job: &Job| {
        let faults = lint::among(&book, job);
        let lines = faults
            .iter()
            .map(|fault| format!("{}: {}", fault.line, fault.message));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(
        told(&one)
            .contains("3: after: jobs wait for each other in a circle: one after two after one")
    );
    assert!(told(&one).contains("1: target: job two writes t too"));
    assert!(told(&two).contains("there is no job gone"));
    assert!(lint::check_among(&book, &one).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_dropped_in_the_middle_ends_the_run_by_name() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    for k in 3..9 {
        place
            .sql(&format!("INSERT INTO src VALUES ({k}, {k})"))
            .await;
    }
    let job = job(
        "-- target: out\n-- mode: incremental on src\n-- chunk: 1",
        "SELECT k FROM src",
    );
    let progress = crate::jobs::Progress::default();
    let stop = crate::jobs::Stop::default();
    let work = super::Work {
        lake: &place.lake,
        session: &place.session,
        job: &job,
        run_id: "run",
        started_at: chrono::Utc::now(),
        scheduled_at: None,
        progress: &progress,
        stop: &stop,
        guards: super::Guards::default(),
    };
    let drop = async {
        while progress.counts().chunks == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        place.sql("DROP TABLE out").await;
    };
    let (outcome, ()) = tokio::join!(work.carry_out(), drop);
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.contains("out was dropped or replaced while it ran"),
        "{error}"
    );
    // Begun anew, it is whole.
    place.run(&job).await.unwrap();
    assert_eq!(place.rows("SELECT k FROM out").await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_made_anew_and_log_entries_that_are_gone_are_named() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(
        "-- target: out\n-- mode: incremental on src",
        "SELECT k FROM src",
    );
    place.run(&job).await.unwrap();
    for k in 3..6 {
        place
            .sql(&format!("INSERT INTO src VALUES ({k}, {k})"))
            .await;
    }
    place.sql("CHECKPOINT src").await;
    let table = place.lake.table("main.src").unwrap();
    let log = std::path::Path::new(&place.config.lake.url)
        .join(table.location())
        .join("_delta_log");
    for version in 0..4 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let error = place.run(&job).await.unwrap_err().to_string();
    assert!(
        error.contains("gone from its log") && error.contains("--from-version 0"),
        "{error}"
    );
    place
        .sql("CREATE OR REPLACE TABLE src (k BIGINT, v BIGINT)")
        .await;
    let error = place.run(&job).await.unwrap_err().to_string();
    assert!(error.contains("dropped and made anew"), "{error}");
    crate::jobs::backfill(&place.lake, &place.session, &job, 0)
        .await
        .unwrap();
    place.sql("INSERT INTO src VALUES (7, 7)").await;
    place.run(&job).await.unwrap();
    assert_eq!(place.rows("SELECT k FROM out").await, ["| 7 |"]);
}

#[tokio::test]
async fn a_source_that_is_listed_as_it_was_is_not_one_that_was_put_back() {
    let place = Place::new().await;
    place.sql("CREATE TABLE src (k BIGINT)").await;
    place.sql("INSERT INTO src VALUES (1)").await;
    let job = job(
        "-- target: out\n-- mode: incremental on src",
        "SELECT k FROM src",
    );
    let listed = Source::open(&place.lake, &job).await.unwrap();
    for k in 2..5 {
        place.sql(&format!("INSERT INTO src VALUES ({k})")).await;
    }
    place.run(&job).await.unwrap();
    let target = place.lake.table("main.out").unwrap();
    let base = target.snapshot().await.unwrap();
    let cursor = Ids::new(&job.name, listed.id()).read(&target, &base).await;
    let cursor = cursor.unwrap();
    // It was read further than this listing knows, and all of that is there.
    assert!(listed.next(cursor, 1 << 20).await.unwrap().is_none());
    let source = place.lake.table("main.src").unwrap();
    let store = source.log_store().object_store(None);
    let newest = source.snapshot().await.unwrap().version();
    for version in listed.version() + 1..=newest {
        let commit = commit_uri_from_version(Some(version));
        store.delete(&commit).await.unwrap();
    }
    let error = listed.next(cursor, 1 << 20).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("put back by copying older files")
    );
}
