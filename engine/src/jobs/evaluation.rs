//! A job's query, planned and run: over a chunk of its source, or over the tables as they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::physical_plan::ExecutionPlan;

use super::chunk::Chunk;
use super::definition::Job;
use super::rowwise;
use crate::catalog::Name;
use crate::error::{Error, Result};
use crate::session::{Session, names};
use crate::sql::{self, Scope, Statement, plan_hash};
use crate::tables::maintenance::Changes;

/// Name of the target in plans that leave out what it holds.
const HELD: &str = "__paratope_held";

/// A planned query of a job.
pub struct Evaluation {
    scope: Scope,
    plan: LogicalPlan,
}

/// What running a plan cost, as its operators tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Calls of expensive functions that were computed.
    pub computed: Option<u64>,
    /// Calls that an equal one had answered before.
    pub remembered: Option<u64>,
    /// Tokens that models saw.
    pub tokens: Option<u64>,
    /// Time of all threads, seconds.
    pub seconds: f64,
}

impl Cost {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
        };
        self.computed = sum(self.computed, other.computed);
        self.remembered = sum(self.remembered, other.remembered);
        self.tokens = sum(self.tokens, other.tokens);
        self.seconds += other.seconds;
    }

    /// What a plan that ran tells.
    fn of(plan: &dyn ExecutionPlan) -> Self {
        let mut cost = Self::default();
        if let Some(metrics) = plan.metrics() {
            let count = |name: &str| {
                metrics
                    .sum_by_name(name)
                    .map(|value| value.as_usize() as u64)
            };
            cost.computed = count("calls_computed");
            cost.remembered = count("calls_remembered");
            cost.tokens = count("tokens");
            cost.seconds = metrics.elapsed_compute().unwrap_or(0) as f64 / 1e9;
        }
        for child in plan.children() {
            cost.add(Self::of(child.as_ref()));
        }
        cost
    }
}

/// Rows of a job as they are computed.
pub struct Rows {
    /// The rows.
    pub stream: SendableRecordBatchStream,
    plan: Arc<dyn ExecutionPlan>,
}

impl Rows {
    /// The operators, which tell what they cost once the rows are read.
    pub fn plan(&self) -> Arc<dyn ExecutionPlan> {
        Arc::clone(&self.plan)
    }
}

/// What a plan cost.
pub fn cost(plan: &Arc<dyn ExecutionPlan>) -> Cost {
    Cost::of(plan.as_ref())
}

impl Evaluation {
    /// Plans the query over the tables as they are.
    ///
    /// # Errors
    /// The query's.
    pub async fn whole(session: &Session, job: &Job) -> Result<Self> {
        let scope = Scope::new(session).await?;
        let plan = plan(session, &scope, job).await?;
        Ok(Self { scope, plan })
    }

    /// Plans the query over some rows of its source.
    ///
    /// # Errors
    /// The query's; `Invalid` where it is not row by row.
    pub async fn over(session: &Session, job: &Job, source: &Name, rows: Changes) -> Result<Self> {
        let scope = Scope::new(session).await?;
        scope.pin(
            &source.schema_name,
            &source.name,
            Arc::new(Chunk::new(rows)),
        );
        let plan = plan(session, &scope, job).await?;
        rowwise::check(job, &plan)?;
        Ok(Self { scope, plan })
    }

    /// Leaves out results that `held` has by the job's key, and those after the first of a key. Where the key is a column
    /// of what the query computes from, that is decided before anything is computed. A row without a key is no result.
    ///
    /// # Errors
    /// `Invalid` where the query or `held` has no such column.
    pub fn without_held(mut self, job: &Job, held: Option<Arc<dyn TableProvider>>) -> Result<Self> {
        if job.key.is_empty() {
            return Ok(self);
        }
        let result = self.plan.schema().as_arrow().clone();
        for column in &job.key {
            if result.index_of(column).is_err() {
                let known: Vec<_> = result
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str())
                    .collect();
                return Err(Error::Invalid(format!(
                    "job {}: key: the query gives no column {column}; it gives {}",
                    job.name,
                    known.join(", ")
                )));
            }
            if let Some(held) = &held
                && held.schema().index_of(column).is_err()
            {
                return Err(Error::Invalid(format!(
                    "job {}: key: the target has no column {column}; ALTER TABLE … ADD COLUMN adds it",
                    job.name
                )));
            }
        }
        self.plan = match self.plan {
            LogicalPlan::Projection(projection) => below(job, projection, held)?,
            plan => {
                let key = job
                    .key
                    .iter()
                    .map(|column| Expr::Column(Column::from_name(column)));
                let key = key.collect();
                distinct(plan, key, &job.key, held)?
            }
        };
        Ok(self)
    }

    /// Columns of the result.
    pub fn schema(&self) -> &datafusion::arrow::datatypes::Schema {
        self.plan.schema().as_arrow()
    }

    /// Equal for plans that print alike.
    pub fn hash(&self) -> String {
        plan_hash(&self.plan)
    }

    /// Version of paratope, the functions of ours that the query calls, and the models and schemes that it names in them.
    pub fn computed_by(&self) -> Result<String> {
        // Their names alone, which do not depend on the models that there are.
        let no_models: Arc<dyn udfs::plm::Models> = Arc::new(udfs::plm::NoModels);
        let ours: BTreeSet<String> = udfs::all(&no_models)
            .iter()
            .map(|function| function.name().to_string())
            .collect();
        let mut calls = BTreeSet::new();
        self.plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expression| {
                expression.apply(|part| {
                    if let Expr::ScalarFunction(call) = part
                        && ours.contains(call.name())
                    {
                        let texts: Vec<&str> = call.args.iter().filter_map(text).collect();
                        calls.insert(match texts.is_empty() {
                            true => call.name().to_string(),
                            false => format!("{}({})", call.name(), texts.join(", ")),
                        });
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        let calls: Vec<String> = calls.into_iter().collect();
        let version = concat!("paratope ", env!("CARGO_PKG_VERSION"));
        Ok(match calls.is_empty() {
            true => version.to_string(),
            false => format!("{version}: {}", calls.join(", ")),
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// Plans that cannot be carried out.
    pub async fn run(&self) -> Result<Rows> {
        let (answer, plan) = self.scope.start(&self.plan).await?;
        Ok(Rows {
            stream: answer.stream,
            plan,
        })
    }
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::Utf8View(Some(text))
            | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

async fn plan(session: &Session, scope: &Scope, job: &Job) -> Result<LogicalPlan> {
    let mut statements = sql::parse(&job.sql)?;
    let (Some(Statement::Plain(query)), true) = (statements.pop(), statements.is_empty()) else {
        return Err(Error::Invalid(format!(
            "job {} has a target and is not one query",
            job.name
        )));
    };
    let plan = scope.plan(*query).await?;
    names::plain_headers(session.admit(plan)?)
}

/// Decides below the projection that computes results, where the key can be told there.
fn below(
    job: &Job,
    projection: Projection,
    held: Option<Arc<dyn TableProvider>>,
) -> Result<LogicalPlan> {
    let schema = Arc::clone(&projection.schema);
    let key = job
        .key
        .iter()
        .map(|column| {
            let index = schema
                .index_of_column_by_name(None, column)
                .ok_or_else(|| Error::Internal(format!("column {column} went away")))?;
            Ok(projection.expr[index].clone().unalias_nested().data)
        })
        .collect::<Result<Vec<Expr>>>()?;
    if key
        .iter()
        .any(|expression| expression.is_volatile() || has_unnest(expression))
    {
        let key = job
            .key
            .iter()
            .map(|column| Expr::Column(Column::from_name(column)));
        let key = key.collect();
        return distinct(LogicalPlan::Projection(projection), key, &job.key, held);
    }
    let input = Arc::unwrap_or_clone(projection.input);
    let rows = distinct(input, key, &job.key, held)?;
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(
        projection.expr,
        Arc::new(rows),
        schema,
    )?))
}

fn has_unnest(expression: &Expr) -> bool {
    expression
        .exists(|part| Ok(matches!(part, Expr::Unnest(_))))
        .unwrap_or(true)
}

/// Rows of `input` with a key, one of each key, whose key `held` has not.
fn distinct(
    input: LogicalPlan,
    key: Vec<Expr>,
    columns: &[String],
    held: Option<Arc<dyn TableProvider>>,
) -> Result<LogicalPlan> {
    let all: Vec<Expr> = input
        .schema()
        .iter()
        .map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))))
        .collect();
    let mut rows = LogicalPlanBuilder::from(input);
    let known = key.iter().cloned().map(Expr::is_not_null).reduce(Expr::and);
    if let Some(known) = known {
        rows = rows.filter(known)?;
    }
    if let Some(held) = held {
        let held = LogicalPlanBuilder::scan(HELD, provider_as_source(held), None)?.build()?;
        let of_held: Vec<Expr> = columns
            .iter()
            .map(|column| Expr::Column(Column::new(Some(HELD), column)))
            .collect();
        rows = rows.join_with_expr_keys(held, JoinType::LeftAnti, (key.clone(), of_held), None)?;
    }
    Ok(rows.distinct_on(key, all, None)?.build()?)
}
