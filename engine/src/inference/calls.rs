//! Expressions that hold expensive calls.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Case, Expr, LogicalPlan, expr::AggregateFunction};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::models::ModelCall;

/// Whether an expression holds an expensive call.
pub(crate) fn is_expensive(expr: &Expr) -> bool {
    expr.exists(|part| Ok(is_call(part))).unwrap_or(false)
}

/// The same of a physical expression.
pub(crate) fn is_expensive_physical(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.exists(|part| Ok(is_physical_call(part.as_ref())))
        .unwrap_or(false)
}

/// Residues of a V domain, about: what a row of a language model is reckoned at before its rows are known.
const V_DOMAIN: u64 = 120;

/// Alignments of a V domain that take as long as a token that goes through a language model: 2 µs each with AVX-512, and 220 µs
/// for AntiBERTy in f32, of one thread.
const TOKEN: u64 = 100;

/// What a row of an expression costs, in alignments of a sequence. 0 where it computes nothing of the kind.
pub(crate) fn cost(expr: &Arc<dyn PhysicalExpr>) -> u64 {
    let mut most = 0;
    // Visiting cannot fail.
    let _ = expr.apply(|part| {
        most = most.max(match ModelCall::of(part) {
            Some(call) if call.is_constant() => 0,
            Some(call) => call.tokens(V_DOMAIN).saturating_mul(TOKEN),
            None => u64::from(is_physical_call(part.as_ref())),
        });
        Ok(TreeNodeRecursion::Continue)
    });
    most
}

/// Whether an expression is an expensive call itself.
pub(super) fn is_physical_call(expr: &dyn PhysicalExpr) -> bool {
    expr.downcast_ref::<ScalarFunctionExpr>()
        .is_some_and(|function| udfs::is_expensive(function.fun().name()))
}

/// Whether any part of a plan, subqueries included, holds an expensive call.
pub(super) fn has_expensive(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= is_expensive(expr);
            Ok(next(found))
        })?;
        Ok(next(found))
    })?;
    Ok(found)
}

fn next(found: bool) -> TreeNodeRecursion {
    match found {
        true => TreeNodeRecursion::Stop,
        false => TreeNodeRecursion::Continue,
    }
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if udfs::is_expensive(function.name()))
}

/// The outermost expensive calls that an expression computes for every row: not those in branches of CASE, behind AND, OR
/// and COALESCE, which it may never come to.
pub(super) fn unconditional(expr: &Expr, calls: &mut Vec<Expr>) -> Result<()> {
    expr.apply(|part| {
        if is_call(part) {
            if !calls.contains(part) {
                calls.push(part.clone());
            }
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(match part.short_circuits() {
            true => TreeNodeRecursion::Jump,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(())
}

/// The parts of an expression that can be columns of a plan of their own: all of it, but arguments where it is an aggregate
/// or a window function.
pub(super) fn operands(expr: &Expr) -> Result<Vec<Expr>> {
    let mut operands = Vec::new();
    expr.apply(|part| {
        Ok(match part {
            Expr::Alias(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_) => TreeNodeRecursion::Continue,
            operand => {
                operands.push(operand.clone());
                TreeNodeRecursion::Jump
            }
        })
    })?;
    Ok(operands)
}

/// An aggregate whose expensive arguments are computed only for the rows that its FILTER lets through.
pub(super) fn filtered_first(expr: Expr) -> Result<Expr> {
    let changed = expr.transform_up(|part| {
        let Expr::AggregateFunction(AggregateFunction { func, mut params }) = part else {
            return Ok(Transformed::no(part));
        };
        let Some(filter) = params.filter.clone() else {
            return Ok(Transformed::no(Expr::AggregateFunction(
                AggregateFunction { func, params },
            )));
        };
        for argument in params.args.iter_mut().filter(|it| is_expensive(it)) {
            *argument = Expr::Case(Case {
                expr: None,
                when_then_expr: vec![(filter.clone(), Box::new(argument.clone()))],
                else_expr: None,
            });
        }
        Ok(Transformed::yes(Expr::AggregateFunction(
            AggregateFunction { func, params },
        )))
    })?;
    Ok(changed.data)
}

/// An expression with some of its parts in place of others.
pub(super) fn replace(expr: Expr, parts: &[(Expr, Expr)]) -> Result<Expr> {
    if parts.is_empty() {
        return Ok(expr);
    }
    let replaced = expr.transform_down(|part| {
        Ok(match parts.iter().find(|(old, _)| *old == part) {
            Some((_, new)) => Transformed::new(new.clone(), true, TreeNodeRecursion::Jump),
            None => Transformed::no(part),
        })
    })?;
    Ok(replaced.data)
}
