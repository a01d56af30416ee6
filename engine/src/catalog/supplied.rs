//! Views that every lake has from its beginning, as `sql/views/*.sql` defines them. In a lake they are views like any
//! other: users may replace or drop them.

use super::{Entry, Kind, Name};
use crate::error::{Error, Result};
use crate::sql::{self, Statement};

/// The files of `sql/views`.
const SOURCES: &[&str] = &[
    include_str!("../../../sql/views/paired_chains.sql"),
    include_str!("../../../sql/views/paired_chains_all.sql"),
    include_str!("../../../sql/views/therapeutic_fvs.sql"),
];

/// Entries of the views, without times.
///
/// # Errors
/// Only a defect: a file that is not one `CREATE VIEW schema.name AS …`.
pub fn views() -> Result<Vec<Entry>> {
    SOURCES.iter().map(|source| view(source)).collect()
}

fn view(source: &str) -> Result<Entry> {
    let defect = |what: &str| Error::Internal(format!("sql/views: {what}: {source}"));
    let mut statements = sql::parse(source)?;
    let (Some(Statement::CreateView(view, query)), true) =
        (statements.pop(), statements.is_empty())
    else {
        return Err(defect("one CREATE VIEW a file"));
    };
    let name = view.name.to_string();
    let (schema, name) = name
        .split_once('.')
        .ok_or_else(|| defect("the name lacks its schema"))?;
    Ok(Entry {
        name: Name::new(schema, name),
        kind: Kind::View,
        location: None,
        definition: Some(query),
        dropped: false,
        changed_at: 0,
    })
}
