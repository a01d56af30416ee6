//! A folder becomes a version of a model: checked, hashed, stored, and named last.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::{ObjectStoreExt as _, WriteMultipart};
use tokio::io::AsyncReadExt as _;
use udfs::models::{Description, Precision};
use uuid::Uuid;

use super::MANIFEST;
use super::library::Library;
use super::local::{at, hash};
use super::manifest::{Facts, FileEntry, Manifest, folder};
use super::name::{ModelName, check_version};
use super::source::Source;
use crate::error::{Error, Result};
use crate::storage::Access;

/// Says which files a version is about to have: whoever puts it there may add them.
const CLAIM: &str = "claim";
/// Bytes that are sent at a time, and how many such are on their way.
const CHUNK: usize = 8 << 20;
const CHUNKS_AHEAD: usize = 4;

/// What is to become a model.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// What it will be called. Without a version it gets the next number.
    pub name: ModelName,
    /// Where its files are.
    pub source: Source,
    /// What it computes in.
    pub precision: Precision,
    /// Its licence.
    pub licence: Option<String>,
}

/// A folder that is gone when it is dropped.
pub(super) struct Staging(PathBuf);

impl Staging {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Library {
    /// Adds a version. The same files under the same name are added once.
    ///
    /// # Errors
    /// Files that are no model, or too large; a version that is there with other files.
    pub async fn add(&self, access: &Access, new: NewModel) -> Result<Arc<Manifest>> {
        let staging = self.staging().await?;
        new.source
            .copy_to(staging.path(), access, &self.config)
            .await?;
        let source = new.source.shown(&self.config.models)?;
        let add = self.add_folder(
            staging.path(),
            &new.name,
            new.precision,
            new.licence,
            source.clone(),
        );
        // The copy's place means nothing to anybody.
        let copy = staging.path().display().to_string();
        add.await.map_err(|error| match error {
            Error::Invalid(message) => {
                Error::Invalid(message.replace(&copy, source.trim_end_matches('/')))
            }
            other => other,
        })
    }

    /// An empty folder for files on their way into the lake.
    pub(super) async fn staging(&self) -> Result<Staging> {
        let kept = self.config.models.folder(&self.config.cache);
        let folder = kept.join(format!("staging-{}", Uuid::new_v4().simple()));
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(at(&folder))?;
        Ok(Staging(folder))
    }

    /// Adds the files of a local folder.
    pub(super) async fn add_folder(
        &self,
        from: &Path,
        name: &ModelName,
        precision: Precision,
        licence: Option<String>,
        source: String,
    ) -> Result<Arc<Manifest>> {
        let path = from.to_path_buf();
        let examined = tokio::task::spawn_blocking(move || examined(&path));
        let (description, files) = examined
            .await
            .map_err(|error| Error::Internal(error.to_string()))??;
        self.refresh().await?;
        let version = match &name.version {
            Some(version) => version.clone(),
            None => self.next_version(&name.name),
        };
        check_version(&version)?;
        let facts = Facts {
            name: name.name.clone(),
            version,
            precision,
            licence,
            source,
        };
        let manifest = Manifest::new(facts, &description, files);
        // Without a version of its own, a model that is there already is the same one.
        if name.version.is_none()
            && let Some(same) = self.list().into_iter().find(|listed| {
                listed.manifest.name == manifest.name && listed.manifest.digest == manifest.digest
            })
        {
            return Ok(same.manifest);
        }
        let manifest = self.store(from, manifest).await?;
        self.refresh().await?;
        Ok(Arc::new(manifest))
    }

    fn next_version(&self, name: &str) -> String {
        let listed = self.list();
        let numbers = listed
            .iter()
            .filter(|listed| listed.manifest.name == name)
            .filter_map(|listed| listed.manifest.version.parse::<u64>().ok());
        (numbers.max().unwrap_or(0) + 1).to_string()
    }

    /// Stores the files, then the manifest. Of several that add the same version with other files, one does.
    async fn store(&self, from: &Path, manifest: Manifest) -> Result<Manifest> {
        let (name, version) = (&manifest.name, &manifest.version);
        if let Some(there) = self.read(name, version).await? {
            return same(there, &manifest);
        }
        let place = folder(name, version);
        let claim = format!("{place}/{CLAIM}");
        let digest = manifest.digest.clone();
        if !self.storage.create(&claim, digest.clone().into()).await? {
            let claimed = self.storage.read(&claim).await?;
            if claimed.as_deref() != Some(digest.as_bytes()) {
                return Err(Error::Conflict(format!(
                    "other files are being added as {name}@{version}, or were and never came to their end; \
                     name another version, or take them out with `paratope model remove {name}@{version}`"
                )));
            }
        }
        for file in &manifest.files {
            self.send(&from.join(&file.name), &format!("{place}/{}", file.name))
                .await?;
        }
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let path = format!("{place}/{MANIFEST}");
        if self.storage.create(&path, json.into()).await? {
            return Ok(manifest);
        }
        match self.read(name, version).await? {
            Some(there) => same(there, &manifest),
            None => Err(Error::Conflict(format!(
                "{name}@{version} was removed while it was added; try again"
            ))),
        }
    }

    /// Stores a file.
    async fn send(&self, from: &Path, to: &str) -> Result<()> {
        let mut file = tokio::fs::File::open(from).await.map_err(at(from))?;
        let store = self.storage.store();
        let upload = store.put_multipart(&self.storage.path(to)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, CHUNK);
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).await.map_err(at(from))? {
                0 => break,
                read => {
                    upload.wait_for_capacity(CHUNKS_AHEAD).await?;
                    upload.write(&buffer[..read]);
                }
            }
        }
        upload.finish().await?;
        Ok(())
    }
}

/// What a folder holds: checked as far as that is possible without its weights in memory.
fn examined(folder: &Path) -> Result<(Description, Vec<FileEntry>)> {
    let description =
        Description::read(folder).map_err(|error| Error::Invalid(error.to_string()))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let (sha256, bytes) = hash(&path)?;
        let name = path.file_name().unwrap_or_default();
        files.push(FileEntry {
            name: name.to_string_lossy().into_owned(),
            bytes,
            sha256,
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((description, files))
}

/// The version that is there, if it is what was to be added.
fn same(there: Manifest, new: &Manifest) -> Result<Manifest> {
    match there.digest == new.digest {
        true => Ok(there),
        false => Err(Error::Conflict(format!(
            "model {}@{} is there with other files, and versions never change; name another version",
            new.name, new.version
        ))),
    }
}
