//! The names of a session and the words of its SQL: what completion offers, what errors suggest,
//! and what stands over the columns of an answer.

mod fault;
mod headers;
mod tokens;

pub use fault::{Fault, Place, Unknown};
pub(crate) use headers::plain_headers;
pub use tokens::{KEYWORDS, Token, TokenKind, tokens};

use std::borrow::Cow;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::utils::quote_identifier;
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::{Session, Statement};
use crate::catalog::{CATALOG, Kind, Name, SCHEMAS};
use crate::error::{Error, Result};

/// The name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// `main`, `system`, …
    pub schema_name: String,
    /// Name within the schema.
    pub name: String,
}

impl TableName {
    /// As statements name it: without its schema where that is the default one.
    pub fn shown(&self) -> String {
        let name = quoted(&self.name);
        if self.schema_name == SCHEMAS[0] {
            name.into_owned()
        } else {
            format!("{}.{name}", quoted(&self.schema_name))
        }
    }
}

/// What a name in FROM stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A table of the lake.
    Table,
    /// A stored query.
    View,
    /// A table of the session, or one that the server makes as it is read.
    Temporary,
}

impl RelationKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Table, Self::View, Self::Temporary];

    /// As clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::Temporary => "TEMPORARY",
        }
    }
}

/// A table or view that the session's caller may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `main`, `system`, …
    pub schema_name: String,
    /// Name within the schema.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
}

impl Relation {
    /// As statements name it.
    pub fn shown(&self) -> String {
        format!("{}.{}", quoted(&self.schema_name), quoted(&self.name))
    }
}

/// A name as statements have to write it: in double quotes where it is not plain lower case.
pub fn quoted(name: &str) -> Cow<'_, str> {
    quote_identifier(name)
}

impl Session {
    /// Names of the tables and views, sorted; no table is opened for it.
    pub fn tables(&self) -> Vec<TableName> {
        let Some(catalog) = self.context.catalog(CATALOG) else {
            return Vec::new();
        };
        let mut tables: Vec<TableName> = catalog
            .schema_names()
            .into_iter()
            .filter_map(|schema_name| {
                let names = catalog.schema(&schema_name)?.table_names();
                Some(names.into_iter().map(move |name| TableName {
                    schema_name: schema_name.clone(),
                    name,
                }))
            })
            .flatten()
            .collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// The tables and views, sorted, with what they are; no table is opened for it.
    pub fn relations(&self) -> Vec<Relation> {
        let kind = |table: &TableName| {
            let name = Name::new(&table.schema_name, &table.name);
            match self.lake().and_then(|lake| lake.entry(&name)) {
                Some(entry) if entry.kind == Kind::View => RelationKind::View,
                Some(_) => RelationKind::Table,
                None => RelationKind::Temporary,
            }
        };
        self.tables()
            .into_iter()
            .map(|table| Relation {
                kind: kind(&table),
                schema_name: table.schema_name,
                name: table.name,
            })
            .collect()
    }

    /// The columns of `relation`, which is written as in FROM: a table, a `'file'` or a call of a
    /// table function. No row is read.
    ///
    /// # Errors
    /// Those of `SELECT * FROM relation`; something that is no relation.
    pub async fn columns(&self, relation: &str) -> Result<SchemaRef> {
        let not_one = || Error::Invalid(format!("{relation} is not the name of a table"));
        let sql = format!("SELECT * FROM {relation} LIMIT 0");
        let mut statements = self.parse(&sql)?;
        let statement = statements.pop().ok_or_else(not_one)?;
        let is_query = matches!(&statement, Statement::Plain(plain)
            if matches!(plain.as_ref(), Plain::Statement(inner)
                if matches!(inner.as_ref(), SqlStatement::Query(_))));
        if !statements.is_empty() || !is_query {
            return Err(not_one());
        }
        Ok(self.execute(statement).await?.schema)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;
    use crate::Lake;
    use crate::config::Config;
    use crate::storage::Access;

    async fn session() -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        let (lake, _) = Lake::init(&config).await.unwrap();
        let session =
            Session::new(Some(lake), &config, Access::everything(&config).unwrap()).unwrap();
        (folder, session)
    }

    #[tokio::test]
    async fn tables_are_named_as_statements_name_them() {
        let (_folder, session) = session().await;
        let shown: Vec<_> = session.tables().iter().map(TableName::shown).collect();
        assert!(shown.contains(&"chains".to_string()), "{shown:?}");
        assert!(shown.contains(&"system.files".to_string()), "{shown:?}");
        let without_lake = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        assert_eq!(without_lake.tables(), []);
    }

    #[tokio::test]
    async fn columns_of_a_table_come_with_their_comments() {
        let (_folder, session) = session().await;
        let columns = session.columns("chains").await.unwrap();
        let chain = columns.field_with_name("chain").unwrap();
        assert!(!chain.is_nullable());
        assert!(chain.metadata()["comment"].contains("heavy, light"));
    }

    #[tokio::test]
    async fn what_is_no_relation_has_no_columns_and_does_nothing() {
        let (_folder, session) = session().await;
        for sneaky in ["chains; DROP TABLE chains", "", "none"] {
            assert!(session.columns(sneaky).await.is_err(), "{sneaky:?}");
        }
        assert!(session.columns("chains").await.is_ok());
    }
}
