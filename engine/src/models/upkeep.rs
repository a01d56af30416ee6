//! Versions removed, and verified against what the manifest says.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::library::Library;
use super::manifest::{Manifest, folder};
use super::name::ModelName;
use super::{FOLDER, MANIFEST};
use crate::error::{Error, Result};

/// A file that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its name.
    pub file: String,
    /// Its size, as the manifest says.
    pub bytes: u64,
    /// What is wrong with it.
    pub error: Option<String>,
}

impl Library {
    /// Removes a version, and what was left of one that never came to its end; tells which.
    ///
    /// # Errors
    /// `NotFound`; a name of several versions.
    pub async fn remove(&self, name: &ModelName) -> Result<String> {
        self.refresh().await?;
        let version = match &name.version {
            Some(version) => version.clone(),
            None => self.only_version(name)?,
        };
        let place = self.storage.path(&folder(&name.name, &version));
        let listed = self.storage.store().list(Some(&place));
        let mut files: Vec<Path> = match listed.map_ok(|file| file.location).try_collect().await {
            Ok(files) => files,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        if files.is_empty() {
            return Err(self.find(name).err().unwrap_or_else(|| {
                Error::NotFound(format!("there is no model {}@{version}", name.name))
            }));
        }
        // Without its manifest it is not there, whatever else still is.
        files.sort_by_key(|file| file.filename() != Some(MANIFEST));
        for file in &files {
            self.storage.delete(file).await?;
        }
        self.refresh().await?;
        Ok(version)
    }

    fn only_version(&self, name: &ModelName) -> Result<String> {
        let listed = self.list();
        let versions: Vec<&str> = listed
            .iter()
            .filter(|listed| listed.manifest.name == name.name)
            .map(|listed| listed.manifest.version.as_str())
            .collect();
        match versions.as_slice() {
            [only] => Ok((*only).to_string()),
            [] => Ok(self.find(name)?.version.clone()),
            several => Err(Error::Invalid(format!(
                "{name} has the versions {}; say which: {name}@{}",
                several.join(", "),
                several[0]
            ))),
        }
    }

    /// Reads the files of a version and compares them with its manifest.
    ///
    /// # Errors
    /// A version that is not there; whatever the store says.
    pub async fn verify(&self, name: &ModelName) -> Result<(Arc<Manifest>, Vec<Verified>)> {
        self.refresh().await?;
        let manifest = self.find(name)?;
        let mut verified = Vec::new();
        for file in &manifest.files {
            let path = format!(
                "{FOLDER}/{}/{}/{}",
                manifest.name, manifest.version, file.name
            );
            let error = match self.hash_in_lake(&path).await? {
                None => Some("it is not there".to_string()),
                Some((_, bytes)) if bytes != file.bytes => Some(format!("it has {bytes} bytes")),
                Some((sha256, _)) if sha256 != file.sha256 => {
                    Some(format!("its SHA-256 is {sha256}"))
                }
                Some(_) => None,
            };
            verified.push(Verified {
                file: file.name.clone(),
                bytes: file.bytes,
                error,
            });
        }
        Ok((manifest, verified))
    }
}
