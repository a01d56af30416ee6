//! Which places statements may reach beside the tables of the lake.
//!
//! On the command line a statement reaches what the user reaches. On a server it reaches what `[access]` lists and
//! nothing else, and that is nothing unless somebody lists something. The lake's own files are reached by the names of
//! its tables: as files they are read on the command line only and written nowhere.

use std::io;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::fence::Fence;
use super::place::{Place, Root, canonical};
use super::{open_store, parse, redact};
use crate::config::{Config, StorageConfig};
use crate::error::{Error, Result};

/// What is done to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is read or listed.
    Read,
    /// It is created, replaced or deleted.
    Write,
}

/// The policy of a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    policy: Arc<Policy>,
}

#[derive(Debug)]
struct Policy {
    read: Reach,
    write: Reach,
    lake: Entry,
}

#[derive(Debug)]
enum Reach {
    Everything,
    Only(Vec<Entry>),
}

/// A place of the configuration. Folders may appear and links may change while a server runs, so local ones are
/// resolved whenever they are compared.
#[derive(Debug)]
enum Entry {
    Local(std::path::PathBuf),
    Remote(Place),
}

impl Access {
    /// The command line: all that the user may read and write; the lake's own files are not written.
    ///
    /// # Errors
    /// A lake whose location cannot be read.
    pub fn everything(config: &Config) -> Result<Self> {
        Self::new(config, Reach::Everything, Reach::Everything)
    }

    /// A server: the places listed under `[access]` and no other.
    ///
    /// # Errors
    /// A listed place that is neither a path nor a supported URL.
    pub fn listed(config: &Config) -> Result<Self> {
        let read = entries("read", &config.access.read)?;
        let write = entries("write", &config.access.write)?;
        Self::new(config, Reach::Only(read), Reach::Only(write))
    }

    /// No place at all, whatever is listed: for work that needs none.
    ///
    /// # Errors
    /// A lake whose location cannot be read.
    pub fn nothing(config: &Config) -> Result<Self> {
        Self::new(config, Reach::Only(Vec::new()), Reach::Only(Vec::new()))
    }

    fn new(config: &Config, read: Reach, write: Reach) -> Result<Self> {
        let lake = Entry::new(&parse(&config.lake.url)?)?;
        let policy = Arc::new(Policy { read, write, lake });
        Ok(Self { policy })
    }

    /// Checks a place before anything is done there, so that the error comes early; every operation of the stores is
    /// checked once more. The answer does not depend on whether the place exists.
    ///
    /// # Errors
    /// `Denied`, with the setting that would allow it.
    pub fn check(&self, url: &Url, mode: Mode) -> Result<()> {
        if self.is_free(mode) {
            return Root::of(url).map(|_| ());
        }
        let path = Path::from_url_path(url.path())
            .map_err(|error| Error::Invalid(format!("{}: {error}", redact(url))))?;
        let place = Place::within(&Root::of(url)?, &path);
        self.verdict(place, mode).refusal(&redact(url), mode)
    }

    /// The store behind `url`, on which every operation is checked.
    ///
    /// # Errors
    /// A scheme that is not supported; settings the store refuses.
    pub fn open(&self, url: &Url, config: &StorageConfig) -> Result<Arc<dyn ObjectStore>> {
        let root = Root::of(url)?;
        if !self.opens_any_of(&root) {
            // No client need be made for what is shut as a whole.
            Verdict::Outside.refusal(&redact(url), Mode::Read)?;
        }
        Ok(Arc::new(Fence::policy(
            open_store(url, config)?,
            root,
            self.clone(),
        )))
    }

    /// Whether any place of a store may be reached.
    fn opens_any_of(&self, root: &Root) -> bool {
        [&self.policy.read, &self.policy.write]
            .into_iter()
            .any(|reach| match reach {
                Reach::Everything => true,
                Reach::Only(entries) => entries.iter().any(|entry| entry.is_of(root)),
            })
    }

    /// Whether every place is allowed, so that none need be resolved.
    pub(super) fn is_free(&self, mode: Mode) -> bool {
        mode == Mode::Read && matches!(self.policy.read, Reach::Everything)
    }

    /// What the policy says about one place.
    pub(super) fn verdict(&self, place: io::Result<Place>, mode: Mode) -> Verdict {
        let resolved = self.resolved(mode);
        match place {
            Ok(place) => resolved.verdict(&place),
            Err(_) => resolved.unresolved(),
        }
    }

    /// The policy with its places resolved, for many questions in a row.
    pub(super) fn resolved(&self, mode: Mode) -> Resolved {
        let reach = match mode {
            Mode::Read => &self.policy.read,
            Mode::Write => &self.policy.write,
        };
        Resolved {
            only: match reach {
                Reach::Everything => None,
                Reach::Only(entries) => Some(entries.iter().filter_map(Entry::place).collect()),
            },
            lake: match (mode, reach) {
                (Mode::Read, Reach::Everything) => None,
                _ => self.policy.lake.place(),
            },
        }
    }
}

fn entries(setting: &str, listed: &[String]) -> Result<Vec<Entry>> {
    listed
        .iter()
        .map(|location| {
            let named = |error: Error| error.context(format!("[access] {setting}"));
            let url = parse(location).map_err(named)?;
            if matches!(url.scheme(), "http" | "https") {
                // The server at the other end decides where a request is redirected to.
                return Err(named(Error::Unsupported(format!(
                    "{} cannot be listed: a redirect could lead anywhere, into your own network too; copy the files to a bucket or a folder",
                    redact(&url)
                ))));
            }
            Entry::new(&url).map_err(named)
        })
        .collect()
}

impl Entry {
    fn new(url: &Url) -> Result<Self> {
        match Root::of(url)? {
            Root::Local => url
                .to_file_path()
                .map(Self::Local)
                .map_err(|()| Error::Invalid(format!("{} is no path", redact(url)))),
            Root::Remote(_) => Place::of(url).map(Self::Remote),
        }
    }

    fn is_of(&self, root: &Root) -> bool {
        match (self, root) {
            (Self::Local(_), Root::Local) => true,
            (Self::Remote(Place::Remote { store, .. }), Root::Remote(other)) => store == other,
            _ => false,
        }
    }

    /// `None` where it cannot be resolved: then nothing lies in it.
    fn place(&self) -> Option<Place> {
        match self {
            Self::Local(path) => canonical(path).ok().map(Place::Local),
            Self::Remote(place) => Some(place.clone()),
        }
    }
}

/// A policy whose places are resolved.
pub(super) struct Resolved {
    /// `None`: everything.
    only: Option<Vec<Place>>,
    lake: Option<Place>,
}

impl Resolved {
    /// What the policy says about a place.
    pub(super) fn verdict(&self, place: &Place) -> Verdict {
        if self.lake.as_ref().is_some_and(|lake| lake.may_hold(place)) {
            return Verdict::Lake;
        }
        match &self.only {
            Some(only) if !only.iter().any(|allowed| allowed.holds(place)) => Verdict::Outside,
            _ => Verdict::Allowed,
        }
    }

    /// What it says about a place that cannot be resolved: it is not known to be allowed.
    pub(super) fn unresolved(&self) -> Verdict {
        match self.only {
            Some(_) => Verdict::Outside,
            None => Verdict::Unresolved,
        }
    }
}

/// What a policy says about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// One of the lake's own files.
    Lake,
    Outside,
    /// A broken link, or a folder that may not be entered.
    Unresolved,
}

/// How refusals begin.
pub const REFUSAL: &str = "statements may not";

impl Verdict {
    /// # Errors
    /// `Denied`, unless the place is allowed.
    pub(super) fn refusal(self, shown: &str, mode: Mode) -> Result<()> {
        let (verb, setting) = match mode {
            Mode::Read => ("read", "read"),
            Mode::Write => ("write to", "write"),
        };
        match self {
            Self::Allowed => Ok(()),
            Self::Outside => Err(Error::Denied(format!(
                "{REFUSAL} {verb} {shown} here: it is outside the places that this server opens to SQL. Its operator can add the folder or bucket to `{setting}` under [access] in paratope.toml"
            ))),
            Self::Unresolved => Err(Error::Denied(format!(
                "{shown} cannot be resolved: a link on the way leads nowhere, or a folder may not be entered"
            ))),
            Self::Lake if mode == Mode::Read => Err(Error::Denied(format!(
                "statements may not read {shown}: it belongs to the lake; query its tables by name (SHOW TABLES lists them)"
            ))),
            Self::Lake => Err(Error::Denied(format!(
                "statements may not write to {shown}: it belongs to the lake, whose files only its own writer makes; name a place outside the lake"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn config(read: &[&str]) -> Config {
        let mut config = Config::default();
        config.lake.url = "s3://bucket/data/lake".into();
        config.access.read = read.iter().map(ToString::to_string).collect();
        config
    }

    fn check(access: &Access, url: &str, mode: Mode) -> Result<()> {
        access.check(&Url::parse(url).unwrap(), mode)
    }

    #[test]
    fn a_server_is_shut_unless_a_place_is_listed() {
        let shut = Access::listed(&config(&[])).unwrap();
        for url in [
            "file:///etc/passwd",
            "s3://bucket/x",
            "https://example.org/x",
            "file:///",
        ] {
            let error = check(&shut, url, Mode::Read).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains("[access]"), "{error}");
        }
        let some = Access::listed(&config(&["s3://bucket/data"])).unwrap();
        check(&some, "s3://bucket/data/x.fa", Mode::Read).unwrap();
        check(&some, "s3://bucket/data/../x.fa", Mode::Read).unwrap_err();
        check(&some, "s3://bucket/data/%2E%2e/x.fa", Mode::Read).unwrap_err();
        check(&some, "s3://bucket/data/x.fa", Mode::Write).unwrap_err();
    }

    #[test]
    fn the_lake_itself_is_no_place_even_where_its_surroundings_are_listed() {
        let some = Access::listed(&config(&["s3://bucket/data"])).unwrap();
        for url in ["s3://bucket/data/lake/main/t/x", "s3://BUCKET/data/lake/x"] {
            let error = check(&some, url, Mode::Read).unwrap_err().to_string();
            assert!(error.contains("belongs to the lake"), "{error}");
        }
        let open = Access::everything(&config(&[])).unwrap();
        check(&open, "s3://bucket/data/lake/x", Mode::Read).unwrap();
        check(&open, "s3://bucket/x", Mode::Write).unwrap();
        check(&open, "s3://bucket/data/lake/x", Mode::Write).unwrap_err();
    }

    #[test]
    fn a_listed_place_that_cannot_be_confined_is_refused_when_the_policy_is_made() {
        let error = Access::listed(&config(&["https://example.org/"])).unwrap_err();
        assert!(error.to_string().contains("redirect"), "{error}");
        let error = Access::listed(&config(&["hdfs://x/"])).unwrap_err();
        assert!(error.to_string().contains("[access] read"), "{error}");
    }

    #[test]
    fn the_answer_does_not_tell_whether_a_file_exists() {
        let folder = tempfile::tempdir().unwrap();
        let some = Access::listed(&config(&[folder.path().to_str().unwrap()])).unwrap();
        let said = |path: &str| {
            let error = check(&some, &format!("file://{path}"), Mode::Read).unwrap_err();
            error.to_string().replace(path, "X")
        };
        assert_eq!(said("/etc/passwd"), said("/etc/no-such-file"));
        assert_eq!(said("/etc/passwd"), said("/etc/passwd/below-a-file"));
    }
}
