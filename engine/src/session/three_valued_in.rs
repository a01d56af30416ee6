//! `x IN (SELECT …)` inside a larger condition, as SQL has it: neither true nor false where a NULL
//! might have been equal.
//!
//! DataFusion 55 carries out an `IN` that stands alone in a condition, `NOT` included, by a join
//! that knows this. Below an `OR` or in a `CASE` it marks the rows with a partner and calls all
//! others false, so that `a OR x NOT IN (SELECT …)` is true for rows it must not be true for. This
//! rule says in the condition itself where it is NULL, before that join is made.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, ExprSchema as _, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable as _, Filter, LogicalPlan, LogicalPlanBuilder, exists, lit, not, when,
};
use datafusion::optimizer::AnalyzerRule;

/// The rule; it runs after types are settled.
#[derive(Debug)]
pub struct ThreeValuedIn;

impl AnalyzerRule for ThreeValuedIn {
    fn name(&self) -> &str {
        "three_valued_in"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Filter(filter) => in_filter(filter),
            node => Ok(Transformed::no(node)),
        })?;
        Ok(plan.data)
    }
}

fn in_filter(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(filter.input.schema());
    let mut changed = false;
    let mut conditions = Vec::new();
    for condition in split_conjunction_owned(filter.predicate.clone()) {
        if stands_alone(&condition) {
            conditions.push(condition);
            continue;
        }
        let whole = condition.transform_up(|part| match part {
            Expr::InSubquery(part) => with_null(part, &schema),
            part => Ok(Transformed::no(part)),
        })?;
        changed |= whole.transformed;
        conditions.push(whole.data);
    }
    match conjunction(conditions) {
        Some(predicate) if changed => {
            let filter = Filter::try_new(predicate, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        _ => Ok(Transformed::no(LogicalPlan::Filter(filter))),
    }
}

/// Whether the join knows NULL here: it does for all but a `NOT IN` of a correlated subquery.
fn stands_alone(condition: &Expr) -> bool {
    let (part, turned) = match condition {
        Expr::Not(inner) => (inner.as_ref(), true),
        condition => (condition, false),
    };
    matches!(part, Expr::InSubquery(part)
        if part.negated == turned || part.subquery.outer_ref_columns.is_empty())
}

/// `x IN s` is `x IN s OR CASE WHEN x IS NULL AND EXISTS s OR EXISTS (s WHERE c IS NULL) THEN NULL
/// ELSE FALSE END`, whether the first `x IN s` gives NULL or false in the place of NULL.
fn with_null(part: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InSubquery {
        expr,
        subquery,
        negated,
    } = part;
    let rows = &Arc::clone(&subquery.subquery);
    let (qualifier, field) = rows.schema().qualified_field(0);
    let of_row = expr.nullable(schema).unwrap_or(true);
    let unknown = match (of_row, field.is_nullable()) {
        (false, false) => {
            let same = InSubquery::new(expr, subquery, negated);
            return Ok(Transformed::no(Expr::InSubquery(same)));
        }
        (true, false) => expr.clone().is_null().and(exists(Arc::clone(rows))),
        (of_row, true) => {
            let value = Expr::Column(Column::from((qualifier, field)));
            let nulls = LogicalPlanBuilder::from(Arc::clone(rows))
                .filter(value.is_null())?
                .build()?;
            let nulls = exists(Arc::new(nulls));
            match of_row {
                true => nulls.or(expr.clone().is_null().and(exists(Arc::clone(rows)))),
                false => nulls,
            }
        }
    };
    let null = lit(ScalarValue::Boolean(None));
    let found = match subquery.outer_ref_columns.is_empty() {
        true => Expr::InSubquery(InSubquery::new(expr, subquery, false)),
        false => equal_exists(*expr, rows, schema)?,
    };
    let whole = found.or(when(unknown, null).otherwise(lit(false))?);
    Ok(Transformed::yes(match negated {
        true => not(whole),
        false => whole,
    }))
}

/// `EXISTS (s WHERE c = x)`.
fn equal_exists(expr: Expr, rows: &Arc<LogicalPlan>, schema: &DFSchema) -> Result<Expr> {
    let outer = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        part => Ok(Transformed::no(part)),
    })?;
    let value = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let equal = LogicalPlanBuilder::from(Arc::clone(rows))
        .filter(value.eq(outer.data))?
        .build()?;
    Ok(exists(Arc::new(equal)))
}
