//! A statement before it is carried out: what it will answer, which versions it reads, which parameters it lacks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Statement as DataFusionStatement};
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::execute::{carry_out, check, refused, row_changes};
use super::{Scope, Statement, copy_into, explain, insert, models, upkeep};
use crate::distributed::{self, Part};
use crate::error::Result;
use crate::export::encode::{Encoding, encode};
use crate::session::{Answer, ClientOptions, Endpoints, Session, names};

/// A planned statement.
pub struct Planned {
    work: Work,
    schema: SchemaRef,
}

enum Work {
    /// A query.
    Rows(Box<(Scope, LogicalPlan)>),
    /// Changes the session alone.
    Session(Box<LogicalPlan>),
    /// Changes the lake or files; planned when it is carried out, from what the tables are then.
    Change(Box<Statement>),
    /// Was cheap to carry out and changes nothing.
    Done(Answer),
}

/// Plans a statement; nothing is changed.
///
/// # Errors
/// Unknown names, wrong types, statements and clauses that this version does not carry out.
pub async fn plan(session: &Session, statement: Statement) -> Result<Planned> {
    if let Statement::History(..) | Statement::Detail(_) | Statement::ShowModels = &statement {
        return Ok(done(carry_out(session, statement).await?));
    }
    if let Statement::Plain(plain) = &statement
        && let Plain::Statement(inner) = plain.as_ref()
        && let Some(error) = refused(inner)
    {
        return Err(error);
    }
    if let Some(schema) = change_schema(&statement) {
        return Ok(Planned {
            work: Work::Change(Box::new(statement)),
            schema,
        });
    }
    let Statement::Plain(statement) = statement else {
        return Ok(done(carry_out(session, statement).await?));
    };
    if let Plain::Explain(explained) = statement.as_ref()
        && let Some(answer) = explain::change(session, explained).await?
    {
        return Ok(done(answer));
    }
    let scope = Scope::new(session).await?;
    let plan = scope.plan(*statement).await?;
    check(&plan)?;
    let plan = session.admit(plan)?;
    if let LogicalPlan::Statement(DataFusionStatement::Execute(_)) = &plan {
        // Only the prepared statement knows its columns.
        return Ok(done(session.run_in_context(plan).await?));
    }
    Ok(match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => Planned {
            schema: Arc::new(plan.schema().as_arrow().clone()),
            work: Work::Session(Box::new(plan)),
        },
        plan => {
            let plan = names::plain_headers(plan)?;
            Planned {
                schema: Arc::new(plan.schema().as_arrow().clone()),
                work: Work::Rows(Box::new((scope, plan))),
            }
        }
    })
}

fn done(answer: Answer) -> Planned {
    Planned {
        schema: Arc::clone(&answer.schema),
        work: Work::Done(answer),
    }
}

/// What a statement that changes the lake answers; `None` for the others.
fn change_schema(statement: &Statement) -> Option<SchemaRef> {
    let counts = || {
        let count = Field::new("count", DataType::UInt64, false);
        Arc::new(Schema::new(vec![count]))
    };
    let nothing = || Arc::new(Schema::empty());
    Some(match statement {
        Statement::Plain(plain) => match plain.as_ref() {
            Plain::CopyTo(_) => counts(),
            Plain::Statement(inner) => match inner.as_ref() {
                Ast::Insert(_) | Ast::Update(_) | Ast::Delete(_) | Ast::Merge(_) => counts(),
                Ast::CreateTable(table) if table.query.is_some() => counts(),
                Ast::CreateTable(_) | Ast::AlterTable(_) | Ast::Drop { .. } => nothing(),
                _ => return None,
            },
            _ => return None,
        },
        Statement::CreateView(..)
        | Statement::Kill(_)
        | Statement::CreateJob(_)
        | Statement::DropJob { .. } => nothing(),
        Statement::CopyInto { .. } => copy_into::schema(),
        Statement::CreateModel { .. }
        | Statement::DropModel { .. }
        | Statement::ExplainInference(_) => models::schema(statement)?,
        other => upkeep::schema(other)?,
    })
}

impl Planned {
    /// The columns of its answer.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether it changes something and so must be carried out once only.
    pub fn is_change(&self) -> bool {
        matches!(self.work, Work::Change(_) | Work::Session(_))
    }

    /// The versions of the tables that it reads, by `schema.table`.
    pub fn pins(&self) -> BTreeMap<String, u64> {
        match &self.work {
            Work::Rows(planned) => planned.0.pins(),
            _ => BTreeMap::new(),
        }
    }

    /// The parts of a query that nodes can give to its client themselves, where its session asks for that; `None` where all
    /// rows come from here.
    ///
    /// # Errors
    /// The statement's.
    pub async fn parts(self) -> Result<Option<Vec<Part>>> {
        let Work::Rows(planned) = self.work else {
            return Ok(None);
        };
        let (scope, plan) = *planned;
        let options = scope.state().config_options();
        let asked = options.extensions.get::<ClientOptions>();
        if asked.is_none_or(|it| it.endpoints == Endpoints::Server) {
            return Ok(None);
        }
        let physical = scope.physical(&plan).await?;
        Ok(distributed::parts(&physical, scope.state())?)
    }

    /// Carries a query out for a file: gives parts of it and `true` where nodes may compute the rows, else the rows. It is planned
    /// once: what it asks of language models counts against what its user may ask.
    ///
    /// # Errors
    /// The statement's.
    pub(crate) fn run_for_file<'a>(
        self,
        session: &'a Session,
        encoding: Option<&'a Encoding>,
    ) -> BoxFuture<'a, Result<(Answer, bool)>> {
        async move {
            match (self.work, encoding) {
                (Work::Rows(planned), Some(encoding))
                    if distributed::has_nodes(planned.0.state().config()) =>
                {
                    let (scope, plan) = *planned;
                    let encoded = encode(plan, encoding.clone());
                    Ok((scope.run(&encoded).await?, true))
                }
                (work, _) => Ok((Self { work, ..self }.run(session).await?, false)),
            }
        }
        .boxed()
    }

    /// Carries it out.
    ///
    /// # Errors
    /// The statement's.
    pub async fn run(self, session: &Session) -> Result<Answer> {
        match self.work {
            Work::Rows(planned) => planned.0.run(&planned.1).await,
            Work::Session(plan) => session.run_in_context(*plan).await,
            Work::Change(statement) => carry_out(session, *statement).await,
            Work::Done(answer) => Ok(answer),
        }
    }
}

/// The parameters of a statement in their order, with the types that planning finds out for them.
///
/// # Errors
/// As for planning.
pub async fn parameters(
    session: &Session,
    statement: &Statement,
) -> Result<Vec<(String, Option<DataType>)>> {
    let names = super::bind::names(statement);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // What cannot be planned without values (LIMIT $1, generate_series(1, $1)) is planned with them; of what cannot be
    // planned at all, planning says so.
    let types = types(session, statement).await.unwrap_or_default();
    Ok(names
        .into_iter()
        .map(|name| {
            let known = types.get(&name).cloned().flatten();
            (name, known)
        })
        .collect())
}

async fn types(
    session: &Session,
    statement: &Statement,
) -> Result<HashMap<String, Option<DataType>>> {
    let Statement::Plain(plain) = statement else {
        return Ok(HashMap::new());
    };
    if let Plain::Statement(inner) = plain.as_ref() {
        if let Ast::Insert(it) = inner.as_ref() {
            let rows = insert::insert(session, it).await?;
            return of_plan(&rows.plan);
        }
        if let Some(changes) = row_changes(session, inner).await? {
            return of_plan(&changes.plan);
        }
        if let Ast::CreateTable(_) = inner.as_ref() {
            return Ok(HashMap::new());
        }
    }
    let scope = Scope::new(session).await?;
    match plain.as_ref() {
        Plain::CopyTo(_) => Ok(HashMap::new()),
        plain => of_plan(&scope.plan(plain.clone()).await?),
    }
}

/// Types that planning has found, and those that a cast gives: `$1::BIGINT`.
fn of_plan(plan: &LogicalPlan) -> Result<HashMap<String, Option<DataType>>> {
    let mut types = plan.get_parameter_types()?;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|inner| {
                if let Expr::Cast(cast) = inner
                    && let Expr::Placeholder(parameter) = cast.expr.as_ref()
                    && let Some(known) = types.get_mut(&parameter.id)
                {
                    known.get_or_insert_with(|| cast.field.data_type().clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}
