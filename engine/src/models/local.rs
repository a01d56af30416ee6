//! The files of a version on this machine: in the lake's own folder where that is on a disk, else in a folder that keeps what
//! was fetched. Either way their hashes are what the manifest says before anything reads them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::{GetOptions, GetRange, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use udfs::antibody::hash::hex;

use super::library::Library;
use super::manifest::{FileEntry, Manifest};
use crate::error::{Error, Result};

impl Library {
    /// Where the files of a version lie on this machine.
    ///
    /// # Errors
    /// Files that are missing or have another hash; whatever the store or the disk says.
    pub(super) async fn on_this_machine(&self, manifest: &Arc<Manifest>) -> Result<PathBuf> {
        if let Some(folder) = self.storage.local_folder(&manifest.folder()) {
            verify(folder.clone(), manifest).await?;
            return Ok(folder);
        }
        let kept = self.config.models.folder(&self.config.cache);
        let folder = kept.join(&manifest.digest);
        tokio::fs::create_dir_all(&kept).await.map_err(at(&kept))?;
        let lock = lock(kept.join(format!("{}.lock", manifest.digest))).await?;
        if folder.is_dir() {
            match verify(folder.clone(), manifest).await {
                Ok(()) => return Ok(folder),
                Err(error) => {
                    tracing::warn!(%error, "a kept model was damaged, and is fetched again");
                    tokio::fs::remove_dir_all(&folder)
                        .await
                        .map_err(at(&folder))?;
                }
            }
        }
        let part = kept.join(format!("{}.part", manifest.digest));
        tokio::fs::create_dir_all(&part).await.map_err(at(&part))?;
        for file in &manifest.files {
            self.fetch(manifest, file, &part).await?;
        }
        tokio::fs::rename(&part, &folder)
            .await
            .map_err(at(&folder))?;
        drop(lock);
        Ok(folder)
    }

    /// Fetches a file, from where an earlier attempt ended.
    async fn fetch(&self, manifest: &Manifest, file: &FileEntry, folder: &Path) -> Result<()> {
        let target = folder.join(&file.name);
        let mut resumed = tokio::fs::metadata(&target).await.map_or(0, |it| it.len());
        loop {
            if resumed > file.bytes {
                resumed = 0;
            }
            self.append(manifest, file, &target, resumed).await?;
            match check(target.clone(), file, &manifest.folder()).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tokio::fs::remove_file(&target).await.map_err(at(&target))?;
                    // What lay here may have been damaged.
                    if resumed == 0 {
                        return Err(error);
                    }
                    resumed = 0;
                }
            }
        }
    }

    async fn append(
        &self,
        manifest: &Manifest,
        file: &FileEntry,
        target: &Path,
        from: u64,
    ) -> Result<()> {
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).write(true).truncate(from == 0);
        if from > 0 {
            options.append(true);
        }
        let mut kept = options.open(target).await.map_err(at(target))?;
        if from < file.bytes {
            let path = self
                .storage
                .path(&format!("{}/{}", manifest.folder(), file.name));
            let options = GetOptions {
                range: (from > 0).then_some(GetRange::Offset(from)),
                ..GetOptions::default()
            };
            let found = self.storage.store().get_opts(&path, options).await?;
            let mut chunks = found.into_stream();
            while let Some(chunk) = chunks.next().await {
                kept.write_all(&chunk?).await.map_err(at(target))?;
            }
        }
        kept.flush().await.map_err(at(target))?;
        kept.sync_all().await.map_err(at(target))
    }

    /// Hash of a file in the lake, and its size; none where it is not there.
    pub(super) async fn hash_in_lake(&self, path: &str) -> Result<Option<(String, u64)>> {
        let found = match self.storage.store().get(&self.storage.path(path)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            bytes += chunk.len() as u64;
            hash.update(&chunk);
        }
        Ok(Some((hex(&hash.finalize()), bytes)))
    }
}

/// Whether the files of a folder are those of the manifest.
async fn verify(folder: PathBuf, manifest: &Arc<Manifest>) -> Result<()> {
    for file in &manifest.files {
        let name = format!("model {}@{}", manifest.name, manifest.version);
        check(folder.join(&file.name), file, &name).await?;
    }
    Ok(())
}

/// Whether a file is what the manifest says.
async fn check(path: PathBuf, file: &FileEntry, of: &str) -> Result<()> {
    let expected = (file.sha256.clone(), file.bytes);
    let shown = path.display().to_string();
    let found = tokio::task::spawn_blocking(move || hash(&path))
        .await
        .map_err(|error| Error::Internal(error.to_string()))??;
    match found == expected {
        true => Ok(()),
        false => Err(Error::Corrupt(format!(
            "{of}: {shown} is not the file that was added: it has {} bytes and SHA-256 {}, not {} bytes and {}; \
             `paratope model verify` checks all files, `model remove` and `model add` put the model in again",
            found.1, found.0, expected.1, expected.0
        ))),
    }
}

/// Hash of a file, and its size.
pub(super) fn hash(path: &Path) -> Result<(String, u64)> {
    let mut file = std::fs::File::open(path).map_err(at(path))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(at(path))? {
            0 => return Ok((hex(&hash.finalize()), bytes)),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Keeps other processes from fetching the same; released when it is dropped.
async fn lock(path: PathBuf) -> Result<std::fs::File> {
    let waiting = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::create(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    });
    waiting
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
}

/// An error of the system, with the place.
pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let shown = path.display().to_string();
    move |error| Error::from(error).context(shown)
}
