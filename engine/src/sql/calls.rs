//! Clauses of function calls that the planner passes over: OVER, FILTER and DISTINCT say nothing to a function of one row.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArguments, Visit as _, Visitor,
};

use super::resolve::unsupported;
use crate::error::{Error, Result};

/// Refuses them; tells whether a language model is asked.
///
/// # Errors
/// `Unsupported`, naming the clause and the function.
pub fn check(statement: &Plain, state: &SessionState) -> Result<bool> {
    let mut calls = Calls {
        state,
        asks_models: false,
    };
    let flow = match statement {
        Plain::Statement(inner) => inner.visit(&mut calls),
        Plain::Explain(explain) => return check(&explain.statement, state),
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(calls.asks_models),
    }
}

struct Calls<'a> {
    state: &'a SessionState,
    asks_models: bool,
}

impl Calls<'_> {
    fn is_scalar(&self, name: &str) -> bool {
        self.state.scalar_functions().contains_key(name)
            && !self.state.aggregate_functions().contains_key(name)
            && !self.state.window_functions().contains_key(name)
    }

    fn clause(call: &Function) -> Option<&'static str> {
        if call.over.is_some() {
            return Some("OVER");
        }
        if call.filter.is_some() {
            return Some("FILTER");
        }
        if call.null_treatment.is_some() {
            return Some("IGNORE NULLS, RESPECT NULLS");
        }
        match &call.args {
            FunctionArguments::List(list)
                if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) =>
            {
                Some("DISTINCT")
            }
            FunctionArguments::List(list) if !list.clauses.is_empty() => {
                Some("a clause behind the arguments")
            }
            _ => None,
        }
    }
}

impl Visitor for Calls<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        let Expr::Function(call) = expression else {
            return ControlFlow::Continue(());
        };
        let name = call.name.to_string().to_lowercase();
        self.asks_models |= udfs::plm::is_of_family(&name);
        match Self::clause(call) {
            Some(clause) if self.is_scalar(&name) => ControlFlow::Break(unsupported(&format!(
                "{clause} with {name}, which is computed row by row,"
            ))),
            _ => ControlFlow::Continue(()),
        }
    }
}
