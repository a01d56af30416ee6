//! Where in a plan expensive functions are computed: above filters, joins and limits that cut rows and do not ask for their
//! results; below those that do, in a projection of their own, behind all conditions that are cheap.
//!
//! Runs once, on the plan as DataFusion has optimised it, which takes functions for costless: it computes them before it sorts
//! for a LIMIT, together with every other condition, and twice where a condition and a column are the same call.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, Limit, LogicalPlan, Projection, Sort, SubqueryAlias, Window,
};

use super::calls::{filtered_first, has_expensive, is_expensive, replace};
use super::columns::{Lifted, Names, name_of, named, project};

/// The plan with each expensive call where it is computed for the fewest rows. Plans without such calls stay as they are.
///
/// # Errors
/// DataFusion's, where it cannot build an operator again.
pub(super) fn lift(plan: LogicalPlan) -> Result<LogicalPlan> {
    match has_expensive(&plan)? {
        true => settled(plan),
        false => Ok(plan),
    }
}

fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    lifted(plan, false)?.settle()
}

/// `is_cut`: whether an operator above may let fewer rows through.
fn lifted(plan: LogicalPlan, is_cut: bool) -> Result<Lifted> {
    let plan = plan
        .map_subqueries(|query| settled(query).map(Transformed::yes))?
        .data;
    match plan {
        LogicalPlan::Projection(node) => projection(node, is_cut),
        LogicalPlan::SubqueryAlias(node) => alias(node, is_cut),
        LogicalPlan::Filter(node) => filter(node),
        LogicalPlan::Sort(node) => sort(node, is_cut),
        LogicalPlan::Limit(node) => limit(node),
        LogicalPlan::Join(node) => join(node, is_cut),
        LogicalPlan::Window(node) => window(node, is_cut),
        LogicalPlan::Aggregate(node) => aggregate(node),
        other => {
            let settled = other.map_children(|input| settled(input).map(Transformed::yes))?;
            Ok(Lifted::whole(settled.data))
        }
    }
}

fn owned(plan: Arc<LogicalPlan>) -> LogicalPlan {
    Arc::unwrap_or_clone(plan)
}

fn resolve_all(input: &Lifted, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
    exprs.into_iter().map(|expr| input.resolve(expr)).collect()
}

fn projection(node: Projection, is_cut: bool) -> Result<Lifted> {
    let input = lifted(owned(node.input), is_cut)?;
    let exprs = resolve_all(&input, node.expr)?;
    if !is_cut || !exprs.iter().any(is_expensive) {
        let exprs = named(exprs, &node.schema);
        return Ok(Lifted::whole(project(exprs, input.plan, node.schema)?));
    }
    // What is expensive waits; what it will need goes along.
    let mut names = Names::default();
    let mut carried: Vec<(Expr, Expr)> = Vec::new();
    let mut columns = Vec::with_capacity(exprs.len());
    let mut carry = |expr: Expr, name: &str| match carried.iter().find(|(known, _)| *known == expr)
    {
        Some((_, column)) => column.clone(),
        None => {
            let column = Expr::Column(Column::new_unqualified(names.free(name)));
            carried.push((expr, column.clone()));
            column
        }
    };
    for (expr, field) in exprs.into_iter().zip(node.schema.fields()) {
        let expr = expr.unalias();
        columns.push(match is_expensive(&expr) {
            false => carry(expr, field.name()),
            true => {
                let waiting = expr.transform_up(|part| {
                    Ok(match &part {
                        Expr::Column(_) => {
                            let name = name_of(&part);
                            Transformed::yes(carry(part, &name))
                        }
                        _ => Transformed::no(part),
                    })
                })?;
                waiting.data
            }
        });
    }
    let exprs = carried
        .into_iter()
        .map(|(expr, column)| expr.alias(name_of(&column)));
    let plan = Projection::try_new(exprs.collect(), Arc::new(input.plan))?;
    Ok(Lifted {
        plan: LogicalPlan::Projection(plan),
        schema: node.schema,
        columns,
        computed: Vec::new(),
    })
}

fn alias(node: SubqueryAlias, is_cut: bool) -> Result<Lifted> {
    let input = lifted(owned(node.input), is_cut)?;
    if input.is_whole() {
        let plan = SubqueryAlias::try_new(Arc::new(input.plan), node.alias)?;
        return Ok(Lifted::whole(LogicalPlan::SubqueryAlias(plan)));
    }
    Ok(Lifted {
        schema: node.schema,
        ..input
    })
}

fn filter(node: Filter) -> Result<Lifted> {
    let mut input = lifted(owned(node.input), true)?;
    let conditions = split_conjunction_owned(input.resolve(node.predicate)?);
    let (expensive, cheap): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_expensive);
    input.filter(cheap)?;
    let conditions = input.compute(expensive)?;
    input.filter(conditions)?;
    Ok(input)
}

fn sort(node: Sort, is_cut: bool) -> Result<Lifted> {
    let mut input = lifted(owned(node.input), is_cut || node.fetch.is_some())?;
    let (keys, orders): (Vec<_>, Vec<_>) = node
        .expr
        .into_iter()
        .map(|key| (key.expr, (key.asc, key.nulls_first)))
        .unzip();
    let keys = resolve_all(&input, keys)?;
    let keys = input.compute(keys)?.into_iter().zip(orders);
    input.plan = LogicalPlan::Sort(Sort {
        expr: keys
            .map(|(key, (ascending, nulls_first))| key.sort(ascending, nulls_first))
            .collect(),
        input: Arc::new(input.plan),
        fetch: node.fetch,
    });
    Ok(input)
}

fn limit(node: Limit) -> Result<Lifted> {
    let mut input = lifted(owned(node.input), true)?;
    input.plan = LogicalPlan::Limit(Limit {
        input: Arc::new(input.plan),
        ..node
    });
    Ok(input)
}

/// Whether a join may cut rows of its left and of its right side, or lets them through as an operator above asks for; `None`
/// for a side whose rows it may fill with NULLs or does not give.
fn sides(kind: JoinType, is_cut: bool) -> [Option<bool>; 2] {
    match kind {
        JoinType::Inner => [Some(true), Some(true)],
        JoinType::Left | JoinType::LeftMark => [Some(is_cut), None],
        JoinType::Right | JoinType::RightMark => [None, Some(is_cut)],
        JoinType::LeftSemi | JoinType::LeftAnti => [Some(true), None],
        JoinType::RightSemi | JoinType::RightAnti => [None, Some(true)],
        JoinType::Full => [None, None],
    }
}

fn side(plan: Arc<LogicalPlan>, is_cut: Option<bool>) -> Result<Lifted> {
    match is_cut {
        Some(is_cut) => lifted(owned(plan), is_cut),
        None => Ok(Lifted::whole(settled(owned(plan))?)),
    }
}

/// Makes the names of a side's columns differ from the other's: those that were given to them here may be the same.
fn apart(side: &mut Lifted, keys: Vec<Expr>, other: &LogicalPlan) -> Result<Vec<Expr>> {
    if side.is_whole() {
        return Ok(keys);
    }
    let columns = |plan: &LogicalPlan| plan.schema().columns().into_iter().map(Expr::Column);
    let before: Vec<Expr> = columns(&side.plan).collect();
    side.rename_apart(other)?;
    let renamed: Vec<(Expr, Expr)> = before.into_iter().zip(columns(&side.plan)).collect();
    keys.into_iter().map(|key| replace(key, &renamed)).collect()
}

fn join(node: Join, is_cut: bool) -> Result<Lifted> {
    let kind = node.join_type;
    let [of_left, of_right] = sides(kind, is_cut);
    let mut left = side(node.left, of_left)?;
    let mut right = side(node.right, of_right)?;
    let (left_keys, right_keys): (Vec<_>, Vec<_>) = node.on.into_iter().unzip();
    let left_keys = resolve_all(&left, left_keys)?;
    let left_keys = left.compute(left_keys)?;
    let right_keys = resolve_all(&right, right_keys)?;
    let right_keys = right.compute(right_keys)?;
    let left_keys = apart(&mut left, left_keys, &right.plan)?;
    let right_keys = apart(&mut right, right_keys, &left.plan)?;
    let conditions = match node.filter {
        Some(filter) => split_conjunction_owned(Lifted::resolve_over(&[&left, &right], filter)?),
        None => Vec::new(),
    };
    // Pairs of rows are conditions of an inner join as much as of a filter above it, which computes them where all others hold.
    let (above, within): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|condition| kind == JoinType::Inner && is_expensive(condition));
    let plan = Join::try_new(
        Arc::new(left.plan),
        Arc::new(right.plan),
        left_keys.into_iter().zip(right_keys).collect(),
        conjunction(within),
        kind,
        node.join_constraint,
        node.null_equality,
        node.null_aware,
    )?;
    let mut columns = Vec::new();
    let mut computed = Vec::new();
    let gives = |of: Option<bool>| {
        of.is_some() || matches!(kind, JoinType::Left | JoinType::Right | JoinType::Full)
    };
    for (side, of) in [(left.columns, of_left), (right.columns, of_right)] {
        if gives(of) {
            columns.extend(side);
        }
    }
    for (side, of) in [(left.computed, of_left), (right.computed, of_right)] {
        if of.is_some() {
            computed.extend(side);
        }
    }
    if matches!(kind, JoinType::LeftMark | JoinType::RightMark) {
        columns.extend(plan.schema.columns().pop().map(Expr::Column));
    }
    let mut joined = Lifted {
        plan: LogicalPlan::Join(plan),
        schema: node.schema,
        columns,
        computed,
    };
    let above = joined.compute(above)?;
    joined.filter(above)?;
    Ok(joined)
}

fn window(node: Window, is_cut: bool) -> Result<Lifted> {
    let mut input = lifted(owned(node.input), is_cut)?;
    let exprs = resolve_all(&input, node.window_expr)?;
    let exprs = input.compute(exprs)?;
    let count = exprs.len();
    let plan = Window::try_new(exprs, Arc::new(input.plan))?;
    let all = plan.schema.columns();
    input
        .columns
        .extend(all[all.len() - count..].iter().cloned().map(Expr::Column));
    input.plan = LogicalPlan::Window(plan);
    input.schema = node.schema;
    Ok(input)
}

fn aggregate(node: Aggregate) -> Result<Lifted> {
    let mut input = lifted(owned(node.input), false)?;
    let groups = node.group_expr.len();
    let exprs: Vec<Expr> = node.group_expr.into_iter().chain(node.aggr_expr).collect();
    let exprs = resolve_all(&input, exprs)?;
    let exprs = exprs
        .into_iter()
        .map(filtered_first)
        .collect::<Result<_>>()?;
    let mut exprs = input.compute(exprs)?;
    let aggregates = exprs.split_off(groups);
    let plan = Aggregate::try_new(Arc::new(input.plan), exprs, aggregates)?;
    let columns = plan
        .schema
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    Ok(Lifted {
        plan: LogicalPlan::Aggregate(plan),
        schema: node.schema,
        columns,
        computed: Vec::new(),
    })
}
