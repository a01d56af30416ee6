//! Who may do what: one function that every look-up of a table, every change and every call of the server passes.
//!
//! A role covers a schema: a reader queries its tables, a writer changes and defines them too. `main` follows the
//! principal's role. `system` (the lake's own books) is read by writers, its log of statements by admins; nobody
//! changes it by statement, but that admins delete results of models. Finer grants would be further cases of [`Grants::check`], and wrappers round the tables
//! that a principal's catalog hands out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::SCHEMAS;
use crate::error::{Error, Result};

/// The durable log of statements: it shows what others asked.
pub const QUERY_LOG: &str = "query_log";

/// Results of language models: that one is known shows that somebody asked for it.
pub const RESULTS: &str = "inference_results";

/// What a principal may do with a schema. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Queries.
    Reader,
    /// Changes rows; creates, alters, drops and maintains tables.
    Writer,
    /// Sees and stops the statements of others.
    Admin,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        })
    }
}

/// What is done to a table or a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Rows or columns are looked at.
    Read,
    /// Rows, columns or names change, or files are maintained.
    Write,
}

/// The roles of one principal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// The role wherever no other is said.
    pub role: Option<Role>,
    /// Roles for single schemas.
    #[serde(default)]
    pub schemas: BTreeMap<String, Role>,
}

impl Grants {
    /// Those of whoever runs the command line, and of an open server.
    pub fn everything() -> Self {
        Self::of(Role::Admin)
    }

    /// A role for all schemas.
    pub fn of(role: Role) -> Self {
        Self {
            role: Some(role),
            schemas: BTreeMap::new(),
        }
    }

    /// Whether the principal sees and stops the statements of others.
    pub fn is_admin(&self) -> bool {
        self.role == Some(Role::Admin)
    }

    /// Whether anything of a schema may be seen.
    pub fn sees(&self, schema: &str) -> bool {
        self.role_in(schema) >= Some(Self::required(Deed::Read, schema, None))
    }

    /// The policy.
    ///
    /// # Errors
    /// `Denied`, with the role that it takes.
    pub fn check(&self, deed: Deed, schema: &str, object: &str) -> Result<()> {
        let required = Self::required(deed, schema, Some(object));
        if self.role_in(schema) >= Some(required) {
            return Ok(());
        }
        let verb = match deed {
            Deed::Read => "read",
            Deed::Write => "change",
        };
        Err(Error::Denied(format!(
            "you may not {verb} {schema}.{object}: it takes the role {required} for the schema {schema}; an operator of the server grants it"
        )))
    }

    fn role_in(&self, schema: &str) -> Option<Role> {
        self.schemas.get(schema).copied().or(self.role)
    }

    fn required(deed: Deed, schema: &str, object: Option<&str>) -> Role {
        match (deed, schema == SCHEMAS[0]) {
            (Deed::Read, true) => Role::Reader,
            (Deed::Write, true) => Role::Writer,
            // What runs is everybody's own; whose rows are shown is decided where they are made.
            (Deed::Read, false) if object == Some(crate::queries::TABLE) => Role::Reader,
            (Deed::Read, false) if object == Some(crate::distributed::TABLE) => Role::Reader,
            (Deed::Read, false) if object == Some(QUERY_LOG) => Role::Admin,
            (Deed::Read, false) => Role::Writer,
            (Deed::Write, false) => Role::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn each_role_includes_those_before_it_and_no_more() {
        for (role, reads, writes, books, log) in [
            (Role::Reader, true, false, false, false),
            (Role::Writer, true, true, true, false),
            (Role::Admin, true, true, true, true),
        ] {
            let grants = Grants::of(role);
            let may = |deed, schema, object| grants.check(deed, schema, object).is_ok();
            assert_eq!(may(Deed::Read, "main", "chains"), reads, "{role}");
            assert_eq!(may(Deed::Write, "main", "chains"), writes, "{role}");
            assert_eq!(may(Deed::Read, "system", "files"), books, "{role}");
            assert_eq!(may(Deed::Read, "system", QUERY_LOG), log, "{role}");
        }
    }

    #[test]
    fn a_role_for_a_schema_goes_before_the_general_one() {
        let mut grants = Grants::of(Role::Reader);
        grants.schemas.insert("system".into(), Role::Writer);
        grants.check(Deed::Read, "system", "files").unwrap();
        let error = grants.check(Deed::Write, "main", "chains").unwrap_err();
        assert_eq!(
            error.to_string(),
            "you may not change main.chains: it takes the role writer for the schema main; an operator of the server grants it"
        );
        assert!(Grants::default().check(Deed::Read, "main", "t").is_err());
        assert!(!Grants::of(Role::Reader).sees("system"));
    }
}
