//! Where files come from that become a model: a folder, a URL, a repository of a hub.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::local::at;
use crate::config::{Config, ModelsConfig};
use crate::error::{Error, Result};
use crate::storage::{Access, Mode, parse, redact};

/// What every model has.
const CONFIG: &str = "config.json";
/// Weights: the first that is there.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// What a model may have beside.
const BESIDE: [&str; 1] = ["vocab.txt"];

/// A place with the files of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, or its URL.
    Folder(String),
    /// A repository of a hub in the layout of Hugging Face, and its revision.
    Hub {
        /// `owner/name`.
        repository: String,
        /// A branch, a tag or a commit.
        revision: String,
    },
}

impl FromStr for Source {
    type Err = Error;

    /// `hf:owner/name[@revision]`; everything else is a folder.
    fn from_str(text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix("hf:") else {
            return Ok(Self::Folder(text.to_string()));
        };
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let is_plain = |part: &str| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(is_letter)
        };
        let is_repository = match repository.split_once('/') {
            Some((owner, name)) => is_plain(owner) && is_plain(name),
            None => is_plain(repository),
        };
        if !is_repository || !is_plain(revision) {
            return Err(Error::Invalid(format!(
                "{text} is no repository of a hub; write hf:owner/name or hf:owner/name@revision"
            )));
        }
        Ok(Self::Hub {
            repository: repository.to_string(),
            revision: revision.to_string(),
        })
    }
}

impl Source {
    /// The folder's URL.
    fn url(&self, config: &ModelsConfig) -> Result<Url> {
        let mut url = match self {
            Self::Folder(folder) => parse(folder)?,
            Self::Hub {
                repository,
                revision,
            } => parse(&format!(
                "{}/{repository}/resolve/{revision}",
                config.hub.trim_end_matches('/')
            ))?,
        };
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }

    /// As it is written down: without secrets.
    pub(super) fn shown(&self, config: &ModelsConfig) -> Result<String> {
        match self {
            Self::Folder(_) => Ok(redact(&self.url(config)?)),
            Self::Hub {
                repository,
                revision,
            } => Ok(format!("hf:{repository}@{revision}")),
        }
    }

    /// Copies the files of the model into a folder, once it is known that they are not too large.
    ///
    /// # Errors
    /// `Denied` where statements may not read the place; files that are not there; `Exhausted` beyond `models.max_model_bytes`.
    pub(super) async fn copy_to(
        &self,
        folder: &Path,
        access: &Access,
        config: &Config,
    ) -> Result<()> {
        let url = self.url(&config.models)?;
        access.check(&url, Mode::Read)?;
        let root = access.open(&url, &config.storage)?;
        let place = redact(&url);
        let path = StorePath::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{place}: {error}")))?;
        let from = Place { root, path, place };
        let mut files = Vec::new();
        if !from.note(CONFIG, &mut files).await? {
            return Err(from.incomplete(CONFIG));
        }
        let mut has_weights = false;
        for name in WEIGHTS {
            has_weights = has_weights || from.note(name, &mut files).await?;
        }
        if !has_weights {
            return Err(from.incomplete(&WEIGHTS.join(" or ")));
        }
        for name in BESIDE {
            from.note(name, &mut files).await?;
        }
        let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let limit = config.models.max_model_bytes;
        if bytes > limit {
            return Err(Error::Exhausted(format!(
                "{}: the model has {bytes} bytes, and at most {limit} are read (models.max_model_bytes)",
                from.place
            )));
        }
        for (name, bytes) in files {
            from.copy(name, bytes, folder).await?;
        }
        Ok(())
    }
}

/// An opened source.
struct Place {
    root: Arc<dyn ObjectStore>,
    path: StorePath,
    place: String,
}

impl Place {
    fn file(&self, name: &str) -> StorePath {
        self.path
            .parts()
            .chain(StorePath::from(name).parts())
            .collect()
    }

    /// Notes a file and its size; tells whether it is there.
    async fn note(&self, name: &'static str, files: &mut Vec<(&'static str, u64)>) -> Result<bool> {
        match self.root.head(&self.file(name)).await {
            Ok(file) => {
                files.push((name, file.size));
                Ok(true)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::from(error).at(&self.place)),
        }
    }

    fn incomplete(&self, name: &str) -> Error {
        Error::NotFound(format!(
            "{} has no {name}; the folder of a model has {CONFIG}, and {}",
            self.place,
            WEIGHTS.join(" or ")
        ))
    }

    async fn copy(&self, name: &str, bytes: u64, folder: &Path) -> Result<()> {
        let target = folder.join(name);
        let mut file = tokio::fs::File::create(&target)
            .await
            .map_err(at(&target))?;
        let found = self.root.get(&self.file(name)).await?;
        let mut chunks = found.into_stream();
        let mut copied = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            copied += chunk.len() as u64;
            if copied > bytes {
                break;
            }
            file.write_all(&chunk).await.map_err(at(&target))?;
        }
        file.flush().await.map_err(at(&target))?;
        match copied == bytes {
            true => Ok(()),
            false => Err(Error::Unavailable(format!(
                "{}{name} changed while it was read; try again",
                self.place
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_repository_of_a_hub_has_an_owner_and_perhaps_a_revision() {
        let source: Source = "hf:facebook/esm2_t6_8M_UR50D@v1".parse().unwrap();
        let config = ModelsConfig {
            hub: "https://hub.example/".into(),
            ..ModelsConfig::default()
        };
        assert_eq!(
            source.url(&config).unwrap().as_str(),
            "https://hub.example/facebook/esm2_t6_8M_UR50D/resolve/v1/"
        );
        assert_eq!(
            source.shown(&config).unwrap(),
            "hf:facebook/esm2_t6_8M_UR50D@v1"
        );
        for text in [
            "hf:",
            "hf:a/b/c",
            "hf:../x",
            "hf:a/b@",
            "hf:a/b@x/y",
            "hf:a b/c",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_model_that_is_too_large_is_refused_before_a_byte_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG), "{}").unwrap();
        let weights = std::fs::File::create(folder.path().join(WEIGHTS[0])).unwrap();
        // Sparse: it takes no room.
        weights.set_len(100 << 30).unwrap();
        let target = tempfile::tempdir().unwrap();
        let config = Config::default();
        let access = Access::everything(&config).unwrap();
        let source = Source::Folder(folder.path().display().to_string());
        let error = source.copy_to(target.path(), &access, &config).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Exhausted(_)), "{error}");
        assert!(
            error.to_string().contains("models.max_model_bytes"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_without_weights_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG), "{}").unwrap();
        let config = Config::default();
        let access = Access::everything(&config).unwrap();
        let source = Source::Folder(folder.path().display().to_string());
        let error = source.copy_to(folder.path(), &access, &config).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("model.safetensors or pytorch_model.bin"),
            "{error}"
        );
    }
}
