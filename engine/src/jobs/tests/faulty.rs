//! A store that does to its users what stores do: refuses, stalls, forgets to say that it has done what was asked, and lists
//! what was there a moment ago. All of it by a seed.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// The store.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    dice: Mutex<StdRng>,
    /// One request in so many goes wrong.
    pub one_in: u32,
    /// Whether anything goes wrong at all.
    pub is_on: Arc<AtomicBool>,
    /// Faults so far.
    pub faults: Arc<AtomicU64>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64, is_on: Arc<AtomicBool>) -> Self {
        Self {
            inner,
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            one_in: 30,
            is_on,
            faults: Arc::default(),
        }
    }

    /// Whether this request goes wrong, and one of `kinds` ways.
    fn fault(&self, kinds: u32) -> Option<u32> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        let mut dice = self.dice.lock().unwrap();
        let goes_wrong = dice.random_range(0..self.one_in) == 0;
        goes_wrong.then(|| {
            self.faults.fetch_add(1, Ordering::Relaxed);
            dice.random_range(0..kinds)
        })
    }

    /// Others come between.
    async fn pause(&self) {
        let turns = match self.is_on.load(Ordering::Relaxed) {
            true => self.dice.lock().unwrap().random_range(0..3),
            false => 0,
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

fn unavailable() -> Error {
    Error::Generic {
        store: "faulty",
        // As stores over HTTP say it, once they have tried again.
        source: "Error performing request in 1s, after 5 retries, max_retries: 5, retry_timeout: 180s - 503 Service Unavailable".into(),
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.pause().await;
        let is_conditional = options.mode == PutMode::Create;
        let exists = || Error::AlreadyExists {
            path: location.to_string(),
            source: "409 Conflict".into(),
        };
        match self.fault(if is_conditional { 5 } else { 2 }) {
            None => self.inner.put_opts(location, payload, options).await,
            Some(0) => Err(unavailable()),
            // It was done, and the answer is lost.
            Some(1) => {
                self.inner.put_opts(location, payload, options).await?;
                Err(unavailable())
            }
            Some(2) => Err(exists()),
            Some(3) => Err(Error::Precondition {
                path: location.to_string(),
                source: "412 Precondition Failed".into(),
            }),
            // It was done, the answer lost, the request repeated by the client below.
            Some(_) => {
                self.inner.put_opts(location, payload, options).await?;
                Err(exists())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pause().await;
        match self.fault(1) {
            None => self.inner.get_opts(location, options).await,
            Some(_) => Err(unavailable()),
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stale(self.inner.list(prefix), self.fault(2))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        stale(self.inner.list_with_offset(prefix, offset), self.fault(2))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A listing that fails, or lacks the newest entry of a log.
fn stale(
    entries: BoxStream<'static, Result<ObjectMeta>>,
    fault: Option<u32>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    match fault {
        None => entries,
        Some(0) => futures::stream::iter([Err(unavailable())]).boxed(),
        Some(_) => futures::stream::once(async move {
            let mut all: Vec<ObjectMeta> = entries.try_collect().await?;
            all.sort_by(|one, other| one.location.cmp(&other.location));
            let is_commit = |meta: &ObjectMeta| {
                let path = meta.location.as_ref();
                path.contains("_delta_log/") && path.ends_with(".json")
            };
            // The first version was there long ago.
            if all.iter().filter(|meta| is_commit(meta)).count() > 1
                && let Some(last) = all.iter().rposition(is_commit)
            {
                all.remove(last);
            }
            Ok::<_, Error>(futures::stream::iter(all.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed(),
    }
}
