//! What the catalog says of one table or view.

use std::fmt;

use super::Name;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Delta table in a folder of the lake.
    Table,
    /// A query with a name.
    View,
    /// A job. Jobs have names of their own: one may be called as a table is.
    Job,
}

impl Kind {
    /// As the catalog's column `kind` has it. Other kinds have names of their own, apart from
    /// tables and views: they are `None` here.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "table" => Some(Self::Table),
            "view" => Some(Self::View),
            "job" => Some(Self::Job),
            _ => None,
        }
    }

    /// The keyword in SQL.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::Job => "JOB",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Job => "job",
        })
    }
}

/// A row of `system.catalog`: what a name came to stand for, or that it was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub kind: Kind,
    /// Folder of a table, relative to the lake. Where the entry is dropped: the folder that was
    /// retired with the name, if one was (a table that was renamed keeps its folder).
    pub location: Option<String>,
    /// Statement that created the table, or the query of the view.
    pub definition: Option<String>,
    /// Whether the name was retired.
    pub dropped: bool,
    /// When, in microseconds since the epoch. Among entries of one name it only grows, whatever
    /// the clocks of their writers say.
    pub changed_at: i64,
}
