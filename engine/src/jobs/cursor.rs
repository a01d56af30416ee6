//! How far a job has read its source: two transaction ids of the target, which appear with its rows or not at all.
//!
//! The first is `source_version << 24 | files done`: the version that is being read, and how many of its files, ordered
//! by path, are done. The first run reads the source as a whole, at one version; the second id keeps which, so that every
//! chunk of it reads the same files, whatever others write meanwhile. Neither id has a time: Delta forgets ids with one
//! after `delta.setTransactionRetentionDuration`, and a job without its cursor would begin anew and double its rows.

use std::collections::HashMap;

use deltalake::kernel::{Action, EagerSnapshot, Transaction};

use crate::error::{Error, Result};
use crate::tables::Table;
use crate::tables::commit::COMMIT_ID;
use crate::tables::log::Log;
use crate::tables::transactions::{self, Recorded, UNDONE};

/// Prefix of the ids.
pub const PREFIX: &str = "job:";
/// End of the second id.
const FIRST: &str = ":first";
/// Bits for files.
const FILE_BITS: u32 = 24;
/// Most files of one version.
pub const MOST_FILES: u64 = (1 << FILE_BITS) - 1;
/// Operation of a table that was put back.
const RESTORE: &str = "RESTORE";

/// A place in the source's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The version that is being read.
    pub version: u64,
    /// Files of it that are done.
    pub files: u64,
}

impl Place {
    /// The beginning of a version.
    pub fn start_of(version: u64) -> Self {
        Self { version, files: 0 }
    }

    /// As one number.
    ///
    /// # Errors
    /// `Unsupported` for versions and files beyond what it holds.
    pub fn packed(self) -> Result<i64> {
        let packed = self
            .version
            .checked_mul(1 << FILE_BITS)
            .filter(|_| self.files <= MOST_FILES)
            .map(|version| version | self.files);
        packed.and_then(|value| i64::try_from(value).ok()).ok_or_else(|| {
            Error::Unsupported(format!(
                "version {} of the source has more than {MOST_FILES} new files, or its number is too large for a cursor",
                self.version
            ))
        })
    }

    /// From one number.
    pub fn unpacked(value: i64) -> Option<Self> {
        let value = u64::try_from(value).ok()?;
        Some(Self {
            version: value >> FILE_BITS,
            files: value & MOST_FILES,
        })
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Where the next chunk begins; `None` before the first one.
    pub place: Option<Place>,
    /// What is known of the first run.
    pub first: First,
}

/// The version that the first run reads as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// There was no run.
    None,
    /// It is being read.
    Reading(u64),
    /// It was read.
    Done(u64),
}

impl First {
    fn packed(self) -> i64 {
        let number = |version: u64| i64::try_from(version).unwrap_or(i64::MAX - 2);
        match self {
            Self::None => UNDONE,
            Self::Reading(version) => number(version),
            Self::Done(version) => -2 - number(version),
        }
    }

    fn unpacked(value: i64) -> Self {
        match (u64::try_from(value), u64::try_from(-2 - value)) {
            (Ok(version), _) => Self::Reading(version),
            (_, Ok(version)) => Self::Done(version),
            _ => Self::None,
        }
    }
}

/// The ids of a job in its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    job: String,
    cursor: String,
    first: String,
}

impl Ids {
    /// Those of a job over the source whose metadata has this id: a table that was made anew begins anew.
    pub fn new(job: &str, source_id: &str) -> Self {
        let cursor = format!("{PREFIX}{job}:{source_id}");
        Self {
            job: job.to_string(),
            first: format!("{cursor}{FIRST}"),
            cursor,
        }
    }

    /// Where the cursor stands in `base`, which is a version of `target`: what this very version says, and not a later one,
    /// for the commit is made on it.
    ///
    /// # Errors
    /// `Unavailable` where the log is listed as older than the snapshot; `Conflict` where the target's rows come from a
    /// source that another has replaced.
    pub async fn read(&self, target: &Table, base: &EagerSnapshot) -> Result<Cursor> {
        let log = Log::list(target).await?;
        log.check_listed(base.version())?;
        let known = transactions::as_of(&log, base.version()).await?;
        self.refuse_other_source(target, &known)?;
        let value = |id: &str| known.get(id).map(|recorded| recorded.version);
        Ok(Cursor {
            place: value(&self.cursor).and_then(Place::unpacked),
            first: value(&self.first).map_or(First::None, First::unpacked),
        })
    }

    fn refuse_other_source(&self, target: &Table, known: &HashMap<String, Recorded>) -> Result<()> {
        let prefix = format!("{PREFIX}{}:", self.job);
        let other = known.iter().find(|(id, recorded)| {
            id.starts_with(&prefix)
                && !id.ends_with(FIRST)
                && **id != self.cursor
                && recorded.is_done()
        });
        match other {
            None => Ok(()),
            Some(_) => Err(Error::Invalid(format!(
                "the source of job {} was dropped and made anew, and {} holds rows of the old one. \
                 `paratope job backfill {} --from-version 0` takes them out and reads the new one from its beginning",
                self.job,
                target.name(),
                self.job
            ))),
        }
    }

    /// Ids of this job over other sources, which a fresh start takes back.
    ///
    /// # Errors
    /// Whatever keeps the log from being read.
    pub async fn of_other_sources(
        &self,
        target: &Table,
        base: &EagerSnapshot,
    ) -> Result<Vec<Transaction>> {
        let log = Log::list(target).await?;
        let known = transactions::as_of(&log, base.version()).await?;
        let prefix = format!("{PREFIX}{}:", self.job);
        Ok(known
            .into_iter()
            .filter(|(id, recorded)| {
                id.starts_with(&prefix)
                    && *id != self.cursor
                    && *id != self.first
                    && recorded.version != UNDONE
            })
            .map(|(id, _)| Transaction::new(id, UNDONE))
            .collect())
    }

    /// The ids as they become with a commit. Both are always there: of two commits that started from one cursor, the second
    /// finds the ids of the first.
    ///
    /// # Errors
    /// As [`Place::packed`].
    pub fn transactions(&self, cursor: Cursor) -> Result<Vec<Transaction>> {
        let place = match cursor.place {
            Some(place) => place.packed()?,
            None => UNDONE,
        };
        Ok(vec![
            Transaction::new(&self.cursor, place),
            Transaction::new(&self.first, cursor.first.packed()),
        ])
    }

    /// Fails where the target was put back to an older version by software that leaves the cursor as it is: its rows are
    /// gone and would never come again. (RESTORE here puts the cursor back too.) Looks at versions after `checked` only.
    ///
    /// # Errors
    /// `Invalid`, with the remedy.
    pub async fn check_not_restored(
        &self,
        target: &Table,
        base: &EagerSnapshot,
        checked: Option<u64>,
    ) -> Result<()> {
        let log = Log::list(target).await?;
        let oldest = checked.map_or(0, |checked| checked + 1);
        let versions: Vec<u64> = log
            .commits()
            .map(|(version, _)| version)
            .filter(|version| *version >= oldest && *version <= base.version())
            .collect();
        for version in versions.into_iter().rev() {
            let (commit, actions) = match log.actions(version).await {
                Ok(found) => found,
                // Cleaned away meanwhile: so far back nobody looks.
                Err(Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            let is_ours =
                |action: &Action| matches!(action, Action::Txn(txn) if txn.app_id == self.cursor);
            if actions.iter().any(is_ours) {
                return Ok(());
            }
            let operation = commit.info.operation.as_deref().unwrap_or_default();
            // Ours puts the cursor back with the rows.
            if operation.eq_ignore_ascii_case(RESTORE) && !commit.info.info.contains_key(COMMIT_ID)
            {
                return Err(Error::Invalid(format!(
                    "{} was put back to an older version (its version {version}), after job {} had read its source further: \
                     rows that went will not come again by themselves. `paratope job backfill {} --from-version N` computes \
                     from version N of the source on, 0 everything",
                    target.name(),
                    self.job,
                    self.job
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_place_is_one_number_that_grows_with_the_source() {
        let place = Place {
            version: 7,
            files: 3,
        };
        assert_eq!(place.packed().unwrap(), (7 << 24) | 3);
        assert_eq!(Place::unpacked((7 << 24) | 3), Some(place));
        assert_eq!(Place::unpacked(UNDONE), None);
        let last = Place {
            version: 7,
            files: MOST_FILES,
        };
        assert!(last.packed().unwrap() < Place::start_of(8).packed().unwrap());
        let beyond = Place {
            version: 7,
            files: MOST_FILES + 1,
        };
        assert!(beyond.packed().is_err());
    }

    #[test]
    fn what_is_known_of_the_first_run_survives_its_end() {
        for first in [
            First::None,
            First::Reading(0),
            First::Reading(9),
            First::Done(0),
            First::Done(9),
        ] {
            assert_eq!(First::unpacked(first.packed()), first);
        }
    }

    #[test]
    fn ids_carry_no_time_so_that_they_never_expire() {
        let ids = Ids::new("j", "source");
        let cursor = Cursor {
            place: Some(Place::start_of(3)),
            first: First::Done(2),
        };
        let transactions = ids.transactions(cursor).unwrap();
        assert_eq!(transactions.len(), 2);
        assert!(transactions.iter().all(|txn| txn.last_updated.is_none()));
    }
}
