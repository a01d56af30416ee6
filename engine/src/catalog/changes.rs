//! Changes of what names stand for: each is one commit to `system.catalog`, decided anew where
//! others changed one of its names meanwhile.

use super::table::Change;
use super::{Contents, Entry, Kind, Name, views};
use crate::error::{Error, Result};
use crate::lake::Lake;

/// What creating does where the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Fails.
    New,
    /// Leaves things as they are: `IF NOT EXISTS`.
    IfNotExists,
    /// Takes the place of what is there: `OR REPLACE`.
    OrReplace,
}

/// Creates a view, or replaces its query. Tells whether anything was changed: under
/// [`CreateMode::IfNotExists`] it may be there already.
///
/// The query is not planned here: what it names need not exist.
///
/// # Errors
/// `Invalid` where the name is taken, cannot be a name, or the view would refer to itself;
/// `Denied` for names that are not the users'.
pub async fn create_view(lake: &Lake, name: &Name, sql: &str, mode: CreateMode) -> Result<bool> {
    change(lake, |contents| {
        let new = Entry {
            name: name.clone(),
            kind: Kind::View,
            location: None,
            definition: Some(sql.to_string()),
            dropped: false,
            changed_at: 0,
        };
        let entries = creation(contents, new, mode)?;
        if entries.is_some() {
            refuse_cycle(name, sql, contents, None)?;
        }
        Ok(entries.map(|entries| Change {
            entries,
            on_views: true,
        }))
    })
    .await
}

/// Retires a name. A table's folder stays until maintenance deletes it, so that queries which read
/// it end well. Tells whether there was anything to drop.
///
/// # Errors
/// `NotFound` unless `if_exists`; `Invalid` where the name stands for another kind; `Denied` for
/// what every lake has.
pub async fn drop(lake: &Lake, name: &Name, kind: Kind, if_exists: bool) -> Result<bool> {
    name.check_free("dropped")?;
    change(lake, |contents| {
        let entry = match contents.entry(name) {
            None if if_exists => return Ok(None),
            None => return Err(missing(name, &kind.to_string())),
            Some(entry) if entry.kind != kind => {
                return Err(Error::Invalid(format!(
                    "{name} is a {}: write DROP {}",
                    entry.kind,
                    entry.kind.keyword()
                )));
            }
            Some(entry) => entry,
        };
        let dropped = Entry {
            dropped: true,
            changed_at: contents.next_time(name),
            ..entry.clone()
        };
        Ok(Some(Change {
            entries: vec![dropped],
            on_views: false,
        }))
    })
    .await
}

/// Gives a table or view another name; a table keeps its folder. Views that name it are not
/// changed.
///
/// # Errors
/// `NotFound` where nothing has the name; `Invalid` where the new one is taken, cannot be a name, or
/// would make a view refer to itself; `Denied` for names that are not the users'.
pub async fn rename(lake: &Lake, from: &Name, to: &Name) -> Result<()> {
    from.check_free("renamed")?;
    to.check_new()?;
    change(lake, |contents| {
        let Some(entry) = contents.entry(from) else {
            return Err(missing(from, "table or view"));
        };
        if let Some(taken) = contents.entry(to) {
            return Err(exists(taken, "choose another name, or drop it first"));
        }
        let is_view = entry.kind == Kind::View;
        if let (true, Some(sql)) = (is_view, &entry.definition) {
            refuse_cycle(to, sql, contents, Some(from))?;
        }
        let old = Entry {
            location: None,
            definition: None,
            dropped: true,
            changed_at: contents.next_time(from),
            ..entry.clone()
        };
        let new = Entry {
            name: to.clone(),
            changed_at: contents.next_time(to),
            ..entry.clone()
        };
        Ok(Some(Change {
            entries: vec![old, new],
            on_views: is_view,
        }))
    })
    .await?;
    Ok(())
}

/// Entries that make `new` the entry of its name; `None` where it is to be left alone.
pub(super) fn creation(
    contents: &Contents,
    new: Entry,
    mode: CreateMode,
) -> Result<Option<Vec<Entry>>> {
    let at = contents.next_time(&new.name);
    let new = |changed_at| Entry {
        changed_at,
        ..new.clone()
    };
    let (name, kind) = (new(at).name, new(at).kind);
    let Some(there) = contents.entry(&name) else {
        name.check_new()?;
        return Ok(Some(vec![new(at)]));
    };
    if there.kind != kind {
        return Err(exists(there, "choose another name, or drop it first"));
    }
    match mode {
        CreateMode::IfNotExists => Ok(None),
        CreateMode::New => {
            let keyword = kind.keyword();
            let remedy = format!(
                "write CREATE {keyword} IF NOT EXISTS to keep it, CREATE OR REPLACE {keyword} to replace it"
            );
            Err(exists(there, &remedy))
        }
        CreateMode::OrReplace => {
            name.check_free("replaced")?;
            if there.location.is_none() {
                return Ok(Some(vec![new(at)]));
            }
            let retired = Entry {
                dropped: true,
                changed_at: at,
                ..there.clone()
            };
            Ok(Some(vec![retired, new(at + 1)]))
        }
    }
}

/// Changes the catalog; what this lake knows of it then has the change.
pub(super) async fn change(
    lake: &Lake,
    decide: impl Fn(&Contents) -> Result<Option<Change>>,
) -> Result<bool> {
    let changed = lake.catalog().change(decide).await?;
    // The change is made, whatever happens here; the next statement looks again.
    if let Err(error) = lake.refresh_if_changed().await {
        tracing::warn!(%error, "the catalog was changed but could not be read again");
    }
    Ok(changed)
}

/// Refuses a view that would refer to itself; `without` is a name that goes away.
fn refuse_cycle(name: &Name, sql: &str, contents: &Contents, without: Option<&Name>) -> Result<()> {
    let mut known = contents.views();
    if let Some(name) = without {
        known.remove(&name.to_string());
    }
    let Some(cycle) = views::find_cycle(name, sql, &known)? else {
        return Ok(());
    };
    let way: Vec<String> = cycle.iter().map(Name::to_string).collect();
    Err(Error::Invalid(format!(
        "the view {name} would refer to itself: {}",
        way.join(" > ")
    )))
}

fn exists(entry: &Entry, remedy: &str) -> Error {
    Error::Invalid(format!(
        "{} exists already, as a {}; {remedy}",
        entry.name, entry.kind
    ))
}

fn missing(name: &Name, kind: &str) -> Error {
    Error::NotFound(format!("there is no {kind} {name}"))
}
