//! `kill -9` in the middle of a statement: the table is as before or as after, never between, and
//! the same statement works when it is given again.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::binary::Paratope;
use tests::s3::S3Server;

/// Moments at which each statement is killed.
const MOMENTS: usize = 6;
/// Rows of the table: enough for a statement to have a middle.
const ROWS: usize = 40_000;
/// Rows by partition, as one value: count, sum and a checksum that depends on each row.
const LOOK: &str = "SELECT count(*) AS n, sum(v) AS v, sum(k * (v % 1009)) AS each, count(DISTINCT k) AS keys FROM t";

/// Statements that, given again, change nothing more: whether the first was carried out or not,
/// the second leaves the same rows.
const STATEMENTS: &[(&str, &str)] = &[
    ("UPDATE", "UPDATE t SET v = k * 3 WHERE k % 2 = 0"),
    (
        "DELETE",
        "DELETE FROM t WHERE k IN (SELECT value FROM generate_series(1, 20000))",
    ),
    (
        "MERGE",
        "MERGE INTO t USING (SELECT value AS k FROM generate_series(30000, 50000)) AS s ON t.k = s.k \
         WHEN MATCHED AND t.k % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 5 \
         WHEN NOT MATCHED AND s.k > 40000 AND s.k % 3 <> 0 THEN INSERT (k, v, p) VALUES (s.k, 5, 'new') \
         WHEN NOT MATCHED BY SOURCE AND t.k < 100 THEN DELETE",
    ),
    (
        "INSERT OVERWRITE",
        "INSERT OVERWRITE t SELECT value, 1, 'all' FROM generate_series(1, 30000)",
    ),
    (
        "INSERT OVERWRITE PARTITION",
        "INSERT OVERWRITE t PARTITION (p = 'p1') SELECT value, 2 FROM generate_series(1, 10000)",
    ),
];

/// How a statement is killed, by lake.
struct Lake {
    paratope: Paratope,
    rng: StdRng,
}

impl Lake {
    fn new(paratope: Paratope) -> Self {
        paratope.init();
        let rng = StdRng::seed_from_u64(9);
        Self { paratope, rng }
    }

    fn run(&self, sql: &str) {
        self.paratope.run(["query", "-c", sql]).expect_code(0);
    }

    fn look(&self) -> String {
        format!("{:?}", self.paratope.query(LOOK))
    }

    /// Starts a statement and kills it within `whole`; tells whether it was still running.
    fn kill(&mut self, sql: &str, whole: Duration) -> bool {
        let mut running = self.paratope.spawn(["query", "-c", sql]);
        // The first quarter is the start of the process.
        let whole = whole.as_micros() as u64;
        std::thread::sleep(Duration::from_micros(
            self.rng.random_range(whole / 4..whole),
        ));
        let at_work = !running.ended();
        running.kill();
        running.wait();
        at_work
    }
}

fn statements_survive_kills(paratope: Paratope) {
    let mut lake = Lake::new(paratope);
    lake.run(&format!(
        "CREATE TABLE t (k BIGINT, v BIGINT, p TEXT) PARTITIONED BY (p); \
         INSERT INTO t SELECT value, value * 2, 'p' || (value % 3) FROM generate_series(1, {ROWS})"
    ));
    let before = lake.look();
    let reset = "INSERT OVERWRITE t SELECT * FROM t VERSION AS OF 1";
    let (mut at_work, mut done) = (0, 0);
    for (kind, statement) in STATEMENTS {
        let started = Instant::now();
        lake.run(statement);
        let whole = started.elapsed();
        let after = lake.look();
        assert_ne!(before, after, "{kind}");
        for moment in 0..MOMENTS {
            lake.run(reset);
            at_work += usize::from(lake.kill(statement, whole));
            let found = lake.look();
            done += usize::from(found == after);
            assert!(
                found == before || found == after,
                "{kind}, moment {moment}: {found}"
            );
            lake.run(statement);
            assert_eq!(lake.look(), after, "{kind}, again after moment {moment}");
        }
        lake.run(reset);
    }
    assert_eq!(lake.look(), before);
    let all = STATEMENTS.len() * MOMENTS;
    assert!(
        at_work * 2 >= all,
        "only {at_work} of {all} still ran, {done} were done"
    );
}

#[test]
fn a_killed_statement_leaves_its_table_as_before_or_as_after_on_a_local_disk() {
    let folder = tempfile::tempdir().unwrap();
    statements_survive_kills(Paratope::on(folder.path().join("lake")));
}

#[test]
fn a_killed_statement_leaves_its_table_as_before_or_as_after_on_s3() {
    let server = S3Server::start();
    statements_survive_kills(Paratope::on_s3(&server, "killed"));
}

#[test]
fn a_killed_create_table_as_leaves_the_whole_table_or_none() {
    let server = S3Server::start();
    let mut lake = Lake::new(Paratope::on_s3(&server, "created"));
    let create = |table: &str| {
        format!(
            "CREATE TABLE {table} AS SELECT value AS k, value * 2 AS v FROM generate_series(1, {ROWS})"
        )
    };
    let started = Instant::now();
    lake.run(&create("undisturbed"));
    let whole = started.elapsed();
    let mut at_work = 0;
    for moment in 0..MOMENTS {
        let table = format!("t{moment}");
        at_work += usize::from(lake.kill(&create(&table), whole));
        let count = format!("SELECT count(*) FROM {table}");
        let found = lake
            .paratope
            .run(["query", "--format", "csv", "-c", &count]);
        match found.code {
            Some(0) => assert!(found.stdout.contains(&ROWS.to_string()), "{}", found.stdout),
            _ => {
                found.expect_message(&[&table]);
                lake.run(&create(&table));
                assert_eq!(lake.paratope.count(&count), ROWS as i64);
            }
        }
    }
    assert!(
        at_work * 2 >= MOMENTS,
        "only {at_work} of {MOMENTS} still ran"
    );
}
