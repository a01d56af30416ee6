//! Statements of several processes on one table leave the rows of some serial order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::binary::{Paratope, Row, Running, rows};
use tests::faults::{Fault, Rule};
use tests::s3::S3Server;

/// Statements that change a table or its files, `{t}`, in which `k` is 1, 2, 3.
const KINDS: &[(&str, &str)] = &[
    ("append", "INSERT INTO {t} VALUES (7, 70, 'a')"),
    (
        "copy",
        "INSERT INTO {t} SELECT k + 100, v, p FROM {t} WHERE v >= 20",
    ),
    ("update", "UPDATE {t} SET v = v * 2 + 1 WHERE v < 25"),
    ("delete", "DELETE FROM {t} WHERE v IN (20, 21, 70, 41)"),
    (
        "merge",
        "MERGE INTO {t} AS t USING (VALUES (2, 5), (7, 8)) AS s (n, d) ON t.k = s.n \
         WHEN MATCHED THEN UPDATE SET v = t.v + s.d WHEN NOT MATCHED THEN INSERT (k, v, p) VALUES (s.n, s.d, 'a')",
    ),
    (
        "merge_absent",
        "MERGE INTO {t} AS t USING (SELECT 7 AS n) AS s ON t.k = s.n \
         WHEN NOT MATCHED THEN INSERT (k, v, p) VALUES (s.n, 9, 'b')",
    ),
    ("overwrite", "INSERT OVERWRITE {t} VALUES (7, 1, 'b')"),
    (
        "overwrite_partition",
        "INSERT OVERWRITE {t} PARTITION (p = 'a') VALUES (7, 2)",
    ),
    ("optimize", "OPTIMIZE {t}"),
    ("vacuum", "VACUUM {t}"),
    ("restore", "RESTORE TABLE {t} TO VERSION AS OF 1"),
];
/// How long the first of two is held before its commit.
const HELD: Duration = Duration::from_millis(1500);
/// Races at a time.
const WORKERS: usize = 4;

/// Two statements, one of them held while the other runs.
struct Race {
    name: String,
    held: String,
    other: String,
}

/// Runs a script and gives the rows of all its statements.
fn script(paratope: &Paratope, statements: &[String]) -> Vec<Row> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), statements.join(";\n")).unwrap();
    rows(&start(paratope, &file).wait().expect_code(0).stdout)
}

fn start(paratope: &Paratope, file: &tempfile::NamedTempFile) -> Running {
    let path = file.path().to_str().unwrap();
    paratope.spawn(["query", "--format", "json", "-f", path])
}

/// Runs scripts at once, a process each.
fn at_once(paratope: &Paratope, scripts: &[Vec<String>]) {
    let files: Vec<_> = scripts
        .iter()
        .map(|statements| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), statements.join(";\n")).unwrap();
            file
        })
        .collect();
    let running: Vec<_> = files.iter().map(|file| start(paratope, file)).collect();
    for process in running {
        process.wait().expect_code(0);
    }
}

fn create(table: &str, first: &[&str]) -> Vec<String> {
    let mut statements = vec![format!(
        "CREATE TABLE {table} (k INT, v INT, p TEXT) PARTITIONED BY (p)"
    )];
    statements.extend(
        first
            .iter()
            .map(|rows| format!("INSERT INTO {table} VALUES {rows}")),
    );
    statements
}

fn look(table: &str) -> String {
    format!("SELECT '{table}' AS race, k, v, p FROM {table}")
}

/// Rows of [`look`] by table, sorted.
fn by_table(rows: Vec<Row>) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        if let Some(table) = row.get("race").and_then(|name| name.as_str()) {
            let cells = format!("{} {} {}", row["k"], row["v"], row["p"]);
            tables.entry(table.into()).or_default().push(cells);
        }
    }
    for rows in tables.values_mut() {
        rows.sort();
    }
    tables
}

/// What both serial orders of each race leave.
fn serial(races: &[Race], first: &[&str]) -> BTreeMap<String, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.init();
    let mut statements = Vec::new();
    for race in races {
        for (order, one, two) in [
            ("held_first", &race.held, &race.other),
            ("held_last", &race.other, &race.held),
        ] {
            let table = format!("{}_{order}", race.name);
            statements.extend(create(&table, first));
            statements.extend([one, two].map(|statement| statement.replace("{t}", &table)));
            statements.push(look(&table));
        }
    }
    by_table(script(&paratope, &statements))
}

/// Runs one statement while another waits with its commit; tells whether it did wait.
fn race(server: &S3Server, paratope: &Paratope, race: &Race) -> bool {
    let commits = format!(r"/{}[^/]*/_delta_log/\d{{20}}\.json$", race.name);
    let before = server.faults().injected();
    server.inject(Rule::new("PUT", &commits, Fault::Stall(HELD)));
    let query = |sql: &str| paratope.spawn(["query", "-c", &sql.replace("{t}", &race.name)]);
    let mut held = query(&race.held);
    while server.faults().injected() == before && !held.ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let waited = server.faults().injected() > before;
    server.faults().clear();
    query(&race.other).wait().expect_code(0);
    held.wait().expect_code(0);
    waited
}

/// Races each statement of `kinds` with each on a table that starts with the rows `first`.
fn every_pair(kinds: &[(&str, &str)], first: &[&str]) {
    let races: Vec<Race> = kinds
        .iter()
        .flat_map(|(held_kind, held)| {
            kinds.iter().map(move |(other_kind, other)| Race {
                name: format!("{held_kind}_x_{other_kind}"),
                held: (*held).to_string(),
                other: (*other).to_string(),
            })
        })
        .collect();
    let chunk = races.len().div_ceil(WORKERS);
    let (expected, outcomes) = std::thread::scope(|scope| {
        let workers: Vec<_> = races
            .chunks(chunk)
            .map(|races| {
                scope.spawn(move || {
                    let server = S3Server::start();
                    let paratope = Paratope::on_s3(&server, "races");
                    paratope.init();
                    let tables = races.iter().flat_map(|race| create(&race.name, first));
                    script(&paratope, &tables.collect::<Vec<_>>());
                    let waited = races
                        .iter()
                        .filter(|it| race(&server, &paratope, it))
                        .count();
                    let looks: Vec<_> = races.iter().map(|race| look(&race.name)).collect();
                    (by_table(script(&paratope, &looks)), waited)
                })
            })
            .collect();
        let expected = serial(&races, first);
        let outcomes: Vec<_> = workers.into_iter().map(|it| it.join().unwrap()).collect();
        (expected, outcomes)
    });
    let waited: usize = outcomes.iter().map(|(_, waited)| waited).sum();
    assert!(waited * 2 > races.len(), "only {waited} races were races");
    let mut wrong = Vec::new();
    let none = Vec::new();
    for race in &races {
        let rows_of = |name: &str| expected.get(name).unwrap_or(&none);
        let ended = outcomes
            .iter()
            .find_map(|(tables, _)| tables.get(&race.name));
        let ended = ended.unwrap_or(&none);
        let orders = ["held_first", "held_last"].map(|it| rows_of(&format!("{}_{it}", race.name)));
        if !orders.contains(&ended) {
            wrong.push(format!("{}: {ended:?}, in order: {orders:?}", race.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        races.len(),
        wrong.join("\n")
    );
}

#[test]
fn any_two_statements_that_race_leave_the_rows_of_one_order_or_the_other() {
    every_pair(KINDS, &["(1, 10, 'a'), (3, 30, 'b')", "(2, 20, 'a')"]);
}

#[test]
fn any_two_statements_that_race_on_an_empty_table_leave_the_rows_of_one_order_or_the_other() {
    let writes = |(name, _): &&(&str, &str)| name.starts_with("merge") || name.starts_with("over");
    let kinds: Vec<_> = KINDS.iter().filter(writes).copied().collect();
    every_pair(&kinds, &[]);
}

/// Accounts that all start with the same amount; statements on them and on rows of a process's own
/// commute, so that every serial order ends with the same rows.
struct Accounts {
    expected: BTreeMap<i64, i64>,
    own: Vec<i64>,
}

const ACCOUNTS: i64 = 8;
const AMOUNT: i64 = 100;

impl Accounts {
    fn statement(&mut self, rng: &mut StdRng, fresh: i64) -> String {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let sum = rng.random_range(1..50);
        let kind = rng.random_range(0..10);
        if kind < 6 {
            *self.expected.get_mut(&from).unwrap() -= sum;
            *self.expected.get_mut(&to).unwrap() += sum;
        }
        match kind {
            0..=2 => format!(
                "UPDATE accounts SET amount = amount + CASE id WHEN {from} THEN -{sum} ELSE {sum} END WHERE id IN ({from}, {to})"
            ),
            3..=5 => format!(
                "MERGE INTO accounts AS t USING (VALUES ({from}, -{sum}), ({to}, {sum})) AS s (id, given) ON t.id = s.id \
                 WHEN MATCHED THEN UPDATE SET amount = t.amount + s.given"
            ),
            6 => match self.own.pop() {
                Some(own) => {
                    self.expected.remove(&own);
                    format!("DELETE FROM accounts WHERE id IN (SELECT {own})")
                }
                None => "VACUUM accounts".into(),
            },
            7 => "OPTIMIZE accounts".into(),
            _ => {
                self.own.push(fresh);
                self.expected.insert(fresh, sum);
                format!("INSERT INTO accounts VALUES ({fresh}, {sum})")
            }
        }
    }
}

/// Versions of a table of the lake `races`, from its log.
fn versions(server: &S3Server, lake: &str, table: &str) -> u64 {
    let folder = server.bucket_folder().join(lake).join("main");
    let own = |name: &str| name == table || name.starts_with(&format!("{table}-"));
    let table = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| own(entry.file_name().to_str().unwrap()))
        .unwrap();
    let log = std::fs::read_dir(table.path().join("_delta_log")).unwrap();
    let commits = log.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        let name = name.to_str().unwrap();
        name.len() == 25 && name.ends_with(".json")
    });
    commits.count() as u64
}

#[test]
fn transfers_inserts_deletes_and_maintenance_of_four_processes_end_as_in_any_order() {
    let server = S3Server::start();
    let paratope = Paratope::on_s3(&server, "bank");
    paratope.init();
    let mut setup = vec!["CREATE TABLE accounts (id BIGINT, amount BIGINT)".to_string()];
    setup.extend((0..ACCOUNTS).map(|id| format!("INSERT INTO accounts VALUES ({id}, {AMOUNT})")));
    script(&paratope, &setup);
    let old = versions(&server, "bank", "accounts") - 1;

    let start = (0..ACCOUNTS).map(|id| (id, AMOUNT)).collect();
    let mut accounts = Accounts {
        expected: start,
        own: Vec::new(),
    };
    let scripts: Vec<Vec<String>> = (0..4_i64)
        .map(|process| {
            let mut rng = StdRng::seed_from_u64(process as u64);
            accounts.own.clear();
            let mut one = |i: i64| accounts.statement(&mut rng, 1000 * (process + 1) + i);
            (0..12).map(&mut one).collect()
        })
        .collect();

    let stop = AtomicBool::new(false);
    let sum = |at: &str| {
        format!("SELECT sum(amount) AS n, count(*) AS rows FROM accounts{at} WHERE id < 100")
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                let old =
                    format!("SELECT id, amount FROM accounts VERSION AS OF {old} ORDER BY id");
                let found = script(&paratope, &[sum(""), old]);
                assert_eq!(
                    (&found[0]["n"], &found[0]["rows"]),
                    (&800.into(), &8.into())
                );
                let amounts: Vec<_> = found[1..]
                    .iter()
                    .map(|row| row["amount"].as_i64())
                    .collect();
                assert_eq!(amounts, [Some(AMOUNT); ACCOUNTS as usize]);
                reads += 1;
            }
            reads
        });
        let written = std::panic::catch_unwind(|| at_once(&paratope, &scripts));
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0, "the reader never got through");
        written.unwrap();
    });

    let ended = paratope.query("SELECT id, amount FROM accounts ORDER BY id");
    let ended: Vec<_> = ended
        .iter()
        .map(|row| (row["id"].as_i64().unwrap(), row["amount"].as_i64().unwrap()))
        .collect();
    assert_eq!(ended, accounts.expected.into_iter().collect::<Vec<_>>());
    let newest = versions(&server, "bank", "accounts") - 1;
    let looks: Vec<_> = (old..=newest)
        .map(|at| sum(&format!(" VERSION AS OF {at}")))
        .collect();
    for (version, row) in (old..).zip(script(&paratope, &looks)) {
        assert_eq!(
            (&row["n"], &row["rows"]),
            (&800.into(), &8.into()),
            "version {version}"
        );
    }
}

#[test]
fn increments_of_one_row_all_count_and_a_restore_takes_back_those_before_it() {
    const PROCESSES: usize = 4;
    const EACH: usize = 8;
    let server = S3Server::start();
    let paratope = Paratope::on_s3(&server, "count");
    paratope.init();
    script(
        &paratope,
        &[
            "CREATE TABLE counter (n BIGINT)",
            "INSERT INTO counter VALUES (0)",
        ]
        .map(String::from),
    );
    let update = "UPDATE counter SET n = n + 1".to_string();
    let merge = "MERGE INTO counter AS t USING (SELECT max(n) AS most FROM counter) AS s ON t.n = s.most \
                 WHEN MATCHED THEN UPDATE SET n = s.most + 1";
    let mut scripts = vec![vec![update.clone(); EACH]; PROCESSES - 1];
    scripts.push(vec![merge.to_string(); EACH]);
    at_once(&paratope, &scripts);
    let all = (PROCESSES * EACH) as i64;
    assert_eq!(paratope.count("SELECT n FROM counter"), all);

    let maintenance = [
        "OPTIMIZE counter",
        "RESTORE TABLE counter TO VERSION AS OF 1",
    ];
    scripts.push(vec![
        maintenance[0].into(),
        update.clone(),
        maintenance[1].into(),
        update,
    ]);
    at_once(&paratope, &scripts);
    // Each version follows from the one before it by one statement.
    let newest = versions(&server, "count", "counter") - 1;
    let looks: Vec<_> = (1..=newest)
        .map(|at| format!("SELECT {at} AS version, n FROM counter VERSION AS OF {at}"))
        .collect();
    let values: Vec<i64> = script(&paratope, &looks)
        .iter()
        .map(|row| row["n"].as_i64().unwrap())
        .collect();
    assert_eq!(values.len(), newest as usize, "one row in each version");
    let steps = |by: &dyn Fn(i64, i64) -> bool| {
        values
            .windows(2)
            .filter(|pair| by(pair[0], pair[1]))
            .count()
    };
    let counted = steps(&|before, after| after == before + 1);
    let restored = steps(&|before, after| after == 0 && before > 1);
    let rewritten = steps(&|before, after| after == before);
    assert_eq!(counted as i64, 2 * all + 2, "{values:?}");
    assert_eq!(restored, 1, "{values:?}");
    assert_eq!(
        counted + restored + rewritten,
        values.len() - 1,
        "{values:?}"
    );
}

#[test]
fn keys_merged_by_many_processes_are_never_double_and_self_inserts_count() {
    const PROCESSES: i64 = 4;
    let server = S3Server::start();
    let paratope = Paratope::on_s3(&server, "keys");
    paratope.init();
    script(
        &paratope,
        &[
            "CREATE TABLE keys (k BIGINT, hits BIGINT)",
            "CREATE TABLE numbers (n BIGINT)",
            "INSERT INTO numbers VALUES (0)",
        ]
        .map(String::from),
    );
    let scripts: Vec<Vec<String>> = (0..PROCESSES)
        .map(|process| {
            (0..6)
                .flat_map(|i| {
                    let k = (i + process) % 6;
                    [
                        format!(
                            "MERGE INTO keys AS t USING (SELECT {k} AS k) AS s ON t.k = s.k \
                             WHEN MATCHED THEN UPDATE SET hits = t.hits + 1 \
                             WHEN NOT MATCHED THEN INSERT (k, hits) VALUES (s.k, 1)"
                        ),
                        "INSERT INTO numbers SELECT max(n) + 1 FROM numbers".into(),
                    ]
                })
                .collect()
        })
        .collect();
    let started = Instant::now();
    at_once(&paratope, &scripts);
    let keys = paratope.query("SELECT k, hits FROM keys ORDER BY k");
    let hits: Vec<_> = keys
        .iter()
        .map(|row| (row["k"].as_i64(), row["hits"].as_i64()))
        .collect();
    let expected: Vec<_> = (0..6).map(|k| (Some(k), Some(PROCESSES))).collect();
    assert_eq!(hits, expected, "after {:?}", started.elapsed());
    let numbers = paratope.query("SELECT n FROM numbers ORDER BY n");
    let numbers: Vec<_> = numbers
        .iter()
        .map(|row| row["n"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (0..=PROCESSES * 6).collect::<Vec<_>>());
}
