//! The test server itself: without trust in it, no other test here means anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use tests::faults::{Answer, Fault, Rule};
use tests::s3::S3Server;

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

/// How many of `writers` racing creations of one object succeed, and whose bytes stay.
async fn race(stores: &[Arc<dyn ObjectStore>], round: usize) -> (Vec<usize>, Bytes) {
    let path = Path::from(format!("race/{round}"));
    let mut tasks = tokio::task::JoinSet::new();
    let barrier = Arc::new(tokio::sync::Barrier::new(stores.len()));
    for (writer, store) in stores.iter().enumerate() {
        let (store, path, barrier) = (Arc::clone(store), path.clone(), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            let bytes = Bytes::from(format!("writer {writer}"));
            match store.put_opts(&path, bytes.into(), create()).await {
                Ok(_) => Some(writer),
                Err(Error::AlreadyExists { .. }) => None,
                Err(other) => panic!("{other}"),
            }
        });
    }
    let mut winners = Vec::new();
    while let Some(winner) = tasks.join_next().await {
        winners.extend(winner.unwrap());
    }
    let kept = stores[0].get(&path).await.unwrap();
    (winners, kept.bytes().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_conditional_puts_exactly_one_wins_and_its_bytes_stay() {
    let server = S3Server::start();
    let stores: Vec<_> = (0..8).map(|_| server.store()).collect();
    for round in 0..40 {
        let (winners, kept) = race(&stores, round).await;
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(kept, format!("writer {}", winners[0]), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_mutex_several_conditional_puts_win() {
    let server = S3Server::start_without_atomic_puts();
    let stores: Vec<_> = (0..8).map(|_| server.store()).collect();
    for round in 0..200 {
        let (winners, _) = race(&stores, round).await;
        if winners.len() > 1 {
            return;
        }
    }
    panic!("s3s-fs has become atomic: the mutex of the test server can go");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_the_right_one_is_not() {
    let server = S3Server::start();
    let path = Path::from("a");
    let refused = server
        .store_with_secret("wrong")
        .put(&path, "x".into())
        .await;
    assert!(
        matches!(
            refused,
            Err(Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        ),
        "{refused:?}"
    );
    server.store().put(&path, "x".into()).await.unwrap();
    assert_eq!(server.operations()["PutObject"], 2);
}

#[tokio::test]
async fn names_that_need_escapes_are_listed_and_read_as_they_were_written() {
    let server = S3Server::start();
    let store = server.store();
    let mut names: Vec<String> = ["a b", "100%", "ä", "k=v w", "a+b"]
        .map(|name| format!("odd/{name}.txt"))
        .into();
    for name in &names {
        store
            .put(&Path::from(name.as_str()), name.clone().into())
            .await
            .unwrap();
    }
    let listed: Vec<_> = store
        .list(Some(&Path::from("odd")))
        .try_collect()
        .await
        .unwrap();
    let mut listed: Vec<String> = listed
        .iter()
        .map(|object| object.location.to_string())
        .collect();
    listed.sort();
    names = names
        .iter()
        .map(|name| Path::from(name.as_str()).to_string())
        .collect();
    names.sort();
    assert_eq!(listed, names);
    for name in &names {
        let path = Path::parse(name).unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(Path::from(std::str::from_utf8(&bytes).unwrap()), path);
    }
}

#[tokio::test]
async fn a_large_object_goes_up_in_parts_and_comes_back_in_ranges() {
    let server = S3Server::start();
    let store = server.store();
    let path = Path::from("large");
    let bytes: Vec<u8> = (0..12_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut upload = object_store::WriteMultipart::new(store.put_multipart(&path).await.unwrap());
    upload.write(&bytes);
    upload.finish().await.unwrap();
    let range = store.get_range(&path, 5_999_990..6_000_010).await.unwrap();
    assert_eq!(&range[..], &bytes[5_999_990..6_000_010]);
    assert!(server.operations()["UploadPart"] >= 2);
}

#[tokio::test]
async fn a_put_that_is_applied_and_fails_its_answer_is_there_afterwards() {
    for answer in [Answer::Status(500), Answer::Close] {
        let server = S3Server::start();
        server.inject(Rule::new("PUT", "/x$", Fault::AfterApply(answer)));
        let store = server.store();
        // The client repeats the request and then meets its own object.
        let outcome = store
            .put_opts(&Path::from("x"), "mine".into(), create())
            .await;
        assert!(
            matches!(outcome, Err(Error::AlreadyExists { .. })),
            "{answer:?}: {outcome:?}"
        );
        let kept = store
            .get(&Path::from("x"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(kept, "mine");
        assert_eq!(server.faults().injected(), 1);
        assert_eq!(server.faults().count("PUT", "/x$"), 2);
    }
}

#[tokio::test]
async fn a_refused_put_is_not_applied() {
    for status in [409, 412, 503] {
        let server = S3Server::start();
        let refuse = Fault::Instead(Answer::Status(status));
        server.inject(Rule::new("PUT", "/x$", refuse).times(1));
        let store = server.store();
        let outcome = store
            .put_opts(&Path::from("x"), "mine".into(), create())
            .await;
        let there = store.head(&Path::from("x")).await.is_ok();
        assert_eq!(outcome.is_ok(), there, "{status}: {outcome:?}");
        assert_eq!(server.faults().injected(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_stalled_request_is_answered_late() {
    let server = S3Server::start();
    let wait = Duration::from_millis(300);
    server.inject(Rule::new("PUT", "/x$", Fault::Stall(wait)));
    let started = Instant::now();
    server
        .store()
        .put(&Path::from("x"), "mine".into())
        .await
        .unwrap();
    assert!(started.elapsed() >= wait);
}
