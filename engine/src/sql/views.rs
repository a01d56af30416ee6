//! `CREATE [OR REPLACE] VIEW v AS …`: a query kept in the catalog, planned where it is used.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::{
    CreateTableOptions, CreateView, FunctionArg, FunctionArgExpr, Ident, ObjectNamePart, Query,
    Statement as Ast, TableFactor, Visit as _, Visitor,
};

use super::Scope;
use super::resolve::{literal, unsupported};
use super::target::{normal, split};
use crate::catalog::{self, CreateMode, Name};
use crate::error::{Error, Result};
use crate::policy::Deed;
use crate::session::Session;
use crate::table_functions;

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
    refuse_relative_paths(query)?;
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

/// A view is there in every working directory, a path like `'reads.csv'` in the one where it was written.
fn refuse_relative_paths(query: &Query) -> Result<()> {
    let mut paths = Paths(Vec::new());
    let _ = query.visit(&mut paths);
    let relative = |path: &&String| {
        let is_url = path
            .split_once("://")
            .is_some_and(|(scheme, _)| !scheme.contains('/'));
        !is_url && !path.starts_with('/')
    };
    match paths.0.iter().find(relative) {
        None => Ok(()),
        Some(path) => {
            let whole = std::path::absolute(path)?;
            Err(Error::Invalid(format!(
                "'{path}' depends on the working directory, and a view is used in others too; write the whole path, '{}', or \
                 copy the rows with CREATE TABLE … AS",
                whole.display()
            )))
        }
    }
}

/// Paths and URLs that a query reads: `FROM 'file'`, `FROM read_fasta('file', …)`.
struct Paths(Vec<String>);

impl Visitor for Paths {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        match (name.0.as_slice(), args) {
            ([ObjectNamePart::Identifier(file)], None)
                if file.quote_style.is_some() && file.value.contains(['/', '.', '*', '?', '[']) =>
            {
                self.0.push(file.value.clone());
            }
            ([ObjectNamePart::Identifier(function)], Some(args)) if is_reader(function) => {
                let texts = args.args.iter().filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => literal(value),
                    _ => None,
                });
                let texts = texts.filter_map(|text| text.clone().into_string());
                self.0.extend(texts.enumerate().filter_map(|(index, text)| {
                    // An alphabet or a mapping of columns may follow the paths.
                    let is_option =
                        index > 0 && (text.contains('=') || ALPHABETS.contains(&text.as_str()));
                    (!is_option).then_some(text)
                }));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Words that `read_fasta` takes behind its paths.
const ALPHABETS: [&str; 3] = ["auto", "nucleotide", "amino_acid"];

fn is_reader(function: &Ident) -> bool {
    table_functions::all()
        .iter()
        .any(|(name, _)| *name == normal(function))
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
