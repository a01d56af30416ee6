//! `INSERT INTO | OVERWRITE t [PARTITION (…)] …`.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Insert, ObjectName, SelectItem, SetExpr, Statement as Ast,
    TableObject,
};
use deltalake::kernel::Action;
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::TryStreamExt as _;

use super::Scope;
use super::resolve::unsupported;
use super::target::{ADDRESSED, Target, normal};
use super::template::{Parts, quoted};
use super::values;
use crate::catalog::SCHEMAS;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::tables::commit::{Commit, Reads, append, commit};
use crate::tables::sink::{self, SinkTarget};
use crate::tables::write;
use crate::tables::{FILE, LakeTableProvider};

/// Name under which a scope holds the query of an INSERT.
const SOURCE: &str = "__paratope_rows";

/// New rows of a table, planned.
pub struct NewRows {
    /// What the statement sees.
    pub scope: Scope,
    target: Target,
    /// The query that gives the rows: columns of the table, in its order.
    pub plan: LogicalPlan,
    removed: Removed,
}

/// Plans to add the rows of a query, or to put them in the place of those there.
pub async fn insert(session: &Session, statement: &Insert) -> Result<NewRows> {
    let name = check(statement)?;
    let scope = Scope::new(session).await?;
    let target = Target::of(session, &scope, name).await?;
    let partition = partition_values(&target, statement)?;
    let named = statement.columns.len() + statement.after_columns.len();
    let mut query = statement.clone();
    query.overwrite = false;
    query.has_table_keyword = false;
    query.partitioned = None;
    query
        .columns
        .append(&mut into_names(std::mem::take(&mut query.after_columns)));
    if !plain_values(&query) || !partition.is_empty() {
        plan_apart(&scope, &mut query).await?;
    }
    if !partition.is_empty() {
        with_partition(&target, &mut query, &partition)?;
    }
    let planned = scope.plan_ast(Ast::Insert(query)).await;
    let planned = planned.map_err(|error| plainer(error, &target, named))?;
    let LogicalPlan::Dml(insert) = planned else {
        return Err(Error::Internal(
            "INSERT was planned as something else".into(),
        ));
    };
    Ok(NewRows {
        scope,
        target,
        plan: values::uncast(&insert.input)?,
        removed: Removed::of(statement, partition),
    })
}

/// Says what DataFusion's errors about columns leave out.
fn plainer(error: Error, target: &Target, named: usize) -> Error {
    let message = error.to_string();
    if message.starts_with("Column count doesn't match insert query") {
        let columns = target.stored_schema().map(|schema| {
            let names: Vec<_> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            format!("{} columns ({})", names.len(), names.join(", "))
        });
        let taken = match (named, columns) {
            (0, Ok(columns)) => format!("{} has {columns}", target.table.name()),
            _ => format!("{named} columns are named"),
        };
        return Error::Invalid(format!(
            "{taken}, and the rows have another number of values"
        ));
    }
    if message.contains("duplicate unqualified field name") {
        return Error::Invalid("INSERT names a column twice".into());
    }
    error
}

/// Whether the rows are `VALUES` and nothing else.
fn plain_values(statement: &Insert) -> bool {
    let query = statement.source.as_deref();
    query.is_some_and(|query| {
        query.with.is_none() && matches!(query.body.as_ref(), SetExpr::Values(_))
    })
}

/// Plans the query of an INSERT on its own. As a part of the statement every `VALUES` within it,
/// in a subquery too, would be cast to the columns of the table, or refused for their number.
async fn plan_apart(scope: &Scope, statement: &mut Insert) -> Result<()> {
    let Some(mut source) = statement.source.take() else {
        return Err(unsupported("INSERT without VALUES or a query"));
    };
    name_repeated(&mut source.body);
    let plan = scope.plan_ast(Ast::Query(source)).await?;
    scope.pin(SCHEMAS[0], SOURCE, Arc::new(ViewTable::new(plan, None)));
    let text = format!("SELECT * FROM {}.{SOURCE}", SCHEMAS[0]);
    let Ast::Query(query) = Parts::default().fill(&text)? else {
        return Err(Error::Internal("INSERT was put together wrongly".into()));
    };
    statement.source = Some(query);
    Ok(())
}

/// Names a column that another one before it equals (`SELECT 1, 1`): they must differ in a plan, and count by their place here.
fn name_repeated(body: &mut SetExpr) {
    let SetExpr::Select(select) = body else {
        return;
    };
    let mut seen = HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && !seen.insert(expr.to_string())
        {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::with_quote('"', format!("__paratope_{index}")),
            };
        }
    }
}

/// Which rows go when new ones come.
enum Removed {
    None,
    All,
    Partition(Vec<(String, Expr)>),
}

impl Removed {
    fn of(statement: &Insert, partition: Vec<(String, Expr)>) -> Self {
        match (statement.overwrite, partition.is_empty()) {
            (false, _) => Self::None,
            (true, true) => Self::All,
            (true, false) => Self::Partition(partition),
        }
    }
}

/// Writes the rows and commits them; tells how many they were.
pub async fn add(session: &Session, rows: NewRows) -> Result<u64> {
    let NewRows {
        scope,
        target,
        plan,
        removed,
    } = &rows;
    let base = target.base()?.clone();
    if matches!(removed, Removed::All) {
        // They would stay.
        target.reader.check_whole(scope.state())?;
    }
    let schema = target.stored_schema()?;
    let explained = |error: Error| values::explained(error, plan, &schema, scope.state());
    let optimized = udfs::plm::without_computing(|| scope.state().optimize(plan));
    let optimized = optimized.map_err(|error| explained(error.into()))?;
    // OVERWRITE depends on which rows are there, even where there are none: what another statement
    // found by a condition meanwhile and this one does not remove would be from no serial order.
    let depends = !matches!(removed, Removed::None);
    let reads = match depends || reads(&optimized, target.reader.location())? {
        true => Reads::Rows,
        false => Reads::Nothing,
    };
    let sink = SinkTarget::of(&target.table, &base, session.config())?;
    let told = scope.run(&sink::write(optimized, sink)).await;
    let written = sink::collect(&target.table, told.map_err(explained)?.stream).await?;
    let (removes, operation) = match removed {
        Removed::None => (Vec::new(), append()),
        Removed::All => (all_files(target)?, overwrite(None)),
        Removed::Partition(values) => {
            let predicate: Vec<String> = values
                .iter()
                .map(|(column, value)| format!("{} = {value}", quoted(column)))
                .collect();
            let removes = partition_files(scope, target, values).await?;
            (removes, overwrite(Some(predicate.join(" AND "))))
        }
    };
    if written.adds.is_empty() && removes.is_empty() {
        return Ok(0);
    }
    let mut actions = removes;
    actions.extend(written.adds.iter().cloned().map(Action::Add));
    let changes = Commit {
        base,
        operation,
        actions,
        transactions: Vec::new(),
        reads,
    };
    if let Err(error) = commit(&target.table, changes).await {
        if matches!(error, Error::Conflict(_)) {
            write::discard(&target.table, &written).await;
        }
        return Err(error);
    }
    Ok(written.rows)
}

fn overwrite(predicate: Option<String>) -> DeltaOperation {
    DeltaOperation::Write {
        mode: SaveMode::Overwrite,
        partition_by: None,
        predicate,
    }
}

/// Whether a plan reads the table in this folder.
fn reads(plan: &LogicalPlan, location: &str) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let source =
                (scan.source.as_ref() as &dyn std::any::Any).downcast_ref::<DefaultTableSource>();
            let provider = source.and_then(|source| {
                (source.table_provider.as_ref() as &dyn std::any::Any)
                    .downcast_ref::<LakeTableProvider>()
            });
            found |= provider.is_some_and(|provider| provider.location() == location);
        }
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn all_files(target: &Target) -> Result<Vec<Action>> {
    Ok(target
        .base()?
        .try_log_data()?
        .iter()
        .map(|file| Action::Remove(file.remove_action(true)))
        .collect())
}

/// Removes of the files in one partition.
async fn partition_files(
    scope: &Scope,
    target: &Target,
    values: &[(String, Expr)],
) -> Result<Vec<Action>> {
    target.pin_addressed(scope)?;
    let mut parts = Parts::default();
    let conditions: Vec<String> = values
        .iter()
        .map(|(column, value)| {
            let value = parts.expression(value.clone());
            format!("{} IS NOT DISTINCT FROM {value}", quoted(column))
        })
        .collect();
    let query = parts.fill(&format!(
        "SELECT DISTINCT {FILE} FROM main.{ADDRESSED} WHERE {}",
        conditions.join(" AND ")
    ))?;
    let plan = scope.plan_ast(query).await?;
    let found: Vec<RecordBatch> = scope.run(&plan).await?.stream.try_collect().await?;
    let files: HashSet<i64> = found
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    let log = target.base()?.try_log_data()?;
    Ok((0_i64..)
        .zip(log.iter())
        .filter(|(index, _)| files.contains(index))
        .map(|(_, file)| Action::Remove(file.remove_action(true)))
        .collect())
}

/// The table's name, where the statement has no clause that is not carried out.
fn check(statement: &Insert) -> Result<&ObjectName> {
    let Insert {
        insert_token: _,
        optimizer_hints,
        or,
        ignore,
        into: _,
        table,
        table_alias,
        columns: _,
        overwrite: _,
        source,
        assignments,
        partitioned: _,
        after_columns: _,
        has_table_keyword: _,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = statement;
    let several = multi_table_insert_type.is_some()
        || !multi_table_into_clauses.is_empty()
        || !multi_table_when_clauses.is_empty()
        || multi_table_else_clause.is_some();
    for (given, clause) in [
        (!optimizer_hints.is_empty(), "an optimizer hint"),
        (
            or.is_some() || *ignore || *replace_into,
            "INSERT OR …, INSERT IGNORE, REPLACE (use MERGE)",
        ),
        (
            table_alias.is_some() || insert_alias.is_some(),
            "INSERT INTO … AS",
        ),
        (
            source.is_none() || !assignments.is_empty(),
            "INSERT without VALUES or a query",
        ),
        (on.is_some(), "INSERT … ON CONFLICT (use MERGE)"),
        (
            returning.is_some() || output.is_some(),
            "INSERT … RETURNING",
        ),
        (
            priority.is_some(),
            "INSERT LOW_PRIORITY, DELAYED, HIGH_PRIORITY",
        ),
        (
            settings.is_some() || format_clause.is_some(),
            "INSERT … SETTINGS, FORMAT",
        ),
        (several, "INSERT of several tables"),
    ] {
        if given {
            return Err(unsupported(clause));
        }
    }
    match table {
        TableObject::TableName(name) => Ok(name),
        other => Err(Error::Invalid(format!(
            "{other} is not the name of a table"
        ))),
    }
}

fn into_names(columns: Vec<Ident>) -> Vec<ObjectName> {
    columns
        .into_iter()
        .map(|column| ObjectName::from(vec![column]))
        .collect()
}

/// `PARTITION (column = value, …)`.
fn partition_values(target: &Target, statement: &Insert) -> Result<Vec<(String, Expr)>> {
    let known = target.base()?.metadata().partition_columns().to_vec();
    let mut values = Vec::new();
    for item in statement.partitioned.iter().flatten() {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = item
        else {
            return Err(Error::Unsupported(format!(
                "PARTITION ({item}): say column = value for each column; nothing was changed"
            )));
        };
        let column = match left.as_ref() {
            Expr::Identifier(name) => normal(name),
            other => {
                return Err(Error::Invalid(format!(
                    "PARTITION: {other} is not a column"
                )));
            }
        };
        if !known.contains(&column) {
            let table = target.table.name();
            return Err(Error::Invalid(match known.is_empty() {
                true => format!("{table} is not partitioned"),
                false => format!(
                    "{table} is not partitioned by {column}; its partition columns are: {}",
                    known.join(", ")
                ),
            }));
        }
        values.push((column, right.as_ref().clone()));
    }
    Ok(values)
}

/// Lets the query give the columns without the partition's, whose values are appended.
fn with_partition(
    target: &Target,
    statement: &mut Insert,
    partition: &[(String, Expr)],
) -> Result<()> {
    let fixed: Vec<&str> = partition
        .iter()
        .map(|(column, _)| column.as_str())
        .collect();
    if statement.columns.is_empty() {
        let schema = target.stored_schema()?;
        let free = schema
            .fields()
            .iter()
            .filter(|field| !fixed.contains(&field.name().as_str()));
        statement.columns = into_names(
            free.map(|field| Ident::with_quote('"', field.name()))
                .collect(),
        );
    }
    let Some(source) = statement.source.take() else {
        return Err(unsupported("INSERT without VALUES or a query"));
    };
    statement.columns.extend(into_names(
        fixed
            .iter()
            .map(|column| Ident::with_quote('"', *column))
            .collect(),
    ));
    let mut parts = Parts::default();
    let values: Vec<String> = partition
        .iter()
        .map(|(_, value)| parts.expression(value.clone()))
        .collect();
    let rows = parts.query(*source);
    let text = format!("SELECT rows.*, {} FROM {rows} AS rows", values.join(", "));
    let Ast::Query(query) = parts.fill(&text)? else {
        return Err(Error::Internal(
            "INSERT … PARTITION was put together wrongly".into(),
        ));
    };
    statement.source = Some(query);
    Ok(())
}
