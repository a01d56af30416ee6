//! `CREATE [OR REPLACE] VIEW v AS …`: a query kept in the catalog, planned where it is used.

use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::{CreateTableOptions, CreateView, Query, Statement as Ast};

use super::Scope;
use super::resolve::unsupported;
use super::target::split;
use crate::catalog::{self, CreateMode, Name};
use crate::error::{Error, Result};
use crate::policy::Deed;
use crate::session::Session;

/// Creates a view, once its query can be planned. `text` is the query as it was written.
pub async fn create_view(session: &Session, statement: &CreateView, text: &str) -> Result<()> {
    let CreateView {
        or_alter,
        or_replace,
        materialized,
        secure,
        name,
        name_before_not_exists: _,
        columns,
        query,
        options,
        cluster_by,
        comment,
        with_no_schema_binding,
        if_not_exists,
        temporary,
        copy_grants,
        to,
        params,
    } = statement;
    for (given, clause) in [
        (*or_alter, "OR ALTER (use OR REPLACE)"),
        (*materialized, "MATERIALIZED (use CREATE TABLE … AS)"),
        (*secure, "SECURE"),
        (!columns.is_empty(), "a column list (use AS in the query)"),
        (*options != CreateTableOptions::None, "OPTIONS"),
        (!cluster_by.is_empty(), "CLUSTER BY"),
        (comment.is_some(), "COMMENT"),
        (*with_no_schema_binding, "WITH NO SCHEMA BINDING"),
        (*temporary, "TEMPORARY"),
        (*copy_grants, "COPY GRANTS"),
        (to.is_some() || params.is_some(), "TO, ALGORITHM, DEFINER"),
    ] {
        if given {
            return Err(unsupported(&format!("CREATE VIEW … {clause}")));
        }
    }
    let mode = match (or_replace, if_not_exists) {
        (true, true) => return Err(unsupported("OR REPLACE together with IF NOT EXISTS")),
        (true, false) => CreateMode::OrReplace,
        (false, true) => CreateMode::IfNotExists,
        (false, false) => CreateMode::New,
    };
    let (schema, name) = split(name)?;
    session.caller().grants.check(Deed::Write, &schema, &name)?;
    refuse_tables_of_the_session(session, query)?;
    let scope = Scope::new(session).await?;
    scope.plan_ast(Ast::Query(query.clone())).await?;
    catalog::create_view(
        session.require_lake()?,
        &Name::new(schema, name),
        text,
        mode,
    )
    .await?;
    Ok(())
}

/// A view is there for every session, an external table for the one that made it.
fn refuse_tables_of_the_session(session: &Session, query: &Query) -> Result<()> {
    let query = Plain::Statement(Box::new(Ast::Query(Box::new(query.clone()))));
    let Some(catalog) = session.lake_catalog() else {
        return Ok(());
    };
    let foreign = catalog::views::references(&query)?
        .into_iter()
        .find(|name| catalog.has_session_table(&name.schema_name, &name.name));
    match foreign {
        Some(name) => Err(Error::Invalid(format!(
            "{name} is an external table, which ends with the session, and a view does not; copy it with CREATE TABLE … AS first"
        ))),
        None => Ok(()),
    }
}
