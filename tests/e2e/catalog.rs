//! Many writers, one catalog: of all who want a name exactly one gets it, and the catalog can be
//! read at any time.
//!
//! Each writer has opened the lake for itself and shares nothing with the others but the store, as
//! if it were a process of its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engine::catalog::{CreateMode, Kind, Name, create_table, create_view, drop, rename};
use engine::config::Config;
use engine::tables::TableDefinition;
use engine::{Error, Lake};
use futures::TryStreamExt as _;
use object_store::path::Path;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::faults::{Answer, Fault, Rule};
use tests::s3::S3Server;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Writers in each race.
const WRITERS: usize = 6;
/// Races of each kind.
const ROUNDS: usize = 6;
/// Log entries of the catalog.
const LOG: &str = r"/system/catalog/_delta_log/\d{20}\.json$";

fn config(server: &S3Server) -> Config {
    server.config("catalog")
}

async fn open(server: &S3Server) -> Arc<Lake> {
    Lake::open_or_init(&config(server)).await.unwrap()
}

async fn writers(server: &S3Server) -> Vec<Arc<Lake>> {
    let mut lakes = vec![open(server).await];
    while lakes.len() < WRITERS {
        lakes.push(open(server).await);
    }
    lakes
}

fn definition(name: &str) -> TableDefinition {
    TableDefinition::parse(&format!("CREATE TABLE main.{name} (a BIGINT, b STRING)")).unwrap()
}

async fn create(lake: &Lake, name: &str, mode: CreateMode) -> Result<bool, Error> {
    create_table(lake, &definition(name), mode).await
}

/// Lets all writers act at the same moment; their outcomes in the order of the writers.
async fn at_once<F>(lakes: &[Arc<Lake>], act: impl Fn(usize, Arc<Lake>) -> F) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(lakes.len()));
    let mut tasks = JoinSet::new();
    for (writer, lake) in lakes.iter().enumerate() {
        let (barrier, acting) = (Arc::clone(&barrier), act(writer, Arc::clone(lake)));
        tasks.spawn(async move {
            barrier.wait().await;
            (writer, acting.await)
        });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tasks.join_next().await {
        let (writer, outcome) = outcome.unwrap();
        outcomes.insert(writer, outcome);
    }
    outcomes.into_values().collect()
}

/// The one writer that succeeded; all others must have failed as `lost` wants it.
#[track_caller]
fn winner<T: std::fmt::Debug>(outcomes: &[Result<T, Error>], lost: fn(&Error) -> bool) -> usize {
    let mut winners = Vec::new();
    for (writer, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(_) => winners.push(writer),
            Err(error) => assert!(lost(error), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    winners[0]
}

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Invalid(message) if message.contains("exists already"))
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::NotFound(_))
}

/// Folders below `main` that hold files.
async fn folders(server: &S3Server) -> HashSet<String> {
    let main = Path::from("catalog/main");
    let files: Vec<_> = server
        .store()
        .list(Some(&main))
        .try_collect()
        .await
        .unwrap();
    files
        .iter()
        .filter_map(|file| file.location.prefix_match(&main)?.next())
        .map(|folder| format!("main/{}", folder.as_ref()))
        .collect()
}

/// Every name of the lake can be read.
async fn assert_readable(lake: &Lake) {
    lake.refresh_if_changed().await.unwrap();
    for entry in lake.contents().entries() {
        match entry.kind {
            Kind::Table => {
                let table = lake.table(&entry.name.to_string());
                // It may have been renamed or dropped since, but what it was can be read.
                if let Ok(table) = table {
                    table.snapshot().await.unwrap();
                }
            }
            Kind::View | Kind::Job => assert!(entry.definition.is_some()),
        }
    }
}

/// How many changes were decided and then not made, as others were faster: a race without any is
/// not a race.
fn overtaken(server: &S3Server) -> usize {
    let puts = |path: &str| server.faults().count("PUT", path);
    let entries = server.faults().seen();
    let committed = entries
        .iter()
        .filter(|request| request.method == "PUT" && request.status == Some(200))
        .filter(|request| request.path.contains("/system/catalog/_delta_log/0"))
        .filter(|request| request.path.ends_with(".json"))
        .count();
    // Version 0 has no rows.
    (puts(r"/system/catalog/part-[^/]+$") + 1).saturating_sub(committed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_create_one_name_one_does_and_the_others_are_told() {
    let server = S3Server::start();
    let lakes = writers(&server).await;
    let before = folders(&server).await;
    for round in 0..ROUNDS {
        let name = format!("t{round}");
        let outcomes = at_once(&lakes, |_, lake| {
            let name = name.clone();
            async move { create(&lake, &name, CreateMode::New).await }
        })
        .await;
        winner(&outcomes, is_taken);
        let name = format!("i{round}");
        let outcomes = at_once(&lakes, |_, lake| {
            let name = name.clone();
            async move { create(&lake, &name, CreateMode::IfNotExists).await.unwrap() }
        })
        .await;
        let made = outcomes.iter().filter(|made| **made).count();
        assert_eq!(made, 1, "{outcomes:?}");
    }
    let lake = open(&server).await;
    assert_readable(&lake).await;
    // Those who lost left nothing.
    let contents = lake.contents();
    let named: HashSet<String> = contents
        .entries()
        .filter_map(|entry| entry.location.clone())
        .collect();
    let made: Vec<String> = folders(&server)
        .await
        .difference(&before)
        .cloned()
        .collect();
    assert!(made.iter().all(|folder| named.contains(folder)), "{made:?}");
    assert_eq!(made.len(), 2 * ROUNDS);
    assert!(overtaken(&server) > 0, "the writers never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_replace_one_table_each_does_and_all_but_the_last_are_retired() {
    let server = S3Server::start();
    let lakes = writers(&server).await;
    let outcomes = at_once(&lakes, |_, lake| async move {
        create(&lake, "t", CreateMode::OrReplace).await.unwrap()
    })
    .await;
    assert!(outcomes.iter().all(|made| *made));
    let lake = open(&server).await;
    assert_readable(&lake).await;
    let last = lake.table("main.t").unwrap();
    let retired = lake.contents().retired();
    assert_eq!(retired.len(), WRITERS - 1);
    assert!(retired.iter().all(|old| old.location != last.location()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_drop_or_rename_one_table_one_does() {
    let server = S3Server::start();
    let lakes = writers(&server).await;
    for round in 0..ROUNDS {
        let name = format!("t{round}");
        create(&lakes[0], &name, CreateMode::New).await.unwrap();
        let from = Name::main(&name);
        let outcomes = at_once(&lakes, |writer, lake| {
            let (from, to) = (from.clone(), Name::main(format!("{name}_{writer}")));
            async move {
                match writer % 2 {
                    0 => rename(&lake, &from, &to).await,
                    _ => drop(&lake, &from, Kind::Table, false).await.map(|_| ()),
                }
            }
        })
        .await;
        let winner = winner(&outcomes, is_gone);
        let lake = open(&server).await;
        assert_readable(&lake).await;
        assert!(lake.table(&from.to_string()).is_err());
        for writer in 0..WRITERS {
            let there = lake.table(&format!("{from}_{writer}")).is_ok();
            assert_eq!(
                there,
                writer == winner && writer % 2 == 0,
                "{writer} {winner}"
            );
        }
    }
    assert!(overtaken(&server) > 0, "the writers never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_rename_different_tables_to_one_name_one_does() {
    let server = S3Server::start();
    let lakes = writers(&server).await;
    for (writer, lake) in lakes.iter().enumerate() {
        create(lake, &format!("t{writer}"), CreateMode::New)
            .await
            .unwrap();
    }
    let to = Name::main("wanted");
    let outcomes = at_once(&lakes, |writer, lake| {
        let (from, to) = (Name::main(format!("t{writer}")), to.clone());
        async move { rename(&lake, &from, &to).await }
    })
    .await;
    let winner = winner(&outcomes, is_taken);
    let lake = open(&server).await;
    let left: Vec<usize> = (0..WRITERS)
        .filter(|writer| lake.table(&format!("main.t{writer}")).is_ok())
        .collect();
    assert_eq!(left.len(), WRITERS - 1);
    assert!(!left.contains(&winner));
    let folder = lake.table("main.wanted").unwrap().location().to_string();
    assert!(folder.starts_with(&format!("main/t{winner}-")), "{folder}");
    assert_eq!(lake.contents().retired(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_made_at_once_never_refer_to_themselves() {
    let server = S3Server::start();
    let lakes = writers(&server).await;
    for round in 0..ROUNDS {
        // Each view stands on the next: all of them together would be a circle.
        let outcomes = at_once(&lakes, |writer, lake| {
            let name = Name::main(format!("v{round}_{writer}"));
            let next = (writer + 1) % WRITERS;
            let sql = format!("SELECT * FROM v{round}_{next}");
            async move { create_view(&lake, &name, &sql, CreateMode::New).await }
        })
        .await;
        let refused: Vec<_> = outcomes
            .iter()
            .filter_map(|made| made.as_ref().err())
            .collect();
        assert_eq!(refused.len(), 1, "{outcomes:?}");
        assert!(
            refused[0].to_string().contains("refer to itself"),
            "{}",
            refused[0]
        );
    }
}

/// What one writer did with a name.
#[derive(Default)]
struct Tally {
    created: AtomicUsize,
    ended: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_come_and_go_at_random_are_there_as_often_as_they_came() {
    const NAMES: usize = 3;
    const STEPS: usize = 12;
    let server = S3Server::start();
    let lakes = writers(&server).await;
    let tallies: Arc<Vec<Tally>> = Arc::new((0..NAMES).map(|_| Tally::default()).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (lake, stop) = (open(&server).await, Arc::clone(&stop));
        tokio::spawn(async move {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_readable(&lake).await;
                reads += 1;
            }
            reads
        })
    };
    at_once(&lakes, |writer, lake| {
        let tallies = Arc::clone(&tallies);
        let mut random = StdRng::seed_from_u64(writer as u64);
        async move {
            for _ in 0..STEPS {
                let (one, other) = (random.random_range(0..NAMES), random.random_range(0..NAMES));
                let name = Name::main(format!("n{one}"));
                let outcome = match random.random_range(0..3) {
                    0 => create(&lake, &name.name, CreateMode::New).await.map(|_| {
                        tallies[one].created.fetch_add(1, Ordering::Relaxed);
                    }),
                    1 => drop(&lake, &name, Kind::Table, false).await.map(|_| {
                        tallies[one].ended.fetch_add(1, Ordering::Relaxed);
                    }),
                    _ => {
                        let to = Name::main(format!("n{other}"));
                        rename(&lake, &name, &to).await.map(|()| {
                            tallies[one].ended.fetch_add(1, Ordering::Relaxed);
                            tallies[other].created.fetch_add(1, Ordering::Relaxed);
                        })
                    }
                };
                if let Err(error) = outcome {
                    assert!(is_taken(&error) || is_gone(&error), "{error}");
                }
            }
        }
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > 0);
    let lake = open(&server).await;
    assert_readable(&lake).await;
    let mut came = 0;
    for (name, tally) in tallies.iter().enumerate() {
        let (created, ended) = (
            tally.created.load(Ordering::Relaxed),
            tally.ended.load(Ordering::Relaxed),
        );
        let there = usize::from(lake.table(&format!("main.n{name}")).is_ok());
        assert_eq!(created, ended + there, "n{name}");
        came += created;
    }
    assert!(came > NAMES, "hardly anything happened");
    assert!(overtaken(&server) > 0, "the writers never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_is_lost_is_made_once() {
    for answer in [Answer::Status(500), Answer::Close, Answer::Status(412)] {
        let server = S3Server::start();
        let lake = open(&server).await;
        server.inject(Rule::new("PUT", LOG, Fault::AfterApply(answer)));
        assert!(
            create(&lake, "t", CreateMode::New).await.unwrap(),
            "{answer:?}"
        );
        let first = r"/main/t-[0-9a-f]+/_delta_log/0+\.json$";
        server.inject(Rule::new(
            "PUT",
            &first.replace("/t-", "/u-"),
            Fault::AfterApply(answer),
        ));
        assert!(
            create(&lake, "u", CreateMode::New).await.unwrap(),
            "{answer:?}"
        );
        assert_eq!(server.faults().injected(), 2, "{answer:?}");
        assert_readable(&lake).await;
        assert_eq!(lake.contents().retired(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_for_changes_of_the_catalog_is_one_small_request() {
    let server = S3Server::start();
    let lake = open(&server).await;
    create(&lake, "t", CreateMode::New).await.unwrap();
    lake.refresh_if_changed().await.unwrap();
    let before = server.faults().seen().len();
    for _ in 0..10 {
        assert!(!lake.refresh_if_changed().await.unwrap());
    }
    let requests = server.faults().seen().split_off(before);
    assert_eq!(requests.len(), 10, "{requests:?}");
    assert!(requests.iter().all(|request| request.method == "HEAD"));
}
