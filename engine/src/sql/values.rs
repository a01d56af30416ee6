//! Which value of an INSERT does not fit its column: DataFusion's errors name neither.
//!
//! A column of a query is cast by whoever writes it, who knows its name. The values of a `VALUES` list are cast one by one
//! while they are planned; when that fails, they are tried once more to find the first that cannot be.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{Alias, Cast};
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, Projection, Values};

use crate::error::{Error, Result};

/// The rows of an INSERT as they are before the planner casts them to the columns of the table; the writer casts them
/// likewise, and names the column where it cannot. What holds further values (lists, structs, maps) stays with the planner.
pub fn uncast(rows: &LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = rows else {
        return Ok(rows.clone());
    };
    let input = projection.input.schema();
    let is_flat = |expression: &Expr| {
        let kind = expression.get_type(input.as_ref());
        kind.is_ok_and(|kind| !kind.is_nested() && !matches!(kind, DataType::Dictionary(..)))
    };
    let expressions = projection.expr.iter().map(|expression| match expression {
        Expr::Alias(Alias {
            expr,
            name,
            relation: None,
            ..
        }) => match expr.as_ref() {
            Expr::Cast(Cast { expr: value, .. })
                if matches!(value.as_ref(), Expr::Column(_)) && is_flat(value) && is_flat(expr) =>
            {
                value.as_ref().clone().alias(name)
            }
            _ => expression.clone(),
        },
        _ => expression.clone(),
    });
    let plain = Projection::try_new(expressions.collect(), Arc::clone(&projection.input))?;
    Ok(LogicalPlan::Projection(plain))
}

/// The error with the column that it is about, where that is a value of a `VALUES` list.
pub fn explained(
    error: Error,
    rows: &LogicalPlan,
    table: &SchemaRef,
    state: &SessionState,
) -> Error {
    let Some((values, columns)) = listed(rows) else {
        return error;
    };
    for row in &values.values {
        for (field, column) in table.fields().iter().zip(&columns) {
            let Some(value) = column.and_then(|column| row.get(column)) else {
                continue;
            };
            match is_null(value, state) {
                Err(cause) => return cause.context(format!("column {}", field.name())),
                Ok(true) if !field.is_nullable() => {
                    return Error::Invalid(format!("column {} may not be NULL", field.name()));
                }
                Ok(_) => {}
            }
        }
    }
    error
}

/// The `VALUES` list below an INSERT, and which of its columns each column of the table takes.
fn listed(rows: &LogicalPlan) -> Option<(&Values, Vec<Option<usize>>)> {
    let LogicalPlan::Projection(projection) = rows else {
        return None;
    };
    let LogicalPlan::Values(values) = projection.input.as_ref() else {
        return None;
    };
    let columns = projection.expr.iter().map(|expression| {
        let name = expression.column_refs().into_iter().next()?;
        values.schema.maybe_index_of_column(name)
    });
    Some((values, columns.collect()))
}

/// Computes a value that depends on no row.
fn is_null(value: &Expr, state: &SessionState) -> Result<bool> {
    let schema = DFSchema::empty();
    let physical = state.create_physical_expr(value.clone(), &schema)?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row)?;
    Ok(physical.evaluate(&row)?.into_array(1)?.is_null(0))
}
