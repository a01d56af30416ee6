//! A plan in which some columns are not computed yet.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection};

use super::calls;
use super::exec::free;

/// A plan that stands for another: it has the same rows, and each column of the other is an expression over its own.
pub(super) struct Lifted {
    /// What is computed.
    pub plan: LogicalPlan,
    /// Columns of the plan that it stands for.
    pub schema: DFSchemaRef,
    /// How each of them is had from `plan`.
    pub columns: Vec<Expr>,
    /// What `plan` has beside: expressions over its other columns that are computed already, and the columns that hold them.
    pub computed: Vec<(Expr, Expr)>,
}

impl Lifted {
    /// A plan that stands for itself.
    pub fn whole(plan: LogicalPlan) -> Self {
        Self {
            schema: Arc::clone(plan.schema()),
            columns: plan
                .schema()
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect(),
            plan,
            computed: Vec::new(),
        }
    }

    /// Whether it stands for itself.
    pub fn is_whole(&self) -> bool {
        let columns = self.plan.schema().columns();
        self.columns.len() == columns.len()
            && self.schema.columns() == columns
            && self
                .columns
                .iter()
                .zip(columns)
                .all(|(expr, column)| matches!(expr, Expr::Column(it) if *it == column))
    }

    /// The plan that it stands for, everything computed.
    pub fn settle(self) -> Result<LogicalPlan> {
        if self.is_whole() {
            return Ok(self.plan);
        }
        let exprs = named(self.columns, &self.schema);
        project(exprs, self.plan, self.schema)
    }

    /// An expression over the plan that it stands for, over its own columns.
    pub fn resolve(&self, expr: Expr) -> Result<Expr> {
        Self::resolve_over(&[self], expr)
    }

    /// The same for an expression over several plans.
    pub fn resolve_over(plans: &[&Self], expr: Expr) -> Result<Expr> {
        let resolved = expr.transform_up(|part| {
            let Expr::Column(column) = &part else {
                return Ok(Transformed::no(part));
            };
            let found = plans.iter().find_map(|plan| {
                let index = plan.schema.maybe_index_of_column(column)?;
                Some(plan.columns[index].clone())
            });
            Ok(found.map_or_else(|| Transformed::no(part), Transformed::yes))
        })?;
        plans.iter().try_fold(resolved.data, |expr, plan| {
            calls::replace(expr, &plan.computed)
        })
    }

    /// Computes what is expensive in expressions over its own columns.
    pub fn compute(&mut self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut wanted = Vec::new();
        for expr in &exprs {
            calls::unconditional(expr, &mut wanted)?;
        }
        self.add(wanted)?;
        let exprs = self.replace_all(exprs)?;
        // What is computed for some rows only is computed with the condition that tells which.
        let mut conditional = Vec::new();
        for expr in &exprs {
            let operands = calls::operands(expr)?.into_iter();
            conditional.extend(operands.filter(calls::is_expensive));
        }
        self.add(conditional)?;
        self.replace_all(exprs)
    }

    /// Keeps the rows that meet all conditions.
    pub fn filter(&mut self, conditions: Vec<Expr>) -> Result<()> {
        if let Some(condition) = conjunction(conditions) {
            let plan = std::mem::take(&mut self.plan);
            self.plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?);
        }
        Ok(())
    }

    /// Gives its columns other names where `other` has them too.
    pub fn rename_apart(&mut self, other: &LogicalPlan) -> Result<()> {
        let mut names = Names::of(other);
        let mut exprs = Vec::new();
        let mut renamed = Vec::new();
        for column in self.plan.schema().columns() {
            let name = names.free(column.name());
            let expr = Expr::Column(column.clone());
            match name == *column.name() {
                true => exprs.push(expr),
                false => {
                    exprs.push(expr.clone().alias(&name));
                    renamed.push((expr, Expr::Column(Column::new_unqualified(name))));
                }
            }
        }
        if renamed.is_empty() {
            return Ok(());
        }
        let plan = std::mem::take(&mut self.plan);
        self.plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        let rename = |expr: &Expr| calls::replace(expr.clone(), &renamed);
        self.columns = self.columns.iter().map(rename).collect::<Result<_>>()?;
        for (expr, column) in &mut self.computed {
            *expr = rename(expr)?;
            *column = rename(column)?;
        }
        Ok(())
    }

    /// The plan with further columns.
    fn add(&mut self, wanted: Vec<Expr>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut names = Names::of(&self.plan);
        let mut exprs: Vec<Expr> = self
            .plan
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let mut added = Vec::new();
        for expr in wanted {
            let name = names.free(&name_of(&expr));
            exprs.push(expr.clone().alias(&name));
            added.push((expr, Expr::Column(Column::new_unqualified(name))));
        }
        let plan = std::mem::take(&mut self.plan);
        self.plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        let columns = std::mem::take(&mut self.columns).into_iter();
        let columns = columns.map(|expr| calls::replace(expr, &added));
        self.columns = columns.collect::<Result<_>>()?;
        self.computed.extend(added);
        Ok(())
    }

    fn replace_all(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        let replaced = exprs
            .into_iter()
            .map(|expr| calls::replace(expr, &self.computed));
        replaced.collect()
    }
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Those of a plan's columns.
    pub fn of(plan: &LogicalPlan) -> Self {
        let fields = plan.schema().fields().iter();
        Self(fields.map(|field| field.name().clone()).collect())
    }

    /// The name, or one like it that is free. It is taken from now on.
    pub fn free(&mut self, name: &str) -> String {
        free(&mut self.0, name)
    }
}

/// What a computed expression is called.
pub(super) fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name().to_string(),
        Expr::ScalarFunction(function) => function.name().to_string(),
        _ => "computed".to_string(),
    }
}

/// Expressions under the names of a schema.
pub(super) fn named(exprs: Vec<Expr>, schema: &DFSchemaRef) -> Vec<Expr> {
    let fields = exprs.into_iter().zip(schema.iter());
    let named = fields.map(|(expr, (relation, field))| match &expr {
        Expr::Column(column)
            if column.relation.as_ref() == relation && column.name() == field.name() =>
        {
            expr
        }
        _ => expr
            .unalias()
            .alias_qualified(relation.cloned(), field.name()),
    });
    named.collect()
}

/// A projection with the columns of `schema`.
pub(super) fn project(
    exprs: Vec<Expr>,
    plan: LogicalPlan,
    schema: DFSchemaRef,
) -> Result<LogicalPlan> {
    let projection = Projection::try_new_with_schema(exprs, Arc::new(plan), schema)?;
    Ok(LogicalPlan::Projection(projection))
}
