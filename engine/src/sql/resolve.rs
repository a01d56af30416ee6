//! What is parsed is carried out, or is an error that names it.
//!
//! The planner drops some clauses of a table reference without a word, time travel among them. So
//! they are looked for in the syntax: time travel becomes part of the table's name, which the
//! lake's catalog understands; the others are refused.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::sql::parser::{CopyToSource, Statement as Plain};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, SelectFlavor, SelectItem, SetExpr, TableAlias,
    TableFactor, TableVersion, Value, VisitMut as _, VisitorMut, WildcardAdditionalOptions,
};

use super::clauses;
use crate::error::{Error, Result};
use crate::tables::Moment;

/// Between a table's name and the moment it is read at; no table's own name may hold it.
pub const AT: char = '@';

/// Completes a statement, or refuses what would not be carried out.
pub fn resolve(statement: &mut Plain) -> Result<()> {
    match statement {
        Plain::Statement(inner) => visited(inner.visit(&mut Resolve)),
        Plain::Explain(explain) => resolve(&mut explain.statement),
        Plain::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => visited(query.visit(&mut Resolve)),
            CopyToSource::Relation(_) => Ok(()),
        },
        Plain::CreateExternalTable(_) | Plain::Reset(_) => Ok(()),
    }
}

/// The same for an expression that stands alone.
pub fn check_expression(expression: &mut Expr) -> Result<()> {
    visited(expression.visit(&mut Resolve))
}

/// The error for a clause that is understood but not carried out.
pub fn unsupported(clause: &str) -> Error {
    Error::Unsupported(format!(
        "{clause} is not carried out by this version of paratope; nothing was changed"
    ))
}

/// A table's name and the moment that was made part of it.
///
/// # Errors
/// `NotFound` for a name with `@` that does not come from here.
pub fn split_moment(name: &str) -> Result<(&str, Option<Moment>)> {
    let Some((table, moment)) = name.rsplit_once(AT) else {
        return Ok((name, None));
    };
    let parsed = match moment.split_at_checked(1) {
        Some(("v", version)) => version.parse().ok().map(Moment::Version),
        Some(("t", micros)) => micros
            .parse()
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            .map(Moment::Timestamp),
        _ => None,
    };
    match parsed {
        Some(moment) => Ok((table, Some(moment))),
        None => Err(Error::NotFound(format!(
            "there is no table {name:?}; an older version is read with {table} VERSION AS OF n"
        ))),
    }
}

/// The moment that a clause names.
pub fn moment(version: &TableVersion) -> Result<Moment> {
    match version {
        TableVersion::VersionAsOf(expression) => match literal(expression) {
            Some(Value::Number(number, _)) => number
                .to_string()
                .parse()
                .map(Moment::Version)
                .map_err(|_| Error::Invalid(format!("{number} is not a version"))),
            _ => Err(Error::Invalid(format!(
                "VERSION AS OF takes a number, not {expression}"
            ))),
        },
        TableVersion::TimestampAsOf(expression) | TableVersion::ForSystemTimeAsOf(expression) => {
            let Some(text) = literal(expression).and_then(|value| value.clone().into_string())
            else {
                return Err(Error::Invalid(format!(
                    "TIMESTAMP AS OF takes a text such as '2026-05-17 08:00:00', not {expression}"
                )));
            };
            timestamp(&text).map_err(|error| error.context("TIMESTAMP AS OF"))
        }
        TableVersion::Function(_) | TableVersion::Changes { .. } => Err(unsupported(
            "AT, BEFORE and CHANGES after a table (use VERSION AS OF, TIMESTAMP AS OF or table_changes)",
        )),
    }
}

/// A time; without a time zone it is UTC, as commit times are shown.
pub fn timestamp(text: &str) -> Result<Moment> {
    string_to_datetime(&Utc, text)
        .map(Moment::Timestamp)
        .map_err(|error| Error::Invalid(format!("'{text}' is not a time: {error}")))
}

/// A constant that stands in the text as such.
pub fn literal(expression: &Expr) -> Option<&Value> {
    match expression {
        Expr::Value(value) => Some(&value.value),
        Expr::TypedString(typed) => Some(&typed.value.value),
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn visited(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Resolve;

impl Resolve {
    /// `FROM t` alone means `SELECT * FROM t`, as in DuckDB; planned as parsed it has no columns.
    fn complete(body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) if select.flavor == SelectFlavor::FromFirstNoSelect => {
                select.flavor = SelectFlavor::Standard;
                select.projection =
                    vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
            }
            SetExpr::SetOperation { left, right, .. } => {
                Self::complete(left);
                Self::complete(right);
            }
            _ => {}
        }
    }

    fn table(factor: &mut TableFactor) -> Result<()> {
        clauses::check_table(factor)?;
        let TableFactor::Table {
            name,
            alias,
            version,
            ..
        } = factor
        else {
            return Ok(());
        };
        match version.take() {
            Some(version) => travel(name, alias, &version),
            None => Ok(()),
        }
    }
}

/// Makes the moment part of the table's name; the name without it stays as the alias.
fn travel(
    name: &mut ObjectName,
    alias: &mut Option<TableAlias>,
    version: &TableVersion,
) -> Result<()> {
    let suffix = match moment(version)? {
        Moment::Version(version) => format!("{AT}v{version}"),
        Moment::Timestamp(time) => format!("{AT}t{}", time.timestamp_micros()),
    };
    let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() else {
        return Err(Error::Invalid(format!("{name} is not the name of a table")));
    };
    let table = match last.quote_style {
        Some(_) => last.value.clone(),
        None => last.value.to_lowercase(),
    };
    if alias.is_none() {
        *alias = Some(TableAlias {
            explicit: true,
            name: last.clone(),
            columns: Vec::new(),
            at: None,
        });
    }
    *last = Ident::with_quote_and_span('"', last.span, table + &suffix);
    Ok(())
}

impl VisitorMut for Resolve {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        Self::complete(&mut query.body);
        match clauses::check_query(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match Self::table(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
