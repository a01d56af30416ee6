//! Whether a query gives the same rows however its source is cut into chunks.
//!
//! That is so where each of its rows comes from one row of the source: an aggregate over a chunk is not the aggregate
//! over the table, and a join with a table that changes tomorrow would have to be made again for all rows of yesterday.

use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::JoinType;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, TableScan};

use super::chunk::Chunk;
use super::definition::{Job, short};
use crate::error::{Error, Result};

/// Checks the plan of an incremental job, in which the source is a [`Chunk`].
///
/// # Errors
/// `Invalid`: what is not row by row, and which modes fit.
pub fn check(job: &Job, plan: &LogicalPlan) -> Result<()> {
    let why = match shape(plan) {
        Ok(Shape::OfSource) => return Ok(()),
        Ok(Shape::Constant) => "it does not read it".to_string(),
        Err(why) => why,
    };
    let source = job.source().map(short).unwrap_or_default();
    Err(Error::Invalid(format!(
        "the query cannot be computed incrementally on {source}: {why}, so its rows are not each of one new row. \
         Modes that fit: `replace` computes everything anew, `merge on KEY` does and keeps the other rows, `append` adds the result of each run"
    )))
}

/// What the rows of a part of a plan depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Each on one row of the source.
    OfSource,
    /// On nothing that changes.
    Constant,
}

fn shape(plan: &LogicalPlan) -> Result<Shape, String> {
    let subquery = subqueries(plan);
    if let Some(table) = subquery {
        return Err(format!("a subquery reads {table}"));
    }
    match plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Unnest(_) => only_input(plan),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => only_input(plan),
        LogicalPlan::TableScan(scan) => table(scan),
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => Ok(Shape::Constant),
        LogicalPlan::Union(union) => {
            let mut shapes = union.inputs.iter().map(|input| shape(input));
            match shapes.try_fold(None, |before, next| {
                let next = next?;
                match before {
                    Some(before) if before != next => {
                        Err("one part of the UNION reads it and another does not".to_string())
                    }
                    _ => Ok(Some(next)),
                }
            })? {
                Some(shape) => Ok(shape),
                None => Ok(Shape::Constant),
            }
        }
        LogicalPlan::Join(join) => joined(join),
        LogicalPlan::Aggregate(_) => Err("it groups or aggregates rows".into()),
        LogicalPlan::Window(_) => Err("it has a window function".into()),
        LogicalPlan::Distinct(_) => {
            Err("it has DISTINCT (-- key: COLUMN leaves out results that are there already)".into())
        }
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => Err("it has LIMIT".into()),
        LogicalPlan::RecursiveQuery(_) => Err("it is recursive".into()),
        other => Err(format!("it has {}", name(other))),
    }
}

fn only_input(plan: &LogicalPlan) -> Result<Shape, String> {
    match plan.inputs().as_slice() {
        [input] => shape(input),
        _ => Err(format!("it has {}", name(plan))),
    }
}

fn table(scan: &TableScan) -> Result<Shape, String> {
    match is_source(scan) {
        true if scan.fetch.is_none() => Ok(Shape::OfSource),
        true => Err("it has LIMIT".into()),
        false => Err(format!("it reads {} too", scan.table_name.table())),
    }
}

fn is_source(scan: &TableScan) -> bool {
    let source = (scan.source.as_ref() as &dyn std::any::Any).downcast_ref::<DefaultTableSource>();
    source
        .is_some_and(|source| (source.table_provider.as_ref() as &dyn std::any::Any).is::<Chunk>())
}

/// A join with rows that stand in the query itself is row by row, as long as it keeps no rows of theirs alone.
fn joined(join: &Join) -> Result<Shape, String> {
    let (left, right) = (shape(&join.left)?, shape(&join.right)?);
    let keeps_left = matches!(
        join.join_type,
        JoinType::Inner
            | JoinType::Left
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
    );
    let keeps_right = matches!(
        join.join_type,
        JoinType::Inner
            | JoinType::Right
            | JoinType::RightSemi
            | JoinType::RightAnti
            | JoinType::RightMark
    );
    match (left, right) {
        (Shape::Constant, Shape::Constant) => Ok(Shape::Constant),
        (Shape::OfSource, Shape::OfSource) => Err("it joins it with itself".into()),
        (Shape::OfSource, Shape::Constant) if keeps_left => Ok(Shape::OfSource),
        (Shape::Constant, Shape::OfSource) if keeps_right => Ok(Shape::OfSource),
        _ => Err("it keeps rows of the other side of a join".into()),
    }
}

/// A table that a subquery in an expression of this operator reads.
fn subqueries(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let _ = plan.apply_expressions(|expression| {
        expression.apply(|part| {
            let subquery = match part {
                Expr::ScalarSubquery(subquery) => Some(subquery),
                Expr::Exists(exists) => Some(&exists.subquery),
                Expr::InSubquery(within) => Some(&within.subquery),
                Expr::SetComparison(comparison) => Some(&comparison.subquery),
                _ => None,
            };
            if let Some(subquery) = subquery {
                let _ = subquery.subquery.apply_with_subqueries(|node| {
                    if let LogicalPlan::TableScan(scan) = node {
                        found = Some(scan.table_name.table().to_string());
                        return Ok(TreeNodeRecursion::Stop);
                    }
                    Ok(TreeNodeRecursion::Continue)
                });
            }
            Ok(match found.is_some() {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })
    });
    found
}

/// The operator's name as EXPLAIN shows it.
fn name(plan: &LogicalPlan) -> String {
    let shown = plan.display().to_string();
    let end = shown.find([':', ' ']).unwrap_or(shown.len());
    shown[..end].to_string()
}
