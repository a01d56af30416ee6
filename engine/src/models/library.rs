//! The models of a lake.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::error::Result as DFResult;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectMeta;
use udfs::models::Model;
use udfs::plm::{Models, Pin, Resolved};

use super::loaded::Loaded;
use super::manifest::{Manifest, folder};
use super::name::ModelName;
use super::{FOLDER, MANIFEST};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::storage::{Storage, redact};

/// Manifests that are read at a time.
const AT_ONCE: usize = 8;

/// The models of a lake, as they were when it was last looked at. Shared by everything in the process.
#[derive(Debug)]
pub struct Library {
    pub(super) storage: Storage,
    pub(super) config: Config,
    known: RwLock<Arc<Known>>,
    loaded: Loaded,
}

/// By name and version.
type Known = BTreeMap<(String, String), Entry>;

#[derive(Debug, Clone)]
struct Entry {
    manifest: Arc<Manifest>,
    /// Which file the manifest was read from: one that is removed and added again is another.
    file: ObjectMeta,
}

/// A version, and how it stands here.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it is.
    pub manifest: Arc<Manifest>,
    /// Whether its name alone means this version.
    pub is_default: bool,
    /// Memory that it takes in this process; none where it is not loaded.
    pub resident_bytes: Option<usize>,
}

impl Library {
    /// That of a lake. Nothing is read yet.
    pub(crate) fn new(storage: &Storage, config: &Config) -> Self {
        Self {
            storage: storage.clone(),
            config: config.clone(),
            known: RwLock::default(),
            loaded: Loaded::new(&config.models),
        }
    }

    /// Devices of this machine on which models are computed; none where the processor does it.
    pub fn devices(&self) -> usize {
        self.loaded.devices()
    }

    /// Looks which versions there are. One listing, and a small request for each that is new.
    ///
    /// # Errors
    /// Whatever the store says; a manifest that is none.
    pub async fn refresh(&self) -> Result<()> {
        let before = self.known();
        let found = self.listed_files().await?;
        let entries = stream::iter(found.into_iter().map(|(key, file)| {
            let before = before.get(&key).filter(|entry| is_same(&entry.file, &file));
            let before = before.cloned();
            async move {
                match before {
                    Some(entry) => Ok(Some((key, entry))),
                    None => Ok(self.read(&key.0, &key.1).await?.map(|manifest| {
                        let manifest = Arc::new(manifest);
                        (key, Entry { manifest, file })
                    })),
                }
            }
        }));
        let entries: Vec<Result<Option<_>>> = entries.buffered(AT_ONCE).collect().await;
        let mut known = Known::new();
        for entry in entries {
            match entry {
                Ok(Some((key, entry))) => {
                    known.insert(key, entry);
                }
                // Removed in the meantime.
                Ok(None) => {}
                // One bad version must not hide the others; whoever asks for it hears that it is not there.
                Err(error @ (Error::Corrupt(_) | Error::Unsupported(_))) => {
                    tracing::warn!(%error, "a model was left out");
                }
                Err(error) => return Err(error),
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(())
    }

    /// The manifests in the lake, by name and version.
    async fn listed_files(&self) -> Result<Vec<((String, String), ObjectMeta)>> {
        let root = self.storage.path(FOLDER);
        let depth = root.parts().count();
        let listed = self.storage.store().list(Some(&root));
        let files = listed.try_filter_map(|file| {
            let parts: Vec<String> = file
                .location
                .parts()
                .skip(depth)
                .map(|part| part.as_ref().to_string())
                .collect();
            let key = match parts.as_slice() {
                [name, version, last] if last == MANIFEST => Some((name.clone(), version.clone())),
                _ => None,
            };
            std::future::ready(Ok(key.map(|key| (key, file))))
        });
        match files.try_collect().await {
            Ok(files) => Ok(files),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(Error::from(error).context(self.url())),
        }
    }

    /// The manifest of a version as it is in the lake now.
    pub(super) async fn read(&self, name: &str, version: &str) -> Result<Option<Manifest>> {
        let path = format!("{}/{MANIFEST}", folder(name, version));
        match self.storage.read(&path).await? {
            Some(bytes) => Manifest::read(&bytes, name, version).map(Some),
            None => Ok(None),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn url(&self) -> String {
        redact(self.storage.url())
    }

    /// The versions, by name and the time when they were added.
    pub fn list(&self) -> Vec<Listed> {
        let known = self.known();
        let mut all: Vec<Listed> = known
            .values()
            .map(|entry| {
                let manifest = Arc::clone(&entry.manifest);
                let default = default_version(&known, &manifest.name);
                Listed {
                    is_default: default.is_some_and(|it| it.version == manifest.version),
                    resident_bytes: self.loaded.resident_bytes(&manifest.digest),
                    manifest,
                }
            })
            .collect();
        all.sort_by(|a, b| {
            let key = |listed: &Listed| {
                let manifest = &listed.manifest;
                (
                    manifest.name.clone(),
                    manifest.added_at.clone(),
                    manifest.version.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        all
    }

    /// The version that a name stands for: the one that it says, else the newest in full precision, else the newest.
    ///
    /// # Errors
    /// `NotFound`, with what there is.
    pub fn find(&self, name: &ModelName) -> Result<Arc<Manifest>> {
        let known = self.known();
        let found = match &name.version {
            Some(version) => known
                .get(&(name.name.clone(), version.clone()))
                .map(|entry| &entry.manifest),
            None => default_version(&known, &name.name),
        };
        found.cloned().ok_or_else(|| self.missing(name, &known))
    }

    fn missing(&self, name: &ModelName, known: &Known) -> Error {
        let versions: Vec<String> = known
            .keys()
            .filter(|(known, _)| *known == name.name)
            .map(|(name, version)| format!("{name}@{version}"))
            .collect();
        let url = self.url();
        if !versions.is_empty() {
            return Error::NotFound(format!(
                "there is no model {name} in {url}; of {} there is {}",
                name.name,
                versions.join(", ")
            ));
        }
        let mut names: Vec<&str> = known.keys().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        let there = match names.is_empty() {
            true => "it has none yet".to_string(),
            false => format!("it has {}", names.join(", ")),
        };
        Error::NotFound(format!(
            "there is no model {name} in {url}; {there}. Add one: `paratope model pull antiberty`, `paratope model add NAME --from …`, or CREATE MODEL"
        ))
    }

    /// The model in memory, its files fetched where they are not here.
    ///
    /// # Errors
    /// A version that is gone or has other bytes than the pin says; a model that does not fit.
    pub async fn ready(&self, pin: &Pin) -> Result<Arc<Model>> {
        if let Some(model) = self.loaded.get(&pin.digest) {
            return Ok(model);
        }
        let key = (pin.name.clone(), pin.version.clone());
        let known = self
            .known()
            .get(&key)
            .map(|entry| Arc::clone(&entry.manifest));
        let manifest = match known.filter(|manifest| manifest.digest == pin.digest) {
            Some(manifest) => manifest,
            // This node has not looked since it was added.
            None => match self.read(&pin.name, &pin.version).await? {
                Some(manifest) => Arc::new(manifest),
                None => {
                    return Err(Error::NotFound(format!(
                        "model {}@{} is not in {} any more; the query was planned with it",
                        pin.name,
                        pin.version,
                        self.url()
                    )));
                }
            },
        };
        if manifest.digest != pin.digest {
            return Err(Error::Conflict(format!(
                "model {}@{} was removed and added again with other files while the query ran; send it again",
                pin.name, pin.version
            )));
        }
        self.loaded.load(self, &manifest).await
    }
}

/// What the name alone means.
fn default_version<'a>(known: &'a Known, name: &str) -> Option<&'a Arc<Manifest>> {
    let versions = known
        .iter()
        .filter(|((known, _), _)| known == name)
        .map(|(_, entry)| &entry.manifest);
    versions.max_by_key(|manifest| {
        (
            manifest.is_full_precision(),
            manifest.added_at.clone(),
            manifest.version.clone(),
        )
    })
}

fn is_same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    (a.last_modified, a.size, &a.e_tag) == (b.last_modified, b.size, &b.e_tag)
}

impl Models for Library {
    fn resolve(&self, name: &str) -> DFResult<Resolved> {
        let (name, digest) = match name.split_once('#') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        let manifest = self.find(&name.parse()?)?;
        if digest.is_some_and(|digest| digest != manifest.digest) {
            return Err(Error::NotFound(format!(
                "model {name} has not the digest that the query names; SHOW MODELS tells it"
            ))
            .into());
        }
        Ok(Resolved {
            pin: manifest.pin(),
            dimension: manifest.dimension,
        })
    }

    /// Functions that `InferenceExec` does not compute (constants in VALUES, conditions of outer joins) come here first.
    fn load(&self, pin: &Pin) -> DFResult<Arc<Model>> {
        if let Some(model) = self.loaded.get(&pin.digest) {
            return Ok(model);
        }
        let waiting = || -> Result<Arc<Model>> {
            // A thread of its own: one that belongs to a runtime may not wait for one.
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(self.ready(pin))
        };
        let loaded = std::thread::scope(|scope| scope.spawn(waiting).join());
        let loaded = loaded.map_err(|_| Error::Internal("loading a model panicked".into()))?;
        Ok(loaded?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use udfs::models::Precision;

    use super::super::manifest::tests::manifest;
    use super::*;

    fn known(versions: &[(&str, Precision, &str)]) -> Known {
        let entry = |(version, precision, added_at): &(&str, Precision, &str)| {
            let file = ObjectMeta {
                location: "models/tiny".into(),
                last_modified: chrono::Utc::now(),
                size: 1,
                e_tag: None,
                version: None,
            };
            let manifest = Arc::new(manifest(version, *precision, added_at));
            (
                ("tiny".to_string(), (*version).to_string()),
                Entry { manifest, file },
            )
        };
        versions.iter().map(entry).collect()
    }

    #[test]
    fn a_name_means_the_newest_version_in_full_precision() {
        let known = known(&[
            ("1", Precision::F32, "2026-01-01T00:00:00Z"),
            ("2", Precision::F32, "2026-02-01T00:00:00Z"),
            ("2-int8", Precision::Int8, "2026-03-01T00:00:00Z"),
        ]);
        assert_eq!(default_version(&known, "tiny").unwrap().version, "2");
        assert!(default_version(&known, "other").is_none());
    }

    #[test]
    fn where_all_are_reduced_a_name_means_the_newest() {
        let known = known(&[
            ("a", Precision::Int8, "2026-01-01T00:00:00Z"),
            ("b", Precision::Bf16, "2026-02-01T00:00:00Z"),
        ]);
        assert_eq!(default_version(&known, "tiny").unwrap().version, "b");
    }
}
