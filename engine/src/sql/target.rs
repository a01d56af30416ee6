//! The table that a statement changes.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, TableFactor, TableWithJoins,
};
use deltalake::kernel::EagerSnapshot;

use super::Scope;
use super::resolve::{split_moment, unsupported};
use crate::catalog::{CATALOG, SCHEMAS};
use crate::error::{Error, Result};
use crate::policy::Deed;
use crate::session::Session;
use crate::tables::{LakeTableProvider, Table};

/// Name under which a scope holds the target with the addresses of its rows.
pub const ADDRESSED: &str = "__paratope_target";

/// The one of the lake's own books whose rows may be deleted: they are computed again.
const FORGETTABLE: &str = "system.inference_results";

/// A table of the lake at the version that a statement starts from.
pub struct Target {
    /// The table.
    pub table: Arc<Table>,
    /// How the statement calls it.
    pub alias: Ident,
    /// Its reader at this version.
    pub reader: Arc<LakeTableProvider>,
}

impl Target {
    /// Looks up a table by name.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for views and external tables; `Denied` for the lake's own books.
    pub async fn of(session: &Session, scope: &Scope, name: &ObjectName) -> Result<Self> {
        Self::of_one(session, scope, name, &[]).await
    }

    /// `books` are those of the lake's own books that the statement may change.
    async fn of_one(
        session: &Session,
        scope: &Scope,
        name: &ObjectName,
        books: &[&str],
    ) -> Result<Self> {
        let (schema, table) = split(name)?;
        let full_name = format!("{schema}.{table}");
        if let (table, Some(moment)) = split_moment(&table)? {
            return Err(Error::Invalid(format!(
                "{schema}.{table} {moment}: only the newest version of a table can be changed; leave the clause out, or \
                 bring the older one back first with RESTORE {table} TO …"
            )));
        }
        if schema != SCHEMAS[0] && !books.contains(&full_name.as_str()) {
            if !SCHEMAS.contains(&schema.as_str()) {
                return Err(Error::NotFound(format!("there is no schema {schema}")));
            }
            return Err(Error::Denied(format!(
                "{full_name} is kept by paratope itself and cannot be changed by a statement"
            )));
        }
        session
            .caller()
            .grants
            .check(Deed::Write, &schema, &table)?;
        let provider = scope.table(&schema, &table).await?;
        let Ok(reader) = (provider as Arc<dyn std::any::Any + Send + Sync>).downcast() else {
            return Err(Error::Invalid(format!(
                "{full_name} is a view or an external table; rows are changed in tables of the lake"
            )));
        };
        Ok(Self {
            table: session.require_lake()?.table(&full_name)?,
            alias: Ident::with_quote('"', table),
            reader,
        })
    }

    /// The same for `name [AS alias]` in FROM or after UPDATE.
    pub async fn of_factor(session: &Session, scope: &Scope, factor: &TableFactor) -> Result<Self> {
        Self::of_one_factor(session, scope, factor, &[]).await
    }

    /// The same for a statement that only takes rows away: what is kept to be found again may be forgotten.
    pub async fn of_deletion(
        session: &Session,
        scope: &Scope,
        factor: &TableFactor,
    ) -> Result<Self> {
        Self::of_one_factor(session, scope, factor, &[FORGETTABLE]).await
    }

    async fn of_one_factor(
        session: &Session,
        scope: &Scope,
        factor: &TableFactor,
        books: &[&str],
    ) -> Result<Self> {
        let TableFactor::Table {
            name, alias, args, ..
        } = factor
        else {
            return Err(Error::Invalid(format!(
                "{factor} is not the name of a table"
            )));
        };
        if args.is_some() {
            return Err(Error::Invalid(format!(
                "{factor} is not the name of a table"
            )));
        }
        let mut target = Self::of_one(session, scope, name, books).await?;
        if let Some(alias) = alias {
            if !alias.columns.is_empty() {
                return Err(unsupported("an alias for columns of the table to change"));
            }
            target.alias = alias.name.clone();
        }
        Ok(target)
    }

    /// The snapshot that the statement starts from.
    pub fn base(&self) -> Result<&EagerSnapshot> {
        self.reader.snapshot()
    }

    /// Columns as they are stored.
    pub fn stored_schema(&self) -> Result<SchemaRef> {
        Ok(Table::schema(self.base()?))
    }

    /// Lets queries of `scope` read the table with addresses, as `main.__paratope_target`.
    pub fn pin_addressed(&self, scope: &Scope) -> Result<()> {
        let addressed = self.reader.with_addresses()?;
        scope.pin(SCHEMAS[0], ADDRESSED, Arc::new(addressed));
        Ok(())
    }

    /// The column that a qualified or plain name means.
    pub fn column(&self, name: &ObjectName) -> Result<String> {
        let parts = identifiers(name)?;
        let (column, qualifier) = match parts.as_slice() {
            [column] => (normal(column), None),
            [qualifier, column] => (normal(column), Some(normal(qualifier))),
            _ => return Err(Error::Invalid(format!("{name} is not a column"))),
        };
        let known = self.stored_schema()?;
        let foreign = qualifier.is_some_and(|qualifier| qualifier != normal(&self.alias));
        if foreign || known.index_of(&column).is_err() {
            return Err(Error::Invalid(format!(
                "{} has no column {name}",
                self.table.name()
            )));
        }
        Ok(column)
    }
}

/// The one table of a FROM list that has neither joins nor further tables.
pub fn only_table<'a>(tables: &'a [TableWithJoins], statement: &str) -> Result<&'a TableFactor> {
    match tables {
        [table] if table.joins.is_empty() => Ok(&table.relation),
        _ => Err(unsupported(&format!("{statement} of several tables"))),
    }
}

/// Schema and name, as DataFusion normalises them.
pub fn split(name: &ObjectName) -> Result<(String, String)> {
    let parts: Vec<String> = identifiers(name)?.into_iter().map(normal).collect();
    match parts.as_slice() {
        [table] => Ok((SCHEMAS[0].into(), table.clone())),
        [schema, table] => Ok((schema.clone(), table.clone())),
        [catalog, schema, table] if catalog == CATALOG => Ok((schema.clone(), table.clone())),
        _ => Err(Error::NotFound(format!("there is no table {name}"))),
    }
}

fn identifiers(name: &ObjectName) -> Result<Vec<&Ident>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(_) => Err(Error::Invalid(format!("{name} is not a name"))),
        })
        .collect()
}

/// Unquoted names are lower case.
pub fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
