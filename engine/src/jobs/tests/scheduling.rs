//! Schedulers by clocks that tests set: moments come and go in milliseconds, and hosts differ about the time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::catalog::CreateMode;
use crate::jobs::{Clock, Runner, Scheduler};
use crate::session::Sessions;
use crate::storage::Access;

/// A clock that stands still but when somebody waits for it.
#[derive(Debug)]
struct Jumping {
    now: Arc<Mutex<DateTime<Utc>>>,
    /// How far this host is ahead.
    skew: chrono::Duration,
}

impl Clock for Jumping {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap() + self.skew
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'static, ()> {
        let (now, at) = (Arc::clone(&self.now), at - self.skew);
        async move {
            // Runs that were started have their turn.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut now = now.lock().unwrap();
            *now = (*now).max(at);
        }
        .boxed()
    }
}

fn runner(place: &Place) -> Runner {
    let access = Access::nothing(&place.config).unwrap();
    let sessions = Sessions::new(Some(Arc::clone(&place.lake)), &place.config, access).unwrap();
    Runner::new(Arc::new(sessions), Handle::current()).unwrap()
}

/// Runs schedulers whose clocks differ until `enough` rows stand in `out`; gives the moments that were run.
async fn moments(place: &Place, skews: &[i64], enough: usize) -> Vec<String> {
    let now: DateTime<Utc> = "2026-10-24T22:30:00Z".parse().unwrap();
    let now = Arc::new(Mutex::new(now));
    let end = CancellationToken::new();
    let schedulers: Vec<_> = skews
        .iter()
        .map(|minutes| {
            let clock = Jumping {
                now: Arc::clone(&now),
                skew: chrono::Duration::minutes(*minutes),
            };
            let scheduler = Scheduler::new(
                runner(place),
                Arc::new(clock),
                Handle::current(),
                Arc::new(|_| {}),
            );
            tokio::spawn(scheduler.run(end.clone(), Duration::from_secs(30)))
        })
        .collect();
    for _ in 0..600 {
        if place.rows("SELECT n FROM out").await.len() >= enough {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    end.cancel();
    for scheduler in schedulers {
        scheduler.await.unwrap();
    }
    place
        .rows("SELECT scheduled_at FROM system.job_runs WHERE status = 'succeeded'")
        .await
}

async fn place() -> Place {
    let place = Place::new().await;
    place.sql("CREATE TABLE out (n BIGINT)").await;
    let text =
        "-- schedule: 30 * * * * Europe/Zurich\n-- missed: all\nINSERT INTO out VALUES (1)\n";
    place
        .session
        .add_job("hourly", text, CreateMode::New)
        .await
        .unwrap();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hour_has_its_run_through_the_change_of_the_clock() {
    let place = place().await;
    let ran = moments(&place, &[0], 5).await;
    let expected = ["23:30", "00:30", "01:30", "02:30", "03:30"];
    for hour in expected {
        let is_there = ran
            .iter()
            .filter(|moment| moment.contains(&format!("T{hour}:00")))
            .count();
        assert_eq!(is_there, 1, "{hour}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedulers_whose_clocks_differ_run_each_moment_once() {
    let place = place().await;
    let ran = moments(&place, &[0, 25, -20], 4).await;
    let mut unique = ran.clone();
    unique.dedup();
    assert_eq!(unique, ran, "a moment was run twice");
    assert!(ran.len() >= 4, "{ran:?}");
    assert_eq!(place.rows("SELECT n FROM out").await.len(), ran.len());
}
