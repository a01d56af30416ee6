//! One run of a job at a time, on however many servers: a lease kept in the lake.
//!
//! A lease is a row of numbered objects, each put only where it is not there (local files know no other atomic change).
//! The highest number counts: it says who holds the lease and for how long. To keep it, its holder puts the next number; to
//! take one that has expired, another does, and only one of them can. Times are those of the store, so that hosts whose
//! clocks differ agree. A holder that sleeps past its time loses the lease and works on for a while: that costs work and
//! nothing else, as commits look at the cursor and not at the lease.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::storage::Storage;

/// Folder of all leases.
const FOLDER: &str = "_paratope/leases";
/// Folder of objects that are put to learn the store's time.
const CLOCK: &str = "_paratope/clock";
/// How often a taken number is looked at again.
const ATTEMPTS: usize = 8;
/// Numbers that stay behind the highest.
const KEPT: u64 = 2;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run_id: String,
    /// Machine and process.
    pub host: String,
    /// What started the run.
    pub cause: String,
    /// When it began, by the host's clock.
    pub started_at: DateTime<Utc>,
    /// The moment of the schedule that it is for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// How long the lease lasts, seconds.
    pub lasts_s: u64,
    /// Whether the holder has given it back.
    pub is_over: bool,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease {
    storage: Storage,
    folder: String,
    number: u64,
    holder: Holder,
}

/// What trying to take a lease came to.
#[derive(Debug)]
pub enum Taken {
    /// It is ours. Its last holder is told where it never gave the lease back.
    Ours(Box<Lease>, Option<Holder>),
    /// Another holds it.
    Others(Holder),
}

impl Lease {
    /// Tries to take the lease of a job.
    ///
    /// # Errors
    /// Whatever the store says; `Conflict` where others are faster every time.
    pub async fn take(storage: &Storage, job: &str, holder: Holder) -> Result<Taken> {
        let folder = format!("{FOLDER}/{job}");
        for _ in 0..ATTEMPTS {
            let highest = highest(storage, &folder).await?;
            let mut left = None;
            let mut number = 1;
            if let Some((last, meta)) = highest {
                number = last + 1;
                let Some(last) = read(storage, &meta.location).await? else {
                    // Its holder has put the next one and cleaned up behind itself.
                    continue;
                };
                if !last.is_over {
                    if !has_expired(storage, &meta, &last).await? {
                        return Ok(Taken::Others(last));
                    }
                    left = Some(last);
                }
            }
            let lease = Self {
                storage: storage.clone(),
                folder: folder.clone(),
                number,
                holder: holder.clone(),
            };
            if !lease.put().await? {
                continue;
            }
            // A slow one may have put a number that was cleaned away behind the holder of a higher one.
            match self::highest(storage, &folder).await? {
                Some((highest, _)) if highest == number => {
                    lease.clean().await;
                    return Ok(Taken::Ours(Box::new(lease), left));
                }
                _ => storage.delete(&lease.path(number)).await?,
            }
        }
        Err(Error::Conflict(format!(
            "the lease of job {job} changes hands so fast that it could not be taken; try again"
        )))
    }

    /// Who holds the lease of a job now.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn holder(storage: &Storage, job: &str) -> Result<Option<Holder>> {
        let folder = format!("{FOLDER}/{job}");
        let Some((_, meta)) = highest(storage, &folder).await? else {
            return Ok(None);
        };
        let Some(holder) = read(storage, &meta.location).await? else {
            return Ok(None);
        };
        if holder.is_over || has_expired(storage, &meta, &holder).await? {
            return Ok(None);
        }
        Ok(Some(holder))
    }

    /// Makes it last from now on. `false` where another has taken it.
    ///
    /// # Errors
    /// Whatever the store says: it may still be held.
    pub async fn keep(&mut self) -> Result<bool> {
        self.number += 1;
        match self.put().await {
            Ok(true) => {
                self.clean().await;
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                self.number -= 1;
                Err(error)
            }
        }
    }

    /// Gives it back, so that others need not wait for its end.
    ///
    /// # Errors
    /// Whatever the store says: then it expires.
    pub async fn end(mut self) -> Result<()> {
        self.holder.is_over = true;
        self.number += 1;
        if self.put().await? {
            self.clean().await;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> Path {
        self.storage.path(&named(&self.folder, number))
    }

    /// Puts this number; `false` where another has it.
    async fn put(&self) -> Result<bool> {
        let json =
            serde_json::to_vec(&self.holder).map_err(|error| Error::Internal(error.to_string()))?;
        let name = named(&self.folder, self.number);
        if self.storage.create(&name, Bytes::from(json)).await? {
            return Ok(true);
        }
        // Our own, whose answer was lost?
        let there = read(&self.storage, &self.storage.path(&name)).await?;
        Ok(there.as_ref() == Some(&self.holder))
    }

    /// Deletes numbers long passed. What stays is in nobody's way.
    async fn clean(&self) {
        let Ok(all) = numbers(&self.storage, &self.folder).await else {
            return;
        };
        for (number, meta) in all {
            if number + KEPT <= self.number
                && let Err(error) = self.storage.delete(&meta.location).await
            {
                tracing::debug!(%error, "an old lease stays");
            }
        }
    }
}

fn named(folder: &str, number: u64) -> String {
    format!("{folder}/{number:020}.json")
}

async fn numbers(storage: &Storage, folder: &str) -> Result<Vec<(u64, ObjectMeta)>> {
    let prefix = storage.path(folder);
    let listed: Vec<ObjectMeta> = storage.store().list(Some(&prefix)).try_collect().await?;
    Ok(listed
        .into_iter()
        .filter_map(|meta| {
            let number = meta
                .location
                .filename()?
                .strip_suffix(".json")?
                .parse()
                .ok()?;
            Some((number, meta))
        })
        .collect())
}

async fn highest(storage: &Storage, folder: &str) -> Result<Option<(u64, ObjectMeta)>> {
    let all = numbers(storage, folder).await?;
    Ok(all.into_iter().max_by_key(|(number, _)| *number))
}

async fn read(storage: &Storage, path: &Path) -> Result<Option<Holder>> {
    match storage.store().get(path).await {
        Ok(found) => {
            let bytes = found.bytes().await?;
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::Corrupt(format!("{path} is not a lease: {error}")))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn has_expired(storage: &Storage, meta: &ObjectMeta, holder: &Holder) -> Result<bool> {
    let now = store_time(storage).await?;
    let lasts = chrono::Duration::from_std(Duration::from_secs(holder.lasts_s))
        .unwrap_or(chrono::Duration::MAX);
    Ok(meta
        .last_modified
        .checked_add_signed(lasts)
        .is_some_and(|end| end < now))
}

/// What the store takes for now: the time of an object that is put and deleted.
///
/// # Errors
/// Whatever the store says.
pub async fn store_time(storage: &Storage) -> Result<DateTime<Utc>> {
    let name = format!("{CLOCK}/{}", Uuid::new_v4().simple());
    storage.create(&name, Bytes::from_static(b"now")).await?;
    let path = storage.path(&name);
    let meta = storage.store().head(&path).await;
    storage.delete(&path).await?;
    Ok(meta?.last_modified)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
mod tests {
    use super::*;
    use crate::config::StorageConfig;

    fn place() -> (tempfile::TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("lake").display().to_string();
        std::fs::create_dir_all(&location).unwrap();
        let storage = Storage::open(&location, &StorageConfig::default()).unwrap();
        (folder, storage)
    }

    fn holder(run_id: &str, lasts_s: u64) -> Holder {
        Holder {
            run_id: run_id.into(),
            host: "here".into(),
            cause: "hand".into(),
            // A host whose clock is a year ahead: it is not asked.
            started_at: Utc::now() + chrono::Duration::days(365),
            scheduled_at: None,
            lasts_s,
            is_over: false,
        }
    }

    fn ours(taken: Taken) -> (Box<Lease>, Option<Holder>) {
        match taken {
            Taken::Ours(lease, left) => (lease, left),
            Taken::Others(holder) => panic!("{holder:?} holds it"),
        }
    }

    #[tokio::test]
    async fn a_lease_that_is_held_is_not_taken_and_one_given_back_is() {
        let (_folder, storage) = place();
        let (mut first, _) = ours(Lease::take(&storage, "j", holder("a", 60)).await.unwrap());
        let others = Lease::take(&storage, "j", holder("b", 60)).await.unwrap();
        assert!(matches!(others, Taken::Others(held) if held.run_id == "a"));
        for _ in 0..5 {
            assert!(first.keep().await.unwrap());
        }
        assert!(Lease::holder(&storage, "j").await.unwrap().is_some());
        first.end().await.unwrap();
        assert_eq!(Lease::holder(&storage, "j").await.unwrap(), None);
        let (_second, left) = ours(Lease::take(&storage, "j", holder("b", 60)).await.unwrap());
        assert_eq!(left, None);
        assert!(numbers(&storage, "_paratope/leases/j").await.unwrap().len() <= 3);
    }

    #[tokio::test]
    async fn a_lease_whose_holder_is_silent_is_lost_to_another_by_the_stores_clock() {
        let (_folder, storage) = place();
        let (mut first, _) = ours(Lease::take(&storage, "j", holder("a", 0)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (second, left) = ours(Lease::take(&storage, "j", holder("b", 60)).await.unwrap());
        assert_eq!(left.unwrap().run_id, "a");
        assert!(!first.keep().await.unwrap(), "it was lost");
        second.end().await.unwrap();
        // Regained.
        let (_again, _) = ours(Lease::take(&storage, "j", holder("a", 60)).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_that_try_at_once_one_gets_the_lease() {
        let (_folder, storage) = place();
        for round in 0..10 {
            let job = format!("j{round}");
            let tries = (0..8).map(|index| {
                let (storage, job) = (storage.clone(), job.clone());
                tokio::spawn(async move {
                    let taken = Lease::take(&storage, &job, holder(&format!("{index}"), 60)).await;
                    matches!(taken, Ok(Taken::Ours(..)))
                })
            });
            let won = futures::future::join_all(tries).await;
            let won = won.into_iter().filter(|won| *won.as_ref().unwrap()).count();
            assert_eq!(won, 1, "round {round}");
        }
    }
}
