//! The file that an export writes: there when it is whole, and not before.

use std::path::Path as FilePath;

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Error, Result};
use crate::storage::{Access, Mode, parse, redact};

/// A part of an upload; smaller files are stored by one request.
const PART: usize = 8 << 20;
/// Parts that are under way at once.
const CONCURRENT_PARTS: usize = 4;

/// A file in the making.
pub(super) struct Destination {
    shown: String,
    writer: BufWriter,
    bytes: u64,
}

impl Destination {
    /// Checks the place; nothing is created yet.
    ///
    /// # Errors
    /// A place that may not be written to, that names a folder, or holds what is no file.
    pub fn open(location: &str, runtime: &RuntimeEnv, access: &Access) -> Result<Self> {
        let url = parse(location)?;
        access.check(&url, Mode::Write)?;
        if location.ends_with('/') {
            return Err(names_a_folder(location));
        }
        if url.scheme() == "file"
            && let Ok(path) = url.to_file_path()
        {
            check_local(location, &path)?;
        }
        let path = Path::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{location}: {error}")))?;
        if path.is_root() {
            return Err(names_a_folder(location));
        }
        let store = runtime.object_store_registry.get_store(&url)?;
        Ok(Self {
            shown: redact(&url),
            writer: BufWriter::with_capacity(store, path, PART)
                .with_max_concurrency(CONCURRENT_PARTS),
            bytes: 0,
        })
    }

    /// The file's URL without secrets.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Adds bytes.
    pub async fn put(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        self.writer
            .put(bytes.into())
            .await
            .map_err(|error| Error::from(error).at(&self.shown))
    }

    /// Lets the file appear; gives its size.
    pub async fn finish(mut self) -> Result<u64> {
        match self.writer.shutdown().await {
            Ok(()) => Ok(self.bytes),
            Err(error) => {
                let kind = error.kind();
                let error = match error
                    .into_inner()
                    .map(|inner| inner.downcast::<object_store::Error>())
                {
                    Some(Ok(store)) => Error::from(*store),
                    Some(Err(other)) => std::io::Error::new(kind, other).into(),
                    None => std::io::Error::from(kind).into(),
                };
                Err(error.at(&self.shown))
            }
        }
    }

    /// Removes what was stored so far.
    pub async fn abandon(mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::warn!(location = self.shown, %error, "an unfinished upload could not be removed");
        }
    }
}

/// What exists must be a file: a folder cannot be replaced, and a device or a pipe would be.
fn check_local(location: &str, path: &FilePath) -> Result<()> {
    match path.metadata() {
        Ok(meta) if meta.is_dir() => Err(names_a_folder(location)),
        Ok(meta) if !meta.is_file() => Err(Error::Invalid(format!(
            "{location} is a device or a pipe, which a finished file would replace; name a file"
        ))),
        _ => Ok(()),
    }
}

fn names_a_folder(location: &str) -> Error {
    Error::Invalid(format!("{location} is a folder; name a file in it"))
}
