//! Queries put together from a text with gaps and the user's own expressions.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Statement as Ast, TableFactor, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::LakeDialect;
use crate::error::{Error, Result};

/// What goes into the gaps: identifiers in the text are replaced by expressions, table names by
/// table factors. The user's syntax is moved and never printed and parsed again.
#[derive(Default)]
pub struct Parts {
    expressions: HashMap<String, Expr>,
    tables: HashMap<String, TableFactor>,
}

impl Parts {
    /// Keeps an expression and gives the gap's name for the text.
    pub fn expression(&mut self, expression: Expr) -> String {
        let gap = format!("__paratope_gap_{}", self.expressions.len());
        self.expressions.insert(gap.clone(), expression);
        gap
    }

    /// Keeps a table factor and gives the gap's name for the text.
    pub fn table(&mut self, table: TableFactor) -> String {
        let gap = format!("__paratope_table_{}", self.tables.len());
        self.tables.insert(gap.clone(), table);
        gap
    }

    /// Keeps a query as a table factor, which takes its alias from the text.
    pub fn query(&mut self, query: Query) -> String {
        self.table(TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: None,
            sample: None,
        })
    }

    /// Parses the text and fills the gaps.
    pub fn fill(mut self, text: &str) -> Result<Ast> {
        let mut parsed = Parser::parse_sql(&LakeDialect::default(), text)?;
        let Some(mut query) = parsed.pop() else {
            return Err(Error::Internal("an empty query was put together".into()));
        };
        let _ = query.visit(&mut self);
        Ok(query)
    }
}

impl VisitorMut for Parts {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expression
            && let Some(part) = self.expressions.get(&name.value)
        {
            *expression = part.clone();
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let Some(mut part) = self.tables.get(&name.to_string()).cloned() else {
            return ControlFlow::Continue(());
        };
        if let TableFactor::Derived { alias: own, .. } = &mut part
            && own.is_none()
        {
            *own = alias.take();
        }
        *factor = part;
        ControlFlow::Continue(())
    }
}

/// A column name quoted for a text.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
