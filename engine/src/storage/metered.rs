//! An object store whose requests are counted and timed.
//!
//! Every store passes here on its way out of [`super::open_store`], below the fence: what the fence refuses never was a
//! request.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

use crate::measures::store_request;

/// A store that is counted.
#[derive(Debug)]
pub(super) struct Metered {
    inner: Arc<dyn ObjectStore>,
}

impl Metered {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

async fn timed<T>(operation: &'static str, request: impl Future<Output = Result<T>>) -> Result<T> {
    let start = Instant::now();
    let outcome = request.await;
    store_request(operation, start, &outcome);
    outcome
}

/// Counts a stream as one request when it ends: with its first error, or after its last entry. One that is given up is
/// not counted.
fn counted<T: Send + 'static>(
    operation: &'static str,
    entries: BoxStream<'static, Result<T>>,
) -> BoxStream<'static, Result<T>> {
    let start = Instant::now();
    futures::stream::unfold(Some(entries), move |entries| async move {
        let mut entries = entries?;
        match entries.next().await {
            Some(Ok(entry)) => Some((Ok(entry), Some(entries))),
            Some(Err(error)) => {
                let failed = Err(error);
                store_request(operation, start, &failed);
                Some((failed, None))
            }
            None => {
                store_request(operation, start, &Ok(()));
                None
            }
        }
    })
    .boxed()
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a method that is not ours would not be counted, or lose the store's own way
impl ObjectStore for Metered {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let operation = match options.mode {
            PutMode::Overwrite => "put",
            PutMode::Create => "put_if_absent",
            PutMode::Update(_) => "put_if_unchanged",
        };
        timed(operation, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(location, options);
        let upload = timed("put_multipart", begun).await?;
        Ok(Box::new(MeteredUpload(upload)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { "head" } else { "get" };
        timed(operation, self.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        timed("get_ranges", self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let start = Instant::now();
        // Each entry has an outcome of its own.
        self.inner
            .delete_stream(locations)
            .inspect(move |outcome| store_request("delete", start, outcome))
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        counted("list", self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        counted("list", self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        timed("list", self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        timed("copy", self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        timed("rename", self.inner.rename_opts(from, to, options)).await
    }
}

/// An upload whose parts are counted.
#[derive(Debug)]
struct MeteredUpload(Box<dyn MultipartUpload>);

#[async_trait]
impl MultipartUpload for MeteredUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        Box::pin(timed("put_part", self.0.put_part(data)))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        timed("complete_multipart", self.0.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        timed("abort_multipart", self.0.abort()).await
    }
}
