//! Finding inputs: files, folders, globs and URLs, on disk or on an object store alike.

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt as _;
use globset::GlobBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;
use url::Url;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::formats::open_file;
use crate::storage::{Access, Mode, parse, redact};

/// A file to ingest.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its URL, without secrets.
    pub url: String,
    /// Size as stored, bytes.
    pub size: u64,
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Whether it is a file of this machine.
    is_local: bool,
    /// A file beside it that is read with it.
    pub companion: Option<Box<Input>>,
}

impl Input {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.filename().unwrap_or(&self.url)
    }

    /// Bytes to read, those of a companion included.
    pub fn bytes(&self) -> u64 {
        let beside = self.companion.as_ref().map_or(0, |other| other.size);
        self.size + beside
    }

    /// The file of another name in the same folder, if it is there and may be read.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn beside(&self, name: &str) -> Result<Option<Self>> {
        let path = self.path_beside(name);
        match self.store.head(&path).await {
            Ok(meta) => Ok(Some(Self {
                url: self.url_beside(name),
                size: meta.size,
                store: Arc::clone(&self.store),
                path,
                is_local: self.is_local,
                companion: None,
            })),
            // Where listing is not allowed, S3 says that a missing object is forbidden.
            Err(
                object_store::Error::NotFound { .. }
                | object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. },
            ) => Ok(None),
            Err(error) => Err(Error::from(error).context(self.url_beside(name))),
        }
    }

    /// The URL that a file of another name in the same folder has.
    pub fn url_beside(&self, name: &str) -> String {
        match Url::parse(&self.url) {
            Ok(mut url) => {
                url.set_path(self.path_beside(name).as_ref());
                redact(&url)
            }
            Err(_) => name.to_string(),
        }
    }

    fn path_beside(&self, name: &str) -> Path {
        let mut parts: Vec<_> = self.path.parts().collect();
        parts.pop();
        Path::from_iter(parts).join(name)
    }

    /// Opens the stored bytes for reading on a thread that may block.
    pub fn open(&self, handle: &Handle) -> Result<Box<dyn Read + Send>> {
        open_file(&self.store, &self.path, self.is_local, handle)
            .map_err(|error| error.at(&self.url))
    }
}

/// The files that a path, folder, glob or URL names, sorted by path.
///
/// # Errors
/// Nothing is there; the store refuses, or `access` does.
pub async fn expand(given: &str, access: &Access, config: &Config) -> Result<Vec<Input>> {
    let literal = std::path::Path::new(given);
    if !given.contains("://") && literal.exists() {
        // A file whose name has glob characters is itself.
        return from_url(&parse(given)?, None, given, access, config).await;
    }
    match given.find(['*', '?', '[', '{']) {
        None => from_url(&parse(given)?, None, given, access, config).await,
        Some(first) => {
            let folder = &given[..given[..first].rfind('/').map_or(0, |slash| slash + 1)];
            let folder = if folder.is_empty() { "./" } else { folder };
            let pattern = &given[folder_length(given, first)..];
            from_url(&parse(folder)?, Some(pattern), given, access, config).await
        }
    }
}

fn folder_length(given: &str, first: usize) -> usize {
    given[..first].rfind('/').map_or(0, |slash| slash + 1)
}

async fn from_url(
    url: &Url,
    pattern: Option<&str>,
    given: &str,
    access: &Access,
    config: &Config,
) -> Result<Vec<Input>> {
    access.check(url, Mode::Read)?;
    let store = access.open(url, &config.storage)?;
    let path = Path::from_url_path(url.path())
        .map_err(|error| Error::Invalid(format!("{given}: {error}")))?;
    let missing = || Error::NotFound(format!("{given} does not exist"));
    let mut found = Vec::new();
    if pattern.is_none() {
        match store.head(&path).await {
            Ok(meta) => return Ok(vec![input(url, &store, meta)]),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(_) if local_path(url).is_some_and(|path| path.is_dir()) => {}
            Err(error) => return Err(Error::from(error).context(given)),
        }
    }
    let matcher = pattern
        .map(|pattern| {
            GlobBuilder::new(pattern)
                .literal_separator(true)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|error| Error::Invalid(format!("{given}: {error}")))
        })
        .transpose()?;
    let mut listed = store.list(Some(&path));
    let failed = |error| Error::from(error).context(given);
    while let Some(meta) = listed.try_next().await.map_err(failed)? {
        let relative = meta.location.as_ref().get(path.as_ref().len()..);
        let relative = relative.unwrap_or_default().trim_start_matches('/');
        let wanted = match &matcher {
            Some(matcher) => matcher.is_match(relative),
            // Of a folder all files are wanted but hidden ones.
            None => !relative.split('/').any(|part| part.starts_with('.')),
        };
        if wanted {
            found.push(input(url, &store, meta));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    if found.is_empty() {
        return Err(match local_path(url) {
            Some(path) if pattern.is_none() && path.is_dir() => {
                Error::NotFound(format!("the folder {given} holds no files"))
            }
            _ if pattern.is_some() => Error::NotFound(format!("no file matches {given}")),
            _ => missing(),
        });
    }
    Ok(found)
}

fn input(url: &Url, store: &Arc<dyn ObjectStore>, meta: object_store::ObjectMeta) -> Input {
    let mut full = url.clone();
    full.set_path(meta.location.as_ref());
    Input {
        url: redact(&full),
        size: meta.size,
        is_local: full.scheme() == "file",
        store: Arc::clone(store),
        path: meta.location,
        companion: None,
    }
}

fn local_path(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok())?
}

/// A file named twice is read once.
pub fn drop_repeated(inputs: &mut Vec<Input>) {
    let mut seen = HashSet::new();
    inputs.retain(|input| seen.insert(input.url.clone()));
}

/// Inputs that are committed together: as many as stay within `limit` bytes, at least one.
pub fn groups(inputs: Vec<Input>, limit: u64) -> Vec<Vec<Input>> {
    let mut groups: Vec<Vec<Input>> = Vec::new();
    let mut bytes = 0;
    for input in inputs {
        match groups.last_mut() {
            Some(group) if bytes + input.bytes() <= limit => {
                bytes += input.bytes();
                group.push(input);
            }
            _ => {
                bytes = input.bytes();
                groups.push(vec![input]);
            }
        }
    }
    groups
}
