//! The entries of one listing, judged folder by folder.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectMeta, Result as StoreResult};

use super::{Bounds, Fence, Folder, refused};
use crate::storage::access::{Mode, Resolved, Verdict};
use crate::storage::place::{Place, Root, canonical, file_path};

/// Answers for the entries of one listing, folder by folder.
pub(super) struct Judge<'a> {
    fence: &'a Fence,
    bounds: JudgeBounds,
    /// The folder of the entry before, and where it really is.
    parent: Option<(Option<Path>, Option<PathBuf>)>,
}

enum JudgeBounds {
    Policy(Resolved),
    Folder(Option<Place>, Arc<Folder>),
}

impl<'a> Judge<'a> {
    pub(super) fn new(fence: &'a Fence) -> Self {
        let bounds = match &fence.bounds {
            Bounds::Policy(access) => JudgeBounds::Policy(access.resolved(Mode::Read)),
            Bounds::Folder(folder) => {
                JudgeBounds::Folder(folder.place(&fence.root), Arc::clone(folder))
            }
        };
        Self {
            fence,
            bounds,
            parent: None,
        }
    }

    /// Checks the entries of a listing whose folder is admitted already: it may have got to them through a link that leads
    /// out. The link itself is a name inside and is listed; reading it is another operation.
    pub(super) fn admit_all(
        &mut self,
        entries: Vec<StoreResult<ObjectMeta>>,
    ) -> Vec<StoreResult<ObjectMeta>> {
        entries
            .into_iter()
            .filter_map(|entry| match entry {
                Ok(meta) => match self.admit(&meta.location) {
                    Ok(true) => Some(Ok(meta)),
                    Ok(false) => None,
                    Err(error) => Some(Err(error)),
                },
                Err(error) => Some(Err(error)),
            })
            .collect()
    }

    /// Whether an entry is listed. The lake's files are none of the folder round it; what lies behind a link that leads out
    /// is an error, for rows that are missing without a word would be worse.
    pub(super) fn admit(&mut self, path: &Path) -> StoreResult<bool> {
        let place = self.place(path);
        let shown = || self.fence.shown(path);
        let refusal = match (&self.bounds, place) {
            (JudgeBounds::Policy(policy), place) => {
                let verdict = match place {
                    Some(place) => policy.verdict(&place),
                    None => policy.unresolved(),
                };
                if verdict == Verdict::Lake {
                    return Ok(false);
                }
                verdict.refusal(&shown(), Mode::Read)
            }
            (JudgeBounds::Folder(Some(folder), _), Some(place)) if folder.holds(&place) => Ok(()),
            (JudgeBounds::Folder(_, folder), _) => Err(self.fence.outside(folder, path)),
        };
        match refusal {
            Ok(()) => Ok(true),
            Err(error) => Err(refused(path, error)),
        }
    }

    /// Where the name of an entry is; nothing need be looked at where its folder is the one before.
    fn place(&mut self, path: &Path) -> Option<Place> {
        if let Root::Remote(_) = self.fence.root {
            return Place::within(&self.fence.root, path).ok();
        }
        let full = file_path(path).ok()?;
        let parent = path.parent();
        if self
            .parent
            .as_ref()
            .is_none_or(|(known, _)| *known != parent)
        {
            let real = full.parent().and_then(|folder| canonical(folder).ok());
            self.parent = Some((parent, real));
        }
        let folder = self.parent.as_ref().and_then(|(_, real)| real.as_ref())?;
        full.file_name().map(|name| Place::Local(folder.join(name)))
    }
}
