//! What is parsed but not carried out must be an error that names it.
//!
//! DataFusion drops some clauses without a word (time travel among them) and would create tables
//! in memory where a user expects them in the lake.

use std::ops::ControlFlow;

use datafusion::logical_expr::{DdlStatement, LogicalPlan, WriteOp};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{
    Query, SelectFlavor, SelectItem, SetExpr, TableFactor, Visit, VisitMut as _, Visitor,
    VisitorMut, WildcardAdditionalOptions,
};

use crate::error::{Error, Result};

/// Splits a script into statements.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let mut statements: Vec<Statement> = DFParser::parse_sql(sql)?.into();
    for statement in &mut statements {
        if let Statement::Statement(inner) = statement {
            let _ = inner.visit(&mut FromFirst);
        }
    }
    Ok(statements)
}

/// `FROM t` alone means `SELECT * FROM t`, as in DuckDB; planned as it is parsed it has no columns.
struct FromFirst;

impl FromFirst {
    fn complete(body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) if select.flavor == SelectFlavor::FromFirstNoSelect => {
                select.flavor = SelectFlavor::Standard;
                select.projection =
                    vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
            }
            SetExpr::SetOperation { left, right, .. } => {
                Self::complete(left);
                Self::complete(right);
            }
            _ => {}
        }
    }
}

impl VisitorMut for FromFirst {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        Self::complete(&mut query.body);
        ControlFlow::Continue(())
    }
}

/// Refuses clauses that planning would drop.
pub fn check_statement(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Statement(inner) => {
            let mut clauses = Clauses;
            match inner.visit(&mut clauses) {
                ControlFlow::Break(clause) => Err(unsupported(&clause)),
                ControlFlow::Continue(()) => Ok(()),
            }
        }
        Statement::Explain(explain) => check_statement(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

/// Refuses statements that would not do what they say.
pub fn check_plan(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => Err(unsupported("CREATE TABLE")),
        LogicalPlan::Ddl(DdlStatement::CreateView(_)) => Err(unsupported("CREATE VIEW")),
        LogicalPlan::Dml(dml) => Err(unsupported(match dml.op {
            WriteOp::Delete => "DELETE",
            WriteOp::Update => "UPDATE",
            WriteOp::Ctas => "CREATE TABLE AS",
            _ => "INSERT",
        })),
        LogicalPlan::Explain(explain) => check_plan(&explain.plan),
        LogicalPlan::Analyze(analyze) => check_plan(&analyze.input),
        _ => Ok(()),
    }
}

fn unsupported(clause: &str) -> Error {
    Error::Unsupported(format!(
        "{clause} is not carried out by this version of paratope; nothing was changed. Rows enter the lake with `paratope ingest`"
    ))
}

/// Finds a clause of a table reference that the planner ignores.
struct Clauses;

impl Visitor for Clauses {
    type Break = String;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        let TableFactor::Table {
            version,
            with_hints,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let clause = if version.is_some() {
            "time travel (VERSION AS OF, TIMESTAMP AS OF)"
        } else if !with_hints.is_empty() || !index_hints.is_empty() {
            "a table hint"
        } else if *with_ordinality {
            "WITH ORDINALITY"
        } else if !partitions.is_empty() {
            "PARTITION selection"
        } else if json_path.is_some() {
            "a JSON path on a table"
        } else if sample.is_some() {
            "TABLESAMPLE"
        } else {
            return ControlFlow::Continue(());
        };
        ControlFlow::Break(clause.to_string())
    }
}
