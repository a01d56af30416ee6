//! The archive: partitions go and come back, and whoever is killed on the way loses nothing and doubles nothing.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::binary::Paratope;
use tests::faults::{Answer, Fault, Rule};
use tests::s3::S3Server;

/// Moments at which moves are killed.
const MOMENTS: usize = 16;
/// A count and a sum that depends on each row, over all that can be read.
const LOOK: &str = "SELECT count(*) AS n, sum(k * 7) AS each, count(DISTINCT k) AS keys FROM t";
/// Rows in each of four partitions.
const ROWS: i64 = 5_000;

/// A table of four partitions, of which two are cold.
fn table(paratope: &Paratope) {
    paratope.init();
    let make = format!(
        "CREATE TABLE t (k BIGINT, at TIMESTAMP, p TEXT) PARTITIONED BY (p) TBLPROPERTIES ('paratope.archiveAfter' = '30 days on at'); \
         INSERT INTO t SELECT value, CASE WHEN value % 4 < 2 THEN now() - INTERVAL '60 days' ELSE now() END, 'p ' || (value % 4) \
         FROM generate_series(1, {})",
        4 * ROWS
    );
    paratope.run(["query", "-c", &make]).expect_code(0);
}

fn look(paratope: &Paratope) -> String {
    format!("{:?}", paratope.query(LOOK))
}

#[test]
fn cold_partitions_go_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    table(&paratope);
    let all = look(&paratope);
    paratope.run(["archive", "list"]).expect_code(0);
    let health = ["table", "health", "t", "--format", "json"];
    let advised = paratope.run(health).expect_code(0);
    assert!(
        advised.stdout.contains("archive: 2 partitions"),
        "{}",
        advised.stdout
    );
    paratope.run(["maintain", "--table", "t"]).expect_code(0);
    paratope
        .run(["query", "-c", LOOK])
        .expect_code(1)
        .expect_message(&["archived", "p=p 0", "p=p 1", "paratope archive restore"]);
    let listed = paratope.run(["archive", "list", "t", "--format", "csv"]);
    assert!(listed.stdout.contains("p=p 0,1,5000"), "{}", listed.stdout);
    paratope
        .run(["archive", "restore", "t", "--where", "at < now()"])
        .expect_code(1)
        .expect_message(&["cannot select partitions", "partitioned by p"]);
    paratope
        .run(["archive", "restore", "t", "--where", "p = 'p 0'"])
        .expect_code(0);
    assert_eq!(
        paratope.count("SELECT count(*) FROM t WHERE p <> 'p 1'"),
        3 * ROWS
    );
    // What was restored stays for a while.
    paratope.run(["maintain", "--table", "t"]).expect_code(0);
    assert_eq!(
        paratope.count("SELECT count(*) FROM t WHERE p <> 'p 1'"),
        3 * ROWS
    );
    paratope.run(["archive", "restore", "t"]).expect_code(0);
    assert_eq!(look(&paratope), all);
    assert_eq!(paratope.count("SELECT count(*) FROM system.archive"), 0);
    paratope
        .run(["archive", "restore", "nothing"])
        .expect_code(1)
        .expect_message(&["nothing"]);
}

#[test]
fn what_was_restored_stays_though_its_files_are_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    table(&paratope);
    let more = "INSERT INTO t VALUES (-4, now() - INTERVAL '60 days', 'p 0')";
    paratope.run(["query", "-c", more]).expect_code(0);
    let all = look(&paratope);
    let maintain = ["maintain", "--table", "t"];
    paratope.run(maintain).expect_code(0);
    paratope.run(["archive", "restore", "t"]).expect_code(0);
    let compacted = paratope.run(maintain).expect_code(0);
    assert!(
        compacted.stdout.contains("main.t,0,0,2,"),
        "{}",
        compacted.stdout
    );
    paratope.run(maintain).expect_code(0);
    assert_eq!(look(&paratope), all);
    assert_eq!(paratope.count("SELECT count(*) FROM system.archive"), 0);
}

#[test]
fn an_incremental_job_takes_moves_for_no_changes_and_does_not_begin_on_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    table(&paratope);
    let jobs = folder.path().join("jobs");
    std::fs::create_dir(&jobs).unwrap();
    for name in ["early", "late"] {
        let text = format!(
            "-- job: {name}\n-- target: {name}_out\n-- mode: incremental on t\nSELECT k, p FROM t\n"
        );
        std::fs::write(jobs.join(format!("{name}.sql")), text).unwrap();
    }
    let run = |name: &str| paratope.run(["job", "--jobs", jobs.to_str().unwrap(), "run", name]);
    run("early").expect_code(0);
    paratope.run(["maintain", "--table", "t"]).expect_code(0);
    run("early").expect_code(0);
    run("late")
        .expect_code(1)
        .expect_message(&["some is archived", "paratope archive restore"]);
    paratope.run(["archive", "restore", "t"]).expect_code(0);
    run("early").expect_code(0);
    run("late").expect_code(0);
    for target in ["early_out", "late_out"] {
        let count = format!("SELECT count(*) FROM {target}");
        assert_eq!(paratope.count(&count), 4 * ROWS, "{target}");
    }
}

#[test]
fn a_move_that_is_killed_at_any_moment_loses_no_row_and_doubles_none() {
    let server = S3Server::start();
    let paratope =
        Paratope::on_s3(&server, "moved").with("PARATOPE__MAINTENANCE__VACUUM_FLOOR_HOURS", "0");
    table(&paratope);
    let all = look(&paratope);
    let away = ["maintain", "--table", "t"];
    let back = ["archive", "restore", "t"];
    // How long a move takes here and now, its process included.
    let started = Instant::now();
    paratope.run(away).expect_code(0);
    let whole = started.elapsed();
    let mut dice = StdRng::seed_from_u64(5);
    let mut is_away = true;
    let (mut at_work, mut since_moved) = (0, 0);
    for moment in 0..MOMENTS {
        let mut running = paratope.spawn(if is_away { back } else { away });
        std::thread::sleep(Duration::from_micros(
            dice.random_range(whole.as_micros() as u64 / 4..whole.as_micros() as u64),
        ));
        at_work += usize::from(!running.ended());
        running.kill();
        running.wait();
        // Both ways are killed, however slow the machine is.
        if since_moved == 3 {
            paratope
                .run(if is_away { back } else { away })
                .expect_code(0);
        }
        // All of it can be read, or two partitions are archived and the others are there.
        let outcome = paratope.run(["query", "-c", LOOK]);
        let was_away = std::mem::replace(&mut is_away, outcome.code != Some(0));
        since_moved = if was_away == is_away {
            since_moved + 1
        } else {
            0
        };
        if is_away {
            outcome.expect_message(&["archived: p=p 0, p=p 1."]);
            let live = "SELECT count(DISTINCT k) FROM t WHERE p > 'p 1'";
            assert_eq!(paratope.count(live), 2 * ROWS, "moment {moment}");
            let archived = "SELECT CAST(sum(rows) AS BIGINT) FROM system.archive";
            assert_eq!(paratope.count(archived), 2 * ROWS, "moment {moment}");
        } else {
            assert_eq!(look(&paratope), all, "moment {moment}");
            // What was restored would stay for a week, as long as it lies in the same files.
            let again = "INSERT OVERWRITE t SELECT * FROM t";
            paratope.run(["query", "-c", again]).expect_code(0);
        }
    }
    paratope.run(back).expect_code(0);
    assert_eq!(look(&paratope), all);
    assert!(
        at_work * 2 > MOMENTS,
        "only {at_work} of {MOMENTS} were still at work"
    );
}

#[test]
fn files_have_the_storage_class_that_the_table_says() {
    let server = S3Server::start();
    let paratope = Paratope::on_s3(&server, "classed");
    table(&paratope);
    // Classes that the test server has; the default one is not sent without being asked for either.
    let set = "ALTER TABLE t SET TBLPROPERTIES ('paratope.storageClass' = 'STANDARD', 'paratope.archiveStorageClass' = 'REDUCED_REDUNDANCY')";
    paratope.run(["query", "-c", set]).expect_code(0);
    paratope
        .run([
            "query",
            "-c",
            "ALTER TABLE t SET TBLPROPERTIES ('paratope.storageClass' = 'NEARLINE')",
        ])
        .expect_code(1)
        .expect_message(&["paratope.storageClass", "STANDARD_IA", "on S3"]);
    let classes = |server: &S3Server| -> Vec<(String, Option<String>)> {
        let seen = server.faults().seen().into_iter();
        seen.filter(|request| {
            matches!(request.method.as_str(), "PUT" | "POST") && request.path.ends_with(".parquet")
        })
        .map(|request| (request.path, request.storage_class))
        .collect()
    };
    server.faults().forget();
    paratope
        .run(["query", "-c", "INSERT INTO t VALUES (0, now(), 'p 9')"])
        .expect_code(0);
    let written = classes(&server);
    assert!(!written.is_empty());
    for (path, class) in &written {
        let expected = match path.contains("/_delta_log/") {
            true => None,
            false => Some("STANDARD"),
        };
        assert_eq!(class.as_deref(), expected, "{path}");
    }
    server.faults().forget();
    paratope.run(["maintain", "--table", "t"]).expect_code(0);
    let written = classes(&server);
    let archived: Vec<_> = written
        .iter()
        .filter(|(path, _)| path.contains("/_archive/") && !path.contains("/_delta_log/"))
        .collect();
    assert_eq!(archived.len(), 2, "{written:?}");
    for (path, class) in archived {
        assert_eq!(class.as_deref(), Some("REDUCED_REDUNDANCY"), "{path}");
    }
    assert_eq!(
        paratope.value("SELECT max(storage_class) FROM system.archive"),
        "REDUCED_REDUNDANCY"
    );
    // A class that has to be asked first: the store refuses to give the file.
    server.faults().add(Rule::new(
        "GET",
        r"/_archive/.*\.parquet$",
        Fault::Instead(Answer::Status(403)),
    ));
    paratope
        .run(["archive", "restore", "t"])
        .expect_code(1)
        .expect_message(&["storage class REDUCED_REDUNDANCY", "restore-object"]);
    server.faults().clear();
    server.faults().forget();
    paratope.run(["archive", "restore", "t"]).expect_code(0);
    let restored = classes(&server);
    let of_data = |(path, _): &&(String, Option<String>)| !path.contains("/_delta_log/");
    assert_eq!(restored.iter().filter(of_data).count(), 2, "{restored:?}");
    for (path, class) in restored.iter().filter(of_data) {
        assert_eq!(class.as_deref(), Some("STANDARD"), "{path}");
    }
    assert_eq!(paratope.count("SELECT count(*) FROM t"), 4 * ROWS + 1);
}
