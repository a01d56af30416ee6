//! The files that a path, folder, glob or URL names, through the session's object stores.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use futures::TryStreamExt as _;
use globset::GlobBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use super::exec::SourceFile;
use crate::error::{Error, Result};
use crate::storage::{parse, redact};

/// The files, sorted by path.
///
/// # Errors
/// Nothing is there; the store refuses.
pub(super) async fn list(given: &str, runtime: &Arc<RuntimeEnv>) -> Result<Vec<SourceFile>> {
    let is_local = !given.contains("://");
    // A file whose name has the characters of a glob is itself.
    let is_literal = is_local && std::path::Path::new(given).exists();
    let glob = given.find(['*', '?', '[', '{']).filter(|_| !is_literal);
    let Some(first) = glob else {
        return named(given, &parse(given)?, runtime).await;
    };
    let folder = given[..first].rfind('/').map_or(0, |slash| slash + 1);
    let pattern = GlobBuilder::new(&given[folder..])
        .literal_separator(true)
        .build()
        .map_err(|error| Error::Invalid(format!("{given}: {error}")))?
        .compile_matcher();
    let url = match &given[..folder] {
        "" => parse("./")?,
        folder => parse(folder)?,
    };
    let found = within(given, &url, runtime, |relative| pattern.is_match(relative)).await?;
    if found.is_empty() {
        return Err(Error::NotFound(format!("no file matches {given}")));
    }
    Ok(found)
}

/// A file, or the files of a folder that are not hidden.
async fn named(given: &str, url: &Url, runtime: &Arc<RuntimeEnv>) -> Result<Vec<SourceFile>> {
    let (store, path) = open(given, url, runtime)?;
    match store.head(&path).await {
        Ok(_) => return Ok(vec![file(url, &path)]),
        Err(object_store::Error::NotFound { .. }) => {}
        // A local folder is no missing file to every store.
        Err(_) if url.to_file_path().is_ok_and(|path| path.is_dir()) => {}
        Err(error) => return Err(Error::from(error).context(given)),
    }
    let is_shown = |relative: &str| !relative.split('/').any(|part| part.starts_with('.'));
    let found = within(given, url, runtime, is_shown).await?;
    if found.is_empty() {
        return Err(Error::NotFound(format!(
            "{given} is neither a file nor a folder with files"
        )));
    }
    Ok(found)
}

async fn within(
    given: &str,
    url: &Url,
    runtime: &Arc<RuntimeEnv>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<SourceFile>> {
    let (store, folder) = open(given, url, runtime)?;
    let mut listed = store.list(Some(&folder));
    let mut paths: Vec<Path> = Vec::new();
    while let Some(meta) = listed
        .try_next()
        .await
        .map_err(|error| Error::from(error).context(given))?
    {
        let relative = meta.location.as_ref().strip_prefix(folder.as_ref());
        if is_wanted(relative.unwrap_or_default().trim_start_matches('/')) {
            paths.push(meta.location);
        }
    }
    paths.sort_unstable();
    Ok(paths.iter().map(|path| file(url, path)).collect())
}

fn open(given: &str, url: &Url, runtime: &Arc<RuntimeEnv>) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let store = runtime.object_store_registry.get_store(url)?;
    let path = Path::from_url_path(url.path())
        .map_err(|error| Error::Invalid(format!("{given}: {error}")))?;
    Ok((store, path))
}

fn file(url: &Url, path: &Path) -> SourceFile {
    let mut full = url.clone();
    full.set_path(path.as_ref());
    SourceFile {
        shown: redact(&full),
        url: full,
        path: path.clone(),
    }
}
