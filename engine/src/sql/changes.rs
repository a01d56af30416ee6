//! `table_changes('t', from [, to])` in FROM: the rows that changed between two versions.
//!
//! Which rows they are is read from the log, which a table function of DataFusion, not being
//! asynchronous, cannot do. So the calls are found in the syntax, and what they give is pinned in the
//! statement's scope.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Statement as Ast, TableAlias,
    TableFactor, Value, VisitMut as _, VisitorMut,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::dialect::LakeDialect;
use super::resolve;
use super::target::split;
use crate::error::{Error, Result};
use crate::tables::Moment;

/// Name of the function.
const FUNCTION: &str = "table_changes";

/// One call: the table by schema and name, and the versions.
pub struct Call {
    /// Schema and name of the table.
    pub table: (String, String),
    /// The first version whose changes are wanted.
    pub from: Moment,
    /// The last; the newest where not given.
    pub to: Option<Moment>,
    /// Name that stands in the statement now, in schema `main`.
    pub pinned: String,
}

/// Takes the calls out of a statement, a name for each in their place.
///
/// # Errors
/// Arguments that are not a table's name and one or two versions or times.
pub fn take(statement: &mut Ast) -> Result<Vec<Call>> {
    let mut calls = Calls(Vec::new());
    match statement.visit(&mut calls) {
        ControlFlow::Continue(()) => Ok(calls.0),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Calls(Vec<Call>);

impl VisitorMut for Calls {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table {
            name, alias, args, ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        if args.is_none() || !name.to_string().eq_ignore_ascii_case(FUNCTION) {
            return ControlFlow::Continue(());
        }
        let given: Vec<Expr> = args
            .take()
            .map(|args| args.args)
            .unwrap_or_default()
            .into_iter()
            // What is not a value by its place, is none that the call takes.
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => value,
                other => Expr::Identifier(Ident::new(other.to_string())),
            })
            .collect();
        let pinned = format!("__paratope_changes_{}", self.0.len());
        match call(&given, &pinned) {
            Ok(call) => self.0.push(call),
            Err(error) => return ControlFlow::Break(error),
        }
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::new(FUNCTION),
                columns: Vec::new(),
                at: None,
            });
        }
        *name = ObjectName::from(vec![Ident::new("main"), Ident::new(pinned)]);
        ControlFlow::Continue(())
    }
}

fn call(given: &[Expr], pinned: &str) -> Result<Call> {
    let usage = || {
        Error::Invalid(format!(
            "{FUNCTION} takes a table and one or two versions or times: {FUNCTION}('chains', 3), {FUNCTION}('main.chains', 3, 7), {FUNCTION}('chains', '2026-05-17 08:00:00')"
        ))
    };
    let (Some(table), Some(from), true) = (given.first(), given.get(1), given.len() <= 3) else {
        return Err(usage());
    };
    let Some(table) = resolve::literal(table).and_then(|value| value.clone().into_string()) else {
        return Err(usage());
    };
    let dialect = LakeDialect::default();
    let mut parser = Parser::new(&dialect).try_with_sql(&table)?;
    let name = parser.parse_object_name(false)?;
    if parser.peek_token_ref().token != Token::EOF {
        return Err(usage());
    }
    let version = |given: &Expr| match resolve::literal(given) {
        Some(Value::Number(number, _)) => number
            .to_string()
            .parse()
            .map(Moment::Version)
            .map_err(|_| usage()),
        Some(value) => match value.clone().into_string() {
            Some(text) => resolve::timestamp(&text),
            None => Err(usage()),
        },
        None => Err(usage()),
    };
    Ok(Call {
        table: split(&name)?,
        from: version(from)?,
        to: given.get(2).map(version).transpose()?,
        pinned: pinned.to_string(),
    })
}
