//! Where a file or folder really lies, in the one form in which places are compared.
//!
//! A location can be written in many ways: relative, through `..`, through symbolic links, percent-encoded.
//! Whether it may be reached is decided on what remains when all of that is resolved.

use std::io;
use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;
use url::Url;

use super::redact;
use crate::error::{Error, Result};

/// How often a file is looked at again that was not there and then was.
const LOOKS: usize = 100;

/// A resolved place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine: absolute, every symbolic link resolved. It need not exist.
    Local(PathBuf),
    /// In an object store: `scheme://host`, and the path within it, decoded.
    Remote { store: String, path: Path },
}

/// A store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// The files of this machine.
    Local,
    /// A bucket, a container, a web server: `scheme://host`.
    Remote(String),
}

impl Root {
    /// The store that a URL belongs to.
    ///
    /// # Errors
    /// A scheme that is not supported; a host under which a store could hide behind another name.
    pub(crate) fn of(url: &Url) -> Result<Self> {
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "file" if host.is_empty() || host == "localhost" => Ok(Self::Local),
            "file" => Err(Error::Invalid(format!(
                "{}: local files have no host; write file:///path",
                redact(url)
            ))),
            "http" | "https" => {
                let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                Ok(Self::Remote(format!("{}://{host}{port}", url.scheme())))
            }
            "s3" | "az" | "gs" => {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._$".contains(c);
                if host.is_empty() || !host.chars().all(is_plain) {
                    return Err(Error::Invalid(format!(
                        "{}: '{host}' is no name of a bucket; write {}://bucket/folder",
                        redact(url),
                        url.scheme()
                    )));
                }
                Ok(Self::Remote(format!("{}://{host}", url.scheme())))
            }
            other => Err(Error::Unsupported(format!(
                "{other}:// is not a supported location; use a path, file://, s3://, az://, gs:// or https://"
            ))),
        }
    }
}

impl Place {
    /// The place that a URL names.
    ///
    /// # Errors
    /// As [`Root::of`]; a path that cannot be resolved.
    pub(crate) fn of(url: &Url) -> Result<Self> {
        let path = Path::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{}: {error}", redact(url))))?;
        Ok(Self::within(&Root::of(url)?, &path)?)
    }

    /// A path of a store. Local files are looked at, so call this where blocking is allowed.
    pub(crate) fn within(root: &Root, path: &Path) -> io::Result<Self> {
        match root {
            Root::Local => Ok(Self::Local(canonical(&file_path(path)?)?)),
            Root::Remote(store) => Ok(Self::Remote {
                store: store.clone(),
                path: path.clone(),
            }),
        }
    }

    /// As [`Place::within`] for a name itself: where its folder is, whatever it links to.
    pub(crate) fn of_name(root: &Root, path: &Path) -> io::Result<Self> {
        match (root, path.parent(), path.filename()) {
            (Root::Local, Some(folder), Some(name)) => {
                Ok(Self::Local(canonical(&file_path(&folder)?)?.join(name)))
            }
            _ => Self::within(root, path),
        }
    }

    /// Whether `other` is this place or lies below it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(folder), Self::Local(inner)) => inner.starts_with(folder),
            (
                Self::Remote { store, path },
                Self::Remote {
                    store: at,
                    path: inner,
                },
            ) => store == at && inner.prefix_matches(path),
            _ => false,
        }
    }

    /// As [`Place::holds`], taking hosts that differ in case only for the same: host names have no case.
    pub(crate) fn may_hold(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Remote { store, path },
                Self::Remote {
                    store: at,
                    path: inner,
                },
            ) => store.eq_ignore_ascii_case(at) && inner.prefix_matches(path),
            _ => self.holds(other),
        }
    }
}

/// A path of the local store as the file system knows it.
pub(crate) fn file_path(path: &Path) -> io::Result<PathBuf> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut url = Url::parse("file:///").map_err(|_| invalid())?;
    url.path_segments_mut()
        .map_err(|()| invalid())?
        .pop_if_empty()
        .extend(path.parts());
    url.to_file_path().map_err(|()| invalid())
}

/// An absolute path with every symbolic link and `..` resolved; of what does not exist yet, the nearest
/// folder that does is resolved.
pub(crate) fn canonical(path: &FilePath) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut at = path;
    let mut looks = 0;
    loop {
        let error = match at.canonicalize() {
            Ok(real) => {
                missing.reverse();
                return Ok(missing.iter().fold(real, |path, name| path.join(name)));
            }
            Err(error) => error,
        };
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        match at.symlink_metadata() {
            // A link that leads nowhere is no missing file: what it names may appear at any time.
            Ok(found) if found.is_symlink() => return Err(error),
            // Somebody made it since: the commit of another writer, say.
            Ok(_) if looks < LOOKS => looks += 1,
            Ok(_) => return Err(error),
            Err(_) => match (at.parent(), at.file_name()) {
                (Some(parent), Some(name)) => {
                    missing.push(name);
                    at = parent;
                }
                _ => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn place(url: &str) -> Place {
        Place::of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn a_folder_holds_itself_and_what_is_below_but_no_namesake() {
        let folder = place("s3://bucket/data");
        for inner in [
            "s3://bucket/data",
            "s3://bucket/data/",
            "s3://bucket/data/x/y",
        ] {
            assert!(folder.holds(&place(inner)), "{inner}");
        }
        for other in [
            "s3://bucket/database",
            "s3://bucket/",
            "s3://other/data/x",
            "gs://bucket/data/x",
            "s3://BUCKET/data/x",
            "s3://bucket/data/../secret",
            "s3://bucket/data/%2e%2e/secret",
            "file:///data/x",
        ] {
            assert!(!folder.holds(&place(other)), "{other}");
        }
        assert!(folder.may_hold(&place("s3://BUCKET/data/x")));
    }

    #[test]
    fn dots_that_are_encoded_twice_are_a_name_and_no_way_up() {
        let place = place("file:///tmp/%252e%252e/x");
        assert_eq!(place, Place::Local("/tmp/%2e%2e/x".into()));
    }

    #[test]
    fn a_host_that_hides_another_name_is_refused() {
        for url in [
            "s3://%62ucket/x",
            "file://host/x",
            "hdfs://n/x",
            "lake://a/x",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(Place::of(&url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_file_that_appears_while_it_is_looked_at_is_where_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("commit.json");
        let made = file.clone();
        let writer = std::thread::spawn(move || {
            for _ in 0..20_000 {
                std::fs::write(&made, []).unwrap();
                std::fs::remove_file(&made).unwrap();
            }
        });
        while !writer.is_finished() {
            assert_eq!(canonical(&file).unwrap(), file);
        }
        writer.join().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_resolved_also_above_what_does_not_exist() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("broken")).unwrap();
        let resolved = canonical(&root.join("link/new/file")).unwrap();
        assert_eq!(resolved, root.join("real/new/file"));
        assert!(canonical(&root.join("broken")).is_err());
        assert!(canonical(&root.join("broken/x")).is_err());
    }
}
