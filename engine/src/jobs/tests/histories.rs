//! Histories of writers, a compactor and two runners over a store that fails: whatever the seed, the target is the query over
//! the source in the end, row for row. A seed that fails is printed; `PARATOPE_SEED=n` runs it alone, `PARATOPE_HISTORIES=n`
//! that many, by all threads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use url::Url;

use super::faulty::Faulty;
use super::{job, rows, run, sql_of};
use crate::config::Config;
use crate::jobs::Job;
use crate::jobs::incremental::Guards;
use crate::jobs::run::is_transient;
use crate::lake::Lake;
use crate::session::Session;
use crate::storage::{Access, Storage};

/// Histories of one run of the tests.
const HISTORIES: u64 = 20;
/// Steps of a history.
const STEPS: usize = 7;
const QUERY: &str = "SELECT k, v * 2 AS w FROM src WHERE v % 3 <> 0";

/// A process: a lake as it knows it, over a store that may fail it.
struct Process {
    lake: Arc<Lake>,
    session: Session,
}

impl Process {
    async fn start(store: Arc<dyn ObjectStore>) -> crate::Result<Self> {
        let mut config = Config::default();
        config.query.threads = 1;
        let storage = Storage::with_store(Url::parse("memory:///").unwrap(), store)?;
        let lake = Lake::of_storage(&config, storage).await?;
        let access = Access::nothing(&config)?;
        let session = Session::new(Some(Arc::clone(&lake)), &config, access)?;
        Ok(Self { lake, session })
    }
}

/// Work that is killed after some turns.
struct Killed<F> {
    work: Pin<Box<F>>,
    turns: u32,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.turns == 0 {
            return Poll::Ready(None);
        }
        self.turns -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}

/// A lake with an empty source, as all histories begin.
async fn beginning() -> InMemory {
    let store = Arc::new(InMemory::new());
    let config = Config::default();
    let url = Url::parse("memory:///").unwrap();
    let storage = Storage::with_store(url, Arc::clone(&store) as _).unwrap();
    let lake = Lake::in_storage(&config, storage).await.unwrap();
    let access = Access::nothing(&config).unwrap();
    let session = Session::new(Some(lake), &config, access).unwrap();
    sql_of(&session, "CREATE TABLE src (k BIGINT, v BIGINT)")
        .await
        .unwrap();
    store.fork()
}

/// Plays a history; gives the rows of the target and those it should have, and how many faults there were.
async fn play(store: &InMemory, seed: u64, guards: Guards) -> (Vec<String>, Vec<String>, u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let inner: Arc<dyn ObjectStore> = Arc::new(store.fork());
    let is_on = Arc::new(AtomicBool::new(true));
    let faulty = Faulty::new(Arc::clone(&inner), seed, Arc::clone(&is_on));
    let faults: Arc<AtomicU64> = Arc::clone(&faulty.faults);
    let faulty: Arc<dyn ObjectStore> = Arc::new(faulty);
    let job = job(
        "-- target: out\n-- mode: incremental on src\n-- chunk: 1",
        QUERY,
    );
    let mut next_key = 0;
    for _ in 0..STEPS {
        let writes: Vec<String> = (0..dice.random_range(1..4))
            .map(|_| {
                let values: Vec<String> = (0..dice.random_range(1..4))
                    .map(|_| {
                        next_key += 1;
                        format!("({next_key}, {})", dice.random_range(0..1_000))
                    })
                    .collect();
                format!("INSERT INTO src VALUES {}", values.join(", "))
            })
            .collect();
        let compacts = dice.random_range(0..3) == 0;
        let turns = [dice.random_range(1..400), dice.random_range(1..400)];
        let writer = async {
            // A writer that fails may or may not have written: the source says.
            let Ok(process) = Process::start(Arc::clone(&faulty)).await else {
                return;
            };
            for write in &writes {
                let _ = sql_of(&process.session, write).await;
            }
            if compacts {
                let _ = sql_of(&process.session, "OPTIMIZE src").await;
            }
        };
        let runner = |turns: u32| {
            let (faulty, job) = (Arc::clone(&faulty), job.clone());
            Killed {
                work: Box::pin(async move { attempt(faulty, &job, guards).await }),
                turns,
            }
        };
        let (first, second) = (runner(turns[0]), runner(turns[1]));
        let ((), first, second) = tokio::join!(writer, first, second);
        for error in [first, second]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
        {
            // A catalog that is listed as it was a moment ago lacks the table.
            let is_stale = matches!(error, crate::Error::NotFound(_));
            assert!(
                is_transient(&error) || is_stale,
                "seed {seed}: a passing fault ended a job: {error:?}"
            );
        }
    }
    is_on.store(false, Ordering::Relaxed);
    let process = Process::start(inner).await.unwrap();
    run(&process.lake, &process.session, &job, guards)
        .await
        .unwrap();
    let expected = rows(&process.session, QUERY).await.unwrap();
    let actual = rows(&process.session, "SELECT k, w FROM out")
        .await
        .unwrap();
    (actual, expected, faults.load(Ordering::Relaxed))
}

async fn attempt(store: Arc<dyn ObjectStore>, job: &Job, guards: Guards) -> crate::Result<()> {
    let process = Process::start(store).await?;
    run(&process.lake, &process.session, job, guards).await?;
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_the_store_does_no_row_is_lost_and_none_is_double() {
    let seeds = match number("PARATOPE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PARATOPE_HISTORIES").unwrap_or(HISTORIES),
    };
    let next = AtomicU64::new(seeds.start);
    let (faults, computed) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // One thread a history: so it is the same each time.
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                let store = runtime.block_on(beginning());
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    eprintln!("history of seed {seed}");
                    let played = play(&store, seed, Guards::default());
                    let (actual, expected, more) = runtime.block_on(played);
                    assert_eq!(
                        actual, expected,
                        "seed {seed}: PARATOPE_SEED={seed} plays it again"
                    );
                    faults.fetch_add(more, Ordering::Relaxed);
                    computed.fetch_add(actual.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(faults.into_inner() > 0, "nothing went wrong");
    assert!(computed.into_inner() > 0, "nothing was written");
}

#[tokio::test]
async fn without_its_guard_two_runners_double_rows() {
    let store = beginning().await;
    let filled: Arc<dyn ObjectStore> = Arc::new(store.fork());
    let writer = Process::start(Arc::clone(&filled)).await.unwrap();
    for key in 1..=6 {
        let insert = format!("INSERT INTO src VALUES ({key}, 1)");
        sql_of(&writer.session, &insert).await.unwrap();
    }
    let job = job(
        "-- target: out\n-- mode: incremental on src\n-- chunk: 1",
        QUERY,
    );
    // The target is there already, so that the two meet over the cursor and over nothing else.
    run(&writer.lake, &writer.session, &job, Guards::default())
        .await
        .unwrap();
    for key in 7..=30 {
        let insert = format!("INSERT INTO src VALUES ({key}, 1)");
        sql_of(&writer.session, &insert).await.unwrap();
    }
    for (cursor, doubles) in [(true, false), (false, true)] {
        let guards = Guards { cursor };
        let fork: Arc<dyn ObjectStore> = Arc::new(fork_of(&filled).await);
        let both = tokio::join!(
            attempt(Arc::clone(&fork), &job, guards),
            attempt(Arc::clone(&fork), &job, guards)
        );
        both.0.and(both.1).unwrap();
        let reader = Process::start(fork).await.unwrap();
        let actual = rows(&reader.session, "SELECT k, w FROM out").await.unwrap();
        assert_eq!(actual.len() > 30, doubles, "{} rows", actual.len());
    }
}

/// A copy of all objects.
async fn fork_of(store: &Arc<dyn ObjectStore>) -> InMemory {
    let copy = InMemory::new();
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    for object in objects {
        let bytes = store.get(&object.location).await.unwrap().bytes().await;
        copy.put(&object.location, bytes.unwrap().into())
            .await
            .unwrap();
    }
    copy
}
