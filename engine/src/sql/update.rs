//! `UPDATE t SET … [WHERE …]`.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Assignment, AssignmentTarget, Expr, Update};
use deltalake::protocol::DeltaOperation;

use super::Scope;
use super::resolve::unsupported;
use super::rewrite::{ACTION, RowChanges, UPDATE};
use super::target::{ADDRESSED, Target, normal, only_table};
use super::template::{Parts, quoted};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::tables::{FILE, ROW};

/// Plans to set columns of the rows for which the condition is true.
pub async fn update(session: &Session, statement: &Update) -> Result<RowChanges> {
    let Update {
        update_token: _,
        optimizer_hints,
        table,
        assignments,
        from,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = statement;
    for (given, clause) in [
        (!optimizer_hints.is_empty(), "an optimizer hint"),
        (from.is_some(), "UPDATE … FROM (use MERGE)"),
        (
            returning.is_some() || output.is_some(),
            "UPDATE … RETURNING",
        ),
        (or.is_some(), "UPDATE OR …"),
        (!order_by.is_empty(), "UPDATE … ORDER BY"),
        (limit.is_some(), "UPDATE … LIMIT"),
    ] {
        if given {
            return Err(unsupported(clause));
        }
    }
    let scope = Scope::new(session).await?;
    let factor = only_table(std::slice::from_ref(table), "UPDATE")?;
    let target = Target::of_factor(session, &scope, factor).await?;
    target.pin_addressed(&scope)?;
    let values = assigned(&target, assignments)?;
    let mut parts = Parts::default();
    let mut columns = Vec::new();
    let alias = &target.alias;
    for field in target.stored_schema()?.fields() {
        let name = quoted(field.name());
        columns.push(match values.get(field.name()) {
            Some(value) => format!("{} AS {name}", parts.expression(value.clone())),
            None => format!("{alias}.{name}"),
        });
    }
    let condition = match selection {
        Some(condition) => parts.expression(condition.clone()),
        None => "TRUE".into(),
    };
    let query = parts.fill(&format!(
        "SELECT {FILE}, {ROW}, CAST({UPDATE} AS BIGINT) AS {ACTION}, {} FROM main.{ADDRESSED} AS {alias} WHERE {condition}",
        columns.join(", ")
    ))?;
    let plan = scope.plan_ast(query).await.map_err(plainer)?;
    let operation = DeltaOperation::Update {
        predicate: selection.as_ref().map(ToString::to_string),
    };
    Ok(RowChanges {
        scope,
        target,
        plan,
        operation,
        transactions: Vec::new(),
    })
}

/// Says what an error about an aggregate means in SET: the rows have addresses, of which users know nothing.
pub fn plainer(error: Error) -> Error {
    match error {
        Error::Invalid(message) if message.contains(FILE) && message.contains("aggregate") => {
            Error::Invalid(
                "an aggregate function cannot stand in SET, which gives each row a value of its own; compute it in a \
                 subquery: SET x = (SELECT max(y) FROM …)"
                    .into(),
            )
        }
        error => error,
    }
}

/// New values by column.
///
/// # Errors
/// An unknown column, one that is set twice, `DEFAULT`, a tuple.
pub fn assigned(target: &Target, assignments: &[Assignment]) -> Result<HashMap<String, Expr>> {
    let mut values = HashMap::new();
    for Assignment { target: set, value } in assignments {
        let AssignmentTarget::ColumnName(name) = set else {
            return Err(unsupported("SET of several columns at once"));
        };
        let column = target.column(name)?;
        if let Expr::Identifier(word) = value
            && word.quote_style.is_none()
            && normal(word) == "default"
        {
            return Err(unsupported("SET … = DEFAULT"));
        }
        if values.insert(column, value.clone()).is_some() {
            return Err(Error::Invalid(format!("{name} is set twice")));
        }
    }
    Ok(values)
}
