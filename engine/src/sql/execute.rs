//! Which statement is carried out where.

use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use futures::FutureExt as _;

use super::resolve::unsupported;
use super::rewrite::until_settled;
use super::{Scope, Statement, delete, insert, merge, update};
use crate::error::Result;
use crate::session::{Answer, Session};

/// Carries out one statement.
///
/// # Errors
/// Unknown names, wrong types, statements and clauses that this version does not carry out.
pub async fn execute(session: &Session, statement: Statement) -> Result<Answer> {
    match statement {
        Statement::Plain(statement) => plain(session, *statement).await,
        Statement::Optimize { .. } => Err(unsupported("OPTIMIZE")),
        Statement::Vacuum { .. } => Err(unsupported("VACUUM")),
        Statement::Checkpoint(_) => Err(unsupported("CHECKPOINT")),
        Statement::Restore(..) => Err(unsupported("RESTORE")),
        Statement::History(..) => Err(unsupported("DESCRIBE HISTORY")),
        Statement::Detail(_) => Err(unsupported("DESCRIBE DETAIL")),
        Statement::CopyInto { .. } => Err(unsupported("COPY INTO")),
    }
}

async fn plain(session: &Session, statement: Plain) -> Result<Answer> {
    if let Plain::Statement(inner) = &statement {
        let rows = match inner.as_ref() {
            Ast::Insert(it) => Some(until_settled(|| insert::insert(session, it).boxed()).await?),
            Ast::Update(it) => Some(until_settled(|| update::update(session, it).boxed()).await?),
            Ast::Delete(it) => Some(until_settled(|| delete::delete(session, it).boxed()).await?),
            Ast::Merge(it) => Some(until_settled(|| merge::merge(session, it).boxed()).await?),
            _ => None,
        };
        if let Some(rows) = rows {
            return Answer::count(rows);
        }
    }
    let scope = Scope::new(session).await?;
    let plan = scope.plan(statement).await?;
    check(&plan)?;
    match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => session.run_in_context(plan).await,
        plan => scope.run(&plan).await,
    }
}

/// Refuses plans that would not do what they say.
fn check(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => Err(unsupported("CREATE TABLE")),
        LogicalPlan::Ddl(DdlStatement::CreateView(_)) => Err(unsupported("CREATE VIEW")),
        LogicalPlan::Dml(dml) => Err(unsupported(&format!("{} here", dml.op.name()))),
        LogicalPlan::Explain(explain) => check(&explain.plan),
        LogicalPlan::Analyze(analyze) => check(&analyze.input),
        _ => Ok(()),
    }
}
