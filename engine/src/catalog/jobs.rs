//! Jobs that are kept in the lake: entries of the catalog, beside tables and views.

use super::changes::change;
use super::table::Change;
use super::{CreateMode, Entry, Kind, Name};
use crate::error::{Error, Result};
use crate::lake::Lake;

/// Keeps a job, or replaces what was kept of it. Tells whether anything was changed: under
/// [`CreateMode::IfNotExists`] it may be there already.
///
/// # Errors
/// `Invalid` where the name is taken.
pub async fn create_job(lake: &Lake, name: &str, text: &str, mode: CreateMode) -> Result<bool> {
    let name = Name::main(name);
    change(lake, |contents| {
        if contents.job(&name).is_some() {
            match mode {
                CreateMode::IfNotExists => return Ok(None),
                CreateMode::OrReplace => {}
                CreateMode::New => {
                    return Err(Error::Invalid(format!(
                        "job {} exists already; write CREATE OR REPLACE JOB, or `paratope job add --replace`, to replace it",
                        name.name
                    )));
                }
            }
        }
        let entry = Entry {
            name: name.clone(),
            kind: Kind::Job,
            location: None,
            definition: Some(text.to_string()),
            dropped: false,
            changed_at: contents.next_time_of_job(&name),
        };
        Ok(Some(Change {
            entries: vec![entry],
            on_views: false,
        }))
    })
    .await
}

/// Keeps a job no longer. Tells whether there was anything to drop.
///
/// # Errors
/// `NotFound` unless `if_exists`.
pub async fn drop_job(lake: &Lake, name: &str, if_exists: bool) -> Result<bool> {
    let name = Name::main(name);
    change(lake, |contents| {
        let Some(entry) = contents.job(&name) else {
            return match if_exists {
                true => Ok(None),
                false => Err(Error::NotFound(format!(
                    "there is no job {} in the lake; shipped jobs are switched off with `paratope job pause`, and files of a folder deleted there",
                    name.name
                ))),
            };
        };
        let dropped = Entry {
            dropped: true,
            changed_at: contents.next_time_of_job(&name),
            ..entry.clone()
        };
        Ok(Some(Change {
            entries: vec![dropped],
            on_views: false,
        }))
    })
    .await
}
