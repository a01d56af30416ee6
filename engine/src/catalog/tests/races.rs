//! Two processes change one name at once: who comes second sees that the other was first.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::changes::{change, creation};
use super::super::table::Change;
use super::super::{Entry, views};
use super::*;

/// Runs `other` in a process of its own, as far as the lake can tell, to its end.
fn meanwhile<F: Future<Output = ()>>(place: &Place, other: impl Fn(Arc<Lake>) -> F + Sync) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { other(place.lake().await).await });
        });
        thread.join().unwrap();
    });
}

#[tokio::test]
async fn a_name_taken_between_the_decision_and_its_commit_is_noticed() {
    let place = Place::new();
    let lake = place.lake().await;
    let decided = AtomicUsize::new(0);
    let outcome = lake
        .catalog()
        .change(|contents| {
            let entry = Entry {
                name: Name::main("t"),
                kind: Kind::View,
                location: None,
                definition: Some("SELECT 'ours'".into()),
                dropped: false,
                changed_at: 0,
            };
            let first = decided.fetch_add(1, Ordering::Relaxed) == 0;
            let entries = creation(contents, entry, CreateMode::New)?;
            if first {
                meanwhile(&place, |other| async move {
                    view(&other, "t", "SELECT 'theirs'").await.unwrap();
                });
            }
            Ok(entries.map(|entries| Change {
                entries,
                on_views: false,
            }))
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    assert_eq!(decided.load(Ordering::Relaxed), 2);
    lake.refresh_if_changed().await.unwrap();
    assert_eq!(lake.view("main.t").unwrap(), "SELECT 'theirs'");
}

#[tokio::test]
async fn without_its_transaction_id_a_change_would_undo_anothers() {
    let place = Place::new();
    let lake = place.lake().await;
    let catalog = lake.catalog().table();
    let base = catalog.snapshot().await.unwrap();
    let entry = Entry {
        name: Name::main("t"),
        kind: Kind::View,
        location: None,
        definition: Some("SELECT 'ours'".into()),
        dropped: false,
        changed_at: i64::MAX,
    };
    let written = rows::write(catalog, &base, &[entry]).await.unwrap();
    meanwhile(&place, |other| async move {
        view(&other, "t", "SELECT 'theirs'").await.unwrap();
    });
    let unguarded = Commit {
        base,
        operation: append(),
        actions: written.adds.into_iter().map(Action::Add).collect(),
        transactions: Vec::new(),
        reads: Reads::Nothing,
    };
    commit(catalog, unguarded).await.unwrap();
    lake.refresh_if_changed().await.unwrap();
    assert_eq!(
        lake.view("main.t").unwrap(),
        "SELECT 'ours'",
        "the id is what prevents this"
    );
}

#[tokio::test]
async fn of_two_views_that_close_a_circle_at_once_the_second_is_refused() {
    let place = Place::new();
    let lake = place.lake().await;
    let decided = AtomicUsize::new(0);
    let (name, sql) = (Name::main("a"), "SELECT * FROM b");
    let outcome = change(&lake, |contents| {
        let entry = Entry {
            name: name.clone(),
            kind: Kind::View,
            location: None,
            definition: Some(sql.into()),
            dropped: false,
            changed_at: 0,
        };
        let entries = creation(contents, entry, CreateMode::New)?;
        if let Some(cycle) = views::find_cycle(&name, sql, &contents.views())? {
            return Err(Error::Invalid(format!("{cycle:?}")));
        }
        if decided.fetch_add(1, Ordering::Relaxed) == 0 {
            meanwhile(&place, |other| async move {
                view(&other, "b", "SELECT * FROM a").await.unwrap();
            });
        }
        Ok(entries.map(|entries| Change {
            entries,
            on_views: true,
        }))
    })
    .await;
    assert!(matches!(outcome, Err(Error::Invalid(_))), "{outcome:?}");
    let lake = place.lake().await;
    assert_eq!(user_views(&lake), ["b"]);
}
