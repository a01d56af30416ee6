//! `DELETE FROM t [WHERE …]`.

use datafusion::sql::sqlparser::ast::{Delete, FromTable};
use deltalake::protocol::DeltaOperation;

use super::Scope;
use super::resolve::unsupported;
use super::rewrite::{ACTION, DELETE, RowChanges};
use super::target::{ADDRESSED, Target, only_table};
use super::template::Parts;
use crate::error::Result;
use crate::session::Session;
use crate::tables::{FILE, ROW};

/// Plans to remove the rows for which the condition is true.
pub async fn delete(session: &Session, statement: &Delete) -> Result<RowChanges> {
    let Delete {
        delete_token: _,
        optimizer_hints,
        tables,
        from: FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from),
        using,
        selection,
        returning,
        output,
        order_by,
        limit,
    } = statement;
    for (given, clause) in [
        (!optimizer_hints.is_empty(), "an optimizer hint"),
        (!tables.is_empty(), "DELETE of several tables"),
        (
            using.is_some(),
            "DELETE … USING (use WHERE … IN (SELECT …), or MERGE)",
        ),
        (
            returning.is_some() || output.is_some(),
            "DELETE … RETURNING",
        ),
        (!order_by.is_empty(), "DELETE … ORDER BY"),
        (limit.is_some(), "DELETE … LIMIT"),
    ] {
        if given {
            return Err(unsupported(clause));
        }
    }
    let scope = Scope::new(session).await?;
    let target = Target::of_deletion(session, &scope, only_table(from, "DELETE")?).await?;
    target.pin_addressed(&scope)?;
    let mut parts = Parts::default();
    let condition = match selection {
        Some(condition) => parts.expression(condition.clone()),
        None => "TRUE".into(),
    };
    let query = parts.fill(&format!(
        "SELECT {FILE}, {ROW}, CAST({DELETE} AS BIGINT) AS {ACTION} FROM main.{ADDRESSED} AS {} WHERE {condition}",
        target.alias
    ))?;
    let plan = scope.plan_ast(query).await?;
    let operation = DeltaOperation::Delete {
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
