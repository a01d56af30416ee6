//! `EXPLAIN INSERT | UPDATE | DELETE | MERGE`: the query that finds the rows, of which nothing is carried out.

use std::sync::Arc;

use datafusion::logical_expr::{LogicalPlan, PlanType, ToStringifiedPlan as _};
use datafusion::sql::parser::{ExplainStatement, Statement as Plain};
use datafusion::sql::sqlparser::ast::Statement as Ast;

use super::execute::row_changes;
use super::insert;
use crate::error::{Error, Result};
use crate::session::{Answer, Session};

/// Explains a statement that changes rows; `None` for other statements.
///
/// # Errors
/// The statement's own; `EXPLAIN ANALYZE`, which would carry it out.
pub async fn change(session: &Session, explain: &ExplainStatement) -> Result<Option<Answer>> {
    let Plain::Statement(inner) = explain.statement.as_ref() else {
        return Ok(None);
    };
    let (scope, plan) = match inner.as_ref() {
        Ast::Insert(statement) => {
            let rows = insert::insert(session, statement).await?;
            (rows.scope, rows.plan)
        }
        statement => match row_changes(session, statement).await? {
            Some(changes) => (changes.scope, changes.plan),
            None => return Ok(None),
        },
    };
    // DataFusion settles the options of EXPLAIN; the plan in it is ours.
    let mut nothing = explain.clone();
    nothing.statement = Box::new(Plain::Statement(Box::new(nothing_to_explain()?)));
    let LogicalPlan::Explain(mut explained) = scope.plan(Plain::Explain(nothing)).await? else {
        return Err(Error::Unsupported(
            "EXPLAIN ANALYZE of a statement that changes rows would change them; EXPLAIN shows its plan".into(),
        ));
    };
    explained.stringified_plans = vec![plan.to_stringified(PlanType::InitialLogicalPlan)];
    explained.plan = Arc::new(plan);
    scope.run(&LogicalPlan::Explain(explained)).await.map(Some)
}

fn nothing_to_explain() -> Result<Ast> {
    super::template::Parts::default().fill("SELECT 1")
}
