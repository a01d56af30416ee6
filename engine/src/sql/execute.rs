//! Which statement is carried out where.

use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::{Insert, Statement as Ast};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::resolve::unsupported;
use super::rewrite::{RowChanges, rewrite, until_settled};
use super::{
    Scope, Statement, alter, copy_into, create_table, delete, insert, jobs, merge, models, plan,
    update, upkeep, views,
};
use crate::error::{Error, Result};
use crate::session::{Answer, Session, copy};

/// Carries out one statement.
///
/// # Errors
/// Unknown names, wrong types, statements and clauses that this version does not carry out.
pub fn execute(session: &Session, statement: Statement) -> BoxFuture<'_, Result<Answer>> {
    async move { plan(session, statement).await?.run(session).await }.boxed()
}

/// Carries out a statement that changes the lake, or that is no query of DataFusion's.
pub async fn carry_out(session: &Session, statement: Statement) -> Result<Answer> {
    match statement {
        Statement::Plain(statement) => plain(session, *statement).await,
        Statement::CreateView(view, text) => {
            views::create_view(session, &view, &text).await?;
            Answer::done()
        }
        Statement::Optimize {
            table,
            predicate,
            zorder,
        } => upkeep::optimize(session, &table, predicate.as_deref(), &zorder).await,
        Statement::Vacuum {
            table,
            retain_hours,
            dry_run,
        } => upkeep::vacuum(session, &table, retain_hours, dry_run).await,
        Statement::Maintain { table, dry_run } => {
            upkeep::maintain(session, table.as_ref(), dry_run).await
        }
        Statement::Checkpoint(table) => upkeep::checkpoint(session, &table).await,
        Statement::Restore(table, to) => upkeep::restore(session, &table, to).await,
        Statement::History(table, limit) => upkeep::history(session, &table, limit).await,
        Statement::Detail(table) => upkeep::detail(session, &table).await,
        Statement::CopyInto {
            table,
            inputs,
            options,
        } => copy_into::copy_into(session, &table, &inputs, options).await,
        Statement::CreateModel {
            name,
            source,
            options,
        } => models::create(session, &name, &source, options).await,
        Statement::DropModel { name, if_exists } => models::drop(session, &name, if_exists).await,
        Statement::ShowModels => models::show(session).await,
        Statement::ExplainInference(query) => models::explain(session, *query).await,
        Statement::CreateJob(job) => {
            jobs::create_job(session, &job).await?;
            Answer::done()
        }
        Statement::DropJob { name, if_exists } => {
            jobs::drop_job(session, &name, if_exists).await?;
            Answer::done()
        }
        Statement::Kill(id) => {
            session.kill(&id)?;
            Answer::done()
        }
    }
}

async fn plain(session: &Session, statement: Plain) -> Result<Answer> {
    if let Plain::Statement(inner) = &statement {
        if let Some(answer) = definition(session, inner).await? {
            return Ok(answer);
        }
        let rows = match inner.as_ref() {
            Ast::Insert(it) => Some(until_settled(|| inserted(session, it).boxed()).await?),
            Ast::Update(_) | Ast::Delete(_) | Ast::Merge(_) => {
                Some(until_settled(|| changed(session, inner).boxed()).await?)
            }
            _ => None,
        };
        if let Some(rows) = rows {
            return Answer::count(rows);
        }
    }
    match statement {
        // Its rows are a statement of their own.
        Plain::CopyTo(copy) => copy::copy(session, copy).await,
        // An external table, which is the session's.
        statement => {
            let scope = Scope::new(session).await?;
            let plan = session.admit(scope.plan(statement).await?)?;
            session.run_in_context(plan).await
        }
    }
}

async fn inserted(session: &Session, statement: &Insert) -> Result<u64> {
    insert::add(session, insert::insert(session, statement).await?).await
}

async fn changed(session: &Session, statement: &Ast) -> Result<u64> {
    match row_changes(session, statement).await? {
        Some(changes) => rewrite(session, changes).await,
        None => Err(unsupported("this statement")),
    }
}

/// What UPDATE, DELETE and MERGE would change; `None` for other statements.
pub async fn row_changes(session: &Session, statement: &Ast) -> Result<Option<RowChanges>> {
    match statement {
        Ast::Update(it) => update::update(session, it).await.map(Some),
        Ast::Delete(it) => delete::delete(session, it).await.map(Some),
        Ast::Merge(it) => merge::merge(session, it).await.map(Some),
        _ => Ok(None),
    }
}

/// Carries out what defines tables and views; `None` for other statements.
async fn definition(session: &Session, statement: &Ast) -> Result<Option<Answer>> {
    match statement {
        Ast::CreateTable(table) => {
            let rows = create_table::create_table(session, table).await?;
            match table.query {
                Some(_) => Answer::count(rows).map(Some),
                None => Answer::done().map(Some),
            }
        }
        Ast::AlterTable(table) => {
            alter::alter_table(session, table).await?;
            Answer::done().map(Some)
        }
        Ast::Drop {
            object_type,
            if_exists,
            names,
            cascade,
            restrict: _,
            purge,
            temporary,
            table,
        } => {
            for (given, clause) in [
                (*cascade, "CASCADE"),
                (
                    *purge,
                    "PURGE (maintenance deletes the files after the table's retention)",
                ),
                (*temporary || table.is_some(), "TEMPORARY, ON"),
            ] {
                if given {
                    return Err(unsupported(&format!("DROP … {clause}")));
                }
            }
            match alter::drop(session, *object_type, names, *if_exists).await? {
                true => Answer::done().map(Some),
                false => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// Statements that nobody carries out, with what to use instead.
pub fn refused(statement: &Ast) -> Option<Error> {
    Some(match statement {
        Ast::AlterView { .. } => unsupported("ALTER VIEW (use CREATE OR REPLACE VIEW)"),
        Ast::CreateMacro { .. } => unsupported(FUNCTION),
        Ast::StartTransaction { .. }
        | Ast::Commit { .. }
        | Ast::Rollback { .. }
        | Ast::Savepoint { .. }
        | Ast::ReleaseSavepoint { .. } => Error::Unsupported(
            "transactions over several statements: each statement is a transaction of its own (autocommit)".into(),
        ),
        _ => return None,
    })
}

/// `CREATE FUNCTION`, and what to write in its place.
const FUNCTION: &str = "CREATE FUNCTION, CREATE MACRO (use CREATE VIEW, or WITH … AS in the query)";
/// `CREATE SCHEMA` likewise.
const SCHEMA: &str = "CREATE SCHEMA, CREATE DATABASE (a lake has the schemas main and system; begin the names of tables \
    that belong together alike, or give each project a lake of its own)";
/// `CREATE INDEX` likewise.
const INDEX: &str = "CREATE INDEX (files are skipped by their statistics: write OPTIMIZE … ZORDER BY (…), or CREATE TABLE \
    … TBLPROPERTIES ('paratope.sortColumns' = '…'))";

/// Refuses plans that would not do what they say.
pub fn check(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => Err(unsupported("CREATE TABLE")),
        LogicalPlan::Ddl(DdlStatement::CreateView(_)) => Err(unsupported("CREATE VIEW")),
        LogicalPlan::Ddl(DdlStatement::CreateCatalog(_) | DdlStatement::CreateCatalogSchema(_)) => {
            Err(unsupported(SCHEMA))
        }
        LogicalPlan::Ddl(DdlStatement::CreateIndex(_)) => Err(unsupported(INDEX)),
        LogicalPlan::Ddl(DdlStatement::CreateFunction(_)) => Err(unsupported(FUNCTION)),
        LogicalPlan::Ddl(DdlStatement::DropFunction(_)) => Err(unsupported("DROP FUNCTION")),
        LogicalPlan::Dml(dml) => Err(unsupported(&format!("{} here", dml.op.name()))),
        LogicalPlan::Explain(explain) => check(&explain.plan),
        LogicalPlan::Analyze(analyze) => check(&analyze.input),
        _ => Ok(()),
    }
}
