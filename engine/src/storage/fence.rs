//! An object store that stays within bounds: every operation on every path is checked before the store below sees it.
//!
//! Plans, readers and writers of many libraries reach stores in many ways; all of them end in these few methods. So the
//! bounds hold here, whatever SQL looked like. Errors carry an [`Error::Denied`] that names place and remedy.

mod listing;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult,
};

use self::listing::Judge;
use super::access::{Access, Mode};
use super::place::{Place, Root};
use crate::error::{Error, Result};

/// Entries of a listing that are checked together.
const CHUNK: usize = 1_024;

/// How a path of a store becomes a place.
type Resolve = fn(&Root, &Path) -> io::Result<Place>;

/// A store within bounds. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    inner: Arc<dyn ObjectStore>,
    root: Root,
    bounds: Bounds,
}

#[derive(Debug, Clone)]
enum Bounds {
    /// What statements may reach.
    Policy(Access),
    /// One folder: the lake's own store, which is no way to the rest of a disk or bucket.
    Folder(Arc<Folder>),
}

#[derive(Debug)]
struct Folder {
    path: Path,
    /// Its place, once it exists.
    resolved: OnceLock<Place>,
}

impl Folder {
    fn place(&self, root: &Root) -> Option<Place> {
        if let Some(place) = self.resolved.get() {
            return Some(place.clone());
        }
        let place = Place::within(root, &self.path).ok()?;
        let is_there = match &place {
            Place::Local(path) => path.exists(),
            Place::Remote { .. } => true,
        };
        if is_there {
            let _ = self.resolved.set(place.clone());
        }
        Some(place)
    }
}

impl Fence {
    /// `inner` within what `access` lets statements reach.
    pub(crate) fn policy(inner: Arc<dyn ObjectStore>, root: Root, access: Access) -> Self {
        Self {
            inner,
            root,
            bounds: Bounds::Policy(access),
        }
    }

    /// `inner` within one folder.
    pub(crate) fn folder(inner: Arc<dyn ObjectStore>, root: Root, path: Path) -> Self {
        let resolved = OnceLock::new();
        Self {
            inner,
            root,
            bounds: Bounds::Folder(Arc::new(Folder { path, resolved })),
        }
    }

    fn is_free(&self, mode: Mode) -> bool {
        match &self.bounds {
            Bounds::Policy(access) => access.is_free(mode),
            Bounds::Folder(_) => false,
        }
    }

    /// Lets a path through, or says why not. Statements are given the resolved path, so that a link which is changed
    /// between the check and the operation leads nowhere else.
    async fn admit(&self, path: &Path, mode: Mode) -> StoreResult<Path> {
        self.admit_as(path, mode, Place::within).await
    }

    /// As [`Fence::admit`] for what is done to a name and not to the file that it may link to.
    async fn admit_name(&self, path: &Path) -> StoreResult<()> {
        self.admit_as(path, Mode::Write, Place::of_name).await?;
        Ok(())
    }

    async fn admit_as(&self, path: &Path, mode: Mode, resolve: Resolve) -> StoreResult<Path> {
        if self.is_free(mode) {
            return Ok(path.clone());
        }
        let (fence, path) = (self.clone(), path.clone());
        match self.root {
            Root::Local => blocking(move || fence.admit_now(&path, mode, resolve)).await,
            Root::Remote(_) => self.admit_now(&path, mode, resolve),
        }
    }

    fn admit_now(&self, path: &Path, mode: Mode, resolve: Resolve) -> StoreResult<Path> {
        let place = resolve(&self.root, path);
        let resolved = match (&self.bounds, &place) {
            (Bounds::Policy(_), Ok(Place::Local(real))) => Path::from_absolute_path(real).ok(),
            _ => Some(path.clone()),
        };
        let admitted = match &self.bounds {
            Bounds::Policy(access) => access.verdict(place, mode).refusal(&self.shown(path), mode),
            Bounds::Folder(folder) => match (folder.place(&self.root), place) {
                (Some(folder), Ok(place)) if folder.holds(&place) => Ok(()),
                _ => Err(self.outside(folder, path)),
            },
        };
        admitted.map_err(|error| refused(path, error))?;
        resolved.ok_or_else(|| refused(path, self.unnameable(path)))
    }

    /// A path in messages.
    fn shown(&self, path: &Path) -> String {
        match &self.root {
            Root::Local => format!("/{path}"),
            Root::Remote(store) => format!("{store}/{path}"),
        }
    }

    fn outside(&self, folder: &Folder, path: &Path) -> Error {
        Error::Denied(format!(
            "{} leads out of {}: files of the lake lie in its folder; replace the link by the file, or move the lake as a whole",
            self.shown(path),
            self.shown(&folder.path)
        ))
    }

    fn unnameable(&self, path: &Path) -> Error {
        Error::Denied(format!(
            "{} leads to a file whose name is no valid path",
            self.shown(path)
        ))
    }

    async fn admit_chunk(
        self,
        entries: Vec<StoreResult<ObjectMeta>>,
    ) -> Vec<StoreResult<ObjectMeta>> {
        match self.root {
            Root::Remote(_) => Judge::new(&self).admit_all(entries),
            Root::Local => blocking(move || Ok(Judge::new(&self).admit_all(entries)))
                .await
                .unwrap_or_else(|error| vec![Err(error)]),
        }
    }

    fn admit_listing(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, StoreResult<ObjectMeta>>
        + Send
        + 'static,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        if self.is_free(Mode::Read) {
            return list(self.inner.as_ref());
        }
        let fence = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        async move {
            fence.admit(&prefix, Mode::Read).await?;
            let listed = list(fence.inner.as_ref());
            Ok(listed
                .ready_chunks(CHUNK)
                .then(move |chunk| fence.clone().admit_chunk(chunk))
                .flat_map(futures::stream::iter))
        }
        .try_flatten_stream()
        .boxed()
    }
}

/// The policy's refusal as an error of a store; [`Error`] finds it again in there.
fn refused(path: &Path, error: Error) -> object_store::Error {
    object_store::Error::PermissionDenied {
        path: path.to_string(),
        source: Box::new(error),
    }
}

/// Runs what looks at the file system where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    tokio::task::spawn_blocking(work).await?
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a method that is not ours would go round the fence
impl ObjectStore for Fence {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        let location = self.admit(location, Mode::Write).await?;
        self.inner.put_opts(&location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        let location = self.admit(location, Mode::Write).await?;
        self.inner.put_multipart_opts(&location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let admitted = self.admit(location, Mode::Read).await?;
        let mut found = self.inner.get_opts(&admitted, options).await?;
        found.meta.location = location.clone();
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let location = self.admit(location, Mode::Read).await?;
        self.inner.get_ranges(&location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        let fence = self.clone();
        let admitted = locations.and_then(move |location| {
            let fence = fence.clone();
            async move { fence.admit_name(&location).await.map(|()| location) }
        });
        self.inner.delete_stream(admitted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let wanted = prefix.cloned();
        self.admit_listing(prefix, move |store| store.list(wanted.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let (wanted, offset) = (prefix.cloned(), offset.clone());
        self.admit_listing(prefix, move |store| {
            store.list_with_offset(wanted.as_ref(), &offset)
        })
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        self.admit(&folder, Mode::Read).await?;
        let listed = self.inner.list_with_delimiter(prefix).await?;
        if self.is_free(Mode::Read) {
            return Ok(listed);
        }
        let fence = self.clone();
        let check = move || {
            let entries = listed.objects.into_iter().map(Ok).collect();
            let objects = Judge::new(&fence)
                .admit_all(entries)
                .into_iter()
                .collect::<StoreResult<_>>()?;
            let mut judge = Judge::new(&fence);
            let mut common_prefixes = Vec::with_capacity(listed.common_prefixes.len());
            for folder in listed.common_prefixes {
                if judge.admit(&folder)? {
                    common_prefixes.push(folder);
                }
            }
            Ok(ListResult {
                common_prefixes,
                objects,
            })
        };
        match self.root {
            Root::Local => blocking(check).await,
            Root::Remote(_) => check(),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.admit(from, Mode::Read).await?;
        self.admit_name(to).await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.admit_name(from).await?;
        self.admit_name(to).await?;
        self.inner.rename_opts(from, to, options).await
    }
}

/// Finds the policy's own error in that of a store.
pub(crate) fn refusal(error: object_store::Error) -> Result<Error, object_store::Error> {
    match error {
        object_store::Error::PermissionDenied { path, source } => {
            match source.downcast::<Error>() {
                Ok(ours) => Ok(*ours),
                Err(source) => Err(object_store::Error::PermissionDenied { path, source }),
            }
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests;
