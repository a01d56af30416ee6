//! Each mode on a lake that nobody disturbs.

use super::{Place, job};
use crate::jobs::backfill;

const SOURCE: &str =
    "CREATE TABLE src (k BIGINT, v BIGINT); INSERT INTO src VALUES (1, 10), (2, 20), (3, 30)";
const INCREMENTAL: &str = "-- target: out\n-- mode: incremental on src\n-- chunk: 1";
const QUERY: &str = "SELECT k, v * 2 AS w FROM src WHERE v <> 20";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_job_reads_each_row_once_and_a_compaction_not_at_all() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(INCREMENTAL, QUERY);
    let first = place.run(&job).await.unwrap();
    assert_eq!((first.chunks, first.rows_written), (1, 2));
    let expected = ["| 1 | 20 |", "| 3 | 60 |"];
    assert_eq!(place.rows("SELECT k, w FROM out").await, expected);
    // Nothing new.
    assert_eq!(place.run(&job).await.unwrap().chunks, 0);
    place
        .sql("INSERT INTO src VALUES (4, 40); INSERT INTO src VALUES (5, 50)")
        .await;
    place.sql("OPTIMIZE src").await;
    let second = place.run(&job).await.unwrap();
    assert_eq!((second.rows_read, second.rows_written), (2, 2));
    assert_eq!(place.rows("SELECT k, w FROM out").await.len(), 4);
    assert_eq!(place.run(&job).await.unwrap().rows_written, 0);
    let by = place.rows("SELECT DISTINCT _job, _run_id FROM out").await;
    assert_eq!(by, ["| j | run |"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_run_reads_one_version_whatever_others_write_meanwhile() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    for k in 4..8 {
        place
            .sql(&format!("INSERT INTO src VALUES ({k}, {k})"))
            .await;
    }
    // Each file is a chunk; it is stopped after the second.
    let job = job(INCREMENTAL, "SELECT k, v FROM src");
    let stop = crate::jobs::Stop::default();
    let progress = crate::jobs::Progress::default();
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
    let watch = async {
        while progress.counts().chunks < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        stop.soon(crate::jobs::Status::Cancelled("test".into()));
    };
    let (outcome, ()) = tokio::join!(work.carry_out(), watch);
    outcome.unwrap_err();
    place
        .sql("OPTIMIZE src; INSERT INTO src VALUES (99, 99)")
        .await;
    place.run(&job).await.unwrap();
    let expected = place.rows("SELECT k, v FROM src").await;
    assert_eq!(place.rows("SELECT k, v FROM out").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_leaves_out_what_the_target_holds_and_repeats_within_a_chunk() {
    let place = Place::new().await;
    place
        .sql("CREATE TABLE src (h STRING, aa STRING, n BIGINT)")
        .await;
    place
        .sql("INSERT INTO src VALUES ('a', 'QVQ', 0), ('a', 'QVQ', 1), ('b', 'EVQ', 1), (NULL, 'x', 1)")
        .await;
    let job = job(
        "-- target: out\n-- mode: incremental on src\n-- key: h",
        "SELECT h, protein_mass(aa) AS mass FROM src WHERE n > 0",
    );
    assert_eq!(place.run(&job).await.unwrap().rows_written, 2);
    place
        .sql("INSERT INTO src VALUES ('a', 'QVQ', 2), ('c', 'DVQ', 2), ('c', 'DVQ', 3)")
        .await;
    assert_eq!(place.run(&job).await.unwrap().rows_written, 1);
    assert_eq!(
        place.rows("SELECT h FROM out").await,
        ["| a |", "| b |", "| c |"]
    );
    // Rows that change are read on: their results are known by the key.
    place.sql("UPDATE src SET h = 'd' WHERE h = 'c'").await;
    assert_eq!(place.run(&job).await.unwrap().rows_written, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_rows_stops_the_job_and_a_backfill_helps() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(INCREMENTAL, QUERY);
    place.run(&job).await.unwrap();
    place.sql("UPDATE src SET v = 21 WHERE k = 2").await;
    let error = place.run(&job).await.unwrap_err().to_string();
    for part in ["version 2", "UPDATE", "--from-version 0", "-- key:"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let done = backfill(&place.lake, &place.session, &job, 0)
        .await
        .unwrap();
    assert_eq!((done.rows_removed, done.from_version), (2, None));
    place.run(&job).await.unwrap();
    let expected = place.rows(QUERY).await;
    assert_eq!(place.rows("SELECT k, w FROM out").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_data_tells_that_rows_were_only_added_and_deleted_ones_may_be_kept() {
    let place = Place::new().await;
    place
        .sql("CREATE TABLE src (k BIGINT, v BIGINT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true'); INSERT INTO src VALUES (1, 10), (2, 20)")
        .await;
    let strict = job(INCREMENTAL, "SELECT k, v FROM src");
    place.run(&strict).await.unwrap();
    place
        .sql("MERGE INTO src USING (SELECT 3 AS k, 30 AS v) AS s ON src.k = s.k WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)")
        .await;
    place.run(&strict).await.unwrap();
    assert_eq!(place.rows("SELECT k FROM out").await.len(), 3);
    place.sql("DELETE FROM src WHERE k = 1").await;
    let error = place.run(&strict).await.unwrap_err().to_string();
    assert!(error.contains("-- deleted: keep"), "{error}");
    let keeping = job(
        &format!("{INCREMENTAL}\n-- deleted: keep"),
        "SELECT k, v FROM src",
    );
    place.run(&keeping).await.unwrap();
    assert_eq!(place.rows("SELECT k FROM out").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_can_be_computed_again_and_no_row_is_double() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(INCREMENTAL, "SELECT k, v FROM src");
    place.run(&job).await.unwrap();
    for k in 4..8 {
        place
            .sql(&format!("INSERT INTO src VALUES ({k}, {k})"))
            .await;
        place.run(&job).await.unwrap();
    }
    let done = backfill(&place.lake, &place.session, &job, 4)
        .await
        .unwrap();
    assert_eq!((done.rows_removed, done.from_version), (2, Some(4)));
    let again = place.run(&job).await.unwrap();
    assert_eq!(again.versions, Some((4, 5)));
    let expected = place.rows("SELECT k, v FROM src").await;
    assert_eq!(place.rows("SELECT k, v FROM out").await, expected);
    let error = backfill(&place.lake, &place.session, &job, 1)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--from-version 0"), "{error}");
    let error = backfill(&place.lake, &place.session, &job, 60)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("nothing to compute again"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_restored_is_filled_again_from_where_it_was() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(INCREMENTAL, "SELECT k, v FROM src");
    place.run(&job).await.unwrap();
    for k in 4..7 {
        place
            .sql(&format!("INSERT INTO src VALUES ({k}, {k})"))
            .await;
        place.run(&job).await.unwrap();
    }
    place.sql("RESTORE TABLE out TO VERSION AS OF 2").await;
    assert_eq!(place.rows("SELECT k FROM out").await.len(), 4);
    place.run(&job).await.unwrap();
    let expected = place.rows("SELECT k, v FROM src").await;
    assert_eq!(place.rows("SELECT k, v FROM out").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace_and_merge_give_the_same_table_however_often_they_run() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let replace = job(
        "-- target: r\n-- mode: replace",
        "SELECT v % 20 AS g, count(*) AS n FROM src GROUP BY 1",
    );
    let merge = job(
        "-- target: m\n-- mode: merge on k",
        "SELECT k, v FROM src WHERE v > 10",
    );
    let parts = job(
        "-- target: p\n-- mode: replace partition\n-- partition: g",
        "SELECT CAST(k % 2 AS STRING) AS g, k FROM src WHERE k > 1",
    );
    for _ in 0..2 {
        for job in [&replace, &merge, &parts] {
            place.run(job).await.unwrap();
        }
        assert_eq!(
            place.rows("SELECT g, n FROM r").await,
            ["| 0 | 1 |", "| 10 | 2 |"]
        );
        assert_eq!(
            place.rows("SELECT k, v FROM m").await,
            ["| 2 | 20 |", "| 3 | 30 |"]
        );
        assert_eq!(
            place.rows("SELECT g, k FROM p").await,
            ["| 0 | 2 |", "| 1 | 3 |"]
        );
    }
    place.sql("UPDATE src SET v = 33 WHERE k = 3; DELETE FROM src WHERE k = 2; INSERT INTO src VALUES (5, 5), (6, 60)").await;
    place.run(&merge).await.unwrap();
    place.run(&parts).await.unwrap();
    let merged = ["| 2 | 20 |", "| 3 | 33 |", "| 6 | 60 |"];
    assert_eq!(place.rows("SELECT k, v FROM m").await, merged);
    let replaced = ["| 0 | 6 |", "| 1 | 3 |", "| 1 | 5 |"];
    assert_eq!(place.rows("SELECT g, k FROM p").await, replaced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_of_the_schedule_is_appended_once() {
    let place = Place::new().await;
    place.sql(SOURCE).await;
    let job = job(
        "-- target: out\n-- mode: append",
        "SELECT count(*) AS n FROM src",
    );
    let at = |second: i64| chrono::DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
    for moment in [at(0), at(0), at(60), at(0)] {
        super::Work {
            lake: &place.lake,
            session: &place.session,
            job: &job,
            run_id: "run",
            started_at: chrono::Utc::now(),
            scheduled_at: Some(moment),
            progress: &crate::jobs::Progress::default(),
            stop: &crate::jobs::Stop::default(),
            guards: super::Guards::default(),
        }
        .carry_out()
        .await
        .unwrap();
    }
    assert_eq!(place.rows("SELECT n FROM out").await.len(), 2);
}
