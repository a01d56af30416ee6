//! Jobs under fire: real processes, killed at any moment, on a source that others write and compact, with two schedulers that
//! compete. In the end the target is the query over the source, row for row.

mod command;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::Lake;
use engine::config::Config;
use engine::session::Session;
use engine::storage::Access;
use futures::TryStreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::binary::{Paratope, Running};
use tests::s3::S3Server;
use tokio::runtime::Runtime;

/// Moments at which a server that runs the job is killed.
const KILLS: usize = 30;
/// Writers of the source.
const WRITERS: usize = 8;
/// Seed of the moments.
const SEED: u64 = 8;

/// The query, slow enough to be killed in.
const QUERY: &str =
    "SELECT k, md5(repeat(CAST(v AS VARCHAR), 2000)) AS w FROM src WHERE v % 3 <> 0";

fn write_job(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let text = format!(
        "-- job: fire\n-- schedule: * * * * * *\n-- target: out\n-- mode: incremental on src\n-- chunk: 8 KB\n{QUERY}\n"
    );
    std::fs::write(folder.join("fire.sql"), text).unwrap();
}

/// A session of this process on the same lake.
fn session(config: &Config, runtime: &Runtime) -> Session {
    let lake = runtime.block_on(Lake::open(config)).unwrap();
    let access = Access::nothing(config).unwrap();
    Session::new(Some(lake), config, access).unwrap()
}

fn execute(session: &Session, runtime: &Runtime, sql: &str) {
    runtime.block_on(async {
        for statement in session.parse(sql).unwrap() {
            let answer = session.execute(statement).await.unwrap();
            let _: Vec<_> = answer.stream.try_collect().await.unwrap();
        }
    });
}

/// A scheduler: a server that runs the jobs of a folder.
fn serve(paratope: &Paratope, jobs: &Path) -> Running {
    let any = "127.0.0.1:0";
    paratope.spawn([
        "serve",
        "--listen",
        any,
        "--http",
        any,
        "--jobs",
        jobs.to_str().unwrap(),
    ])
}

#[test]
fn a_job_whose_schedulers_are_killed_30_times_loses_no_row_and_doubles_none_on_a_local_disk() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    let mut config = Config::default();
    config.lake.url = paratope.lake().to_string();
    under_fire(paratope, &config);
}

#[test]
fn a_job_whose_schedulers_are_killed_30_times_loses_no_row_and_doubles_none_on_s3() {
    let server = S3Server::start();
    under_fire(Paratope::on_s3(&server, "fire"), &server.config("fire"));
}

fn under_fire(paratope: Paratope, config: &Config) {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    write_job(&jobs);
    let paratope = paratope
        .with("PARATOPE__JOBS__LEASE_S", "1")
        .with("PARATOPE__JOBS__POLL_S", "1")
        .with("PARATOPE__QUERY__THREADS", "1");
    paratope.init();
    let runtime = Runtime::new().unwrap();
    let main = session(config, &runtime);
    execute(&main, &runtime, "CREATE TABLE src (k BIGINT, v BIGINT)");
    let stop = Arc::new(AtomicBool::new(false));
    let (written, compacted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            scope.spawn(move || {
                let runtime = Runtime::new().unwrap();
                let session = session(config, &runtime);
                let mut dice = StdRng::seed_from_u64(writer as u64);
                let mut next = writer * 1_000_000;
                while !stop.load(Ordering::Relaxed) {
                    let rows = dice.random_range(1..60);
                    execute(
                        &session,
                        &runtime,
                        &format!(
                            "INSERT INTO src SELECT value, value * 7 FROM generate_series({next}, {})",
                            next + rows - 1
                        ),
                    );
                    next += rows;
                    written.fetch_add(rows, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(dice.random_range(200..1_200)));
                }
            });
        }
        scope.spawn(|| {
            let runtime = Runtime::new().unwrap();
            let session = session(config, &runtime);
            while !stop.load(Ordering::Relaxed) {
                execute(&session, &runtime, "OPTIMIZE src");
                compacted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1_500));
            }
        });
        let fire = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut dice = StdRng::seed_from_u64(SEED);
            let mut servers = [serve(&paratope, &jobs), serve(&paratope, &jobs)];
            let started = Instant::now();
            for kill in 0..KILLS {
                std::thread::sleep(Duration::from_millis(dice.random_range(300..3_500)));
                let victim = dice.random_range(0..servers.len());
                assert!(
                    !servers[victim].ended(),
                    "a server ended by itself before kill {kill}"
                );
                servers[victim].kill();
                servers[victim] = serve(&paratope, &jobs);
            }
            eprintln!("{KILLS} kills in {:?}", started.elapsed());
        }));
        stop.store(true, Ordering::Relaxed);
        fire.unwrap();
    });
    std::thread::sleep(Duration::from_secs(2));
    paratope
        .run(["job", "--jobs", jobs.to_str().unwrap(), "run", "fire"])
        .expect_code(0);
    let rows = paratope.count("SELECT count(*) FROM src");
    assert_eq!(rows as usize, written.load(Ordering::Relaxed));
    assert!(rows > 500 && compacted.load(Ordering::Relaxed) > 3);
    let lost = format!("SELECT count(*) FROM ({QUERY} EXCEPT ALL SELECT k, w FROM out)");
    let double = format!("SELECT count(*) FROM (SELECT k, w FROM out EXCEPT ALL {QUERY})");
    assert_eq!(paratope.count(&lost), 0, "rows are lost");
    assert_eq!(paratope.count(&double), 0, "rows are double or wrong");
    let runs =
        paratope.count("SELECT count(DISTINCT host) FROM system.job_runs WHERE job = 'fire'");
    assert!(
        runs > 2,
        "{runs} processes ran the job: the others never got a turn"
    );
    let interrupted = "SELECT count(*) FROM system.job_runs WHERE status = 'interrupted'";
    assert!(paratope.count(interrupted) > 0, "no run was killed at work");
    let failed = "SELECT count(*) FROM system.job_runs WHERE status = 'failed'";
    assert_eq!(paratope.count(failed), 0);
}
