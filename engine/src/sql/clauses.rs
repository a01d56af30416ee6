//! Clauses of a query that the planner would pass over without a word: each is an error that names it.

use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, WildcardAdditionalOptions,
};

use super::resolve::unsupported;
use crate::error::Result;

/// `PIVOT`, and what to write in its place.
pub const PIVOT: &str =
    "PIVOT (use an aggregate for each value: sum(x) FILTER (WHERE kind = 'a') AS a)";
/// `UNPIVOT` likewise.
pub const UNPIVOT: &str = "UNPIVOT (use a SELECT for each column, joined by UNION ALL)";

/// Refuses what is given of these.
fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(unsupported(clause)),
        None => Ok(()),
    }
}

/// Checks a query, its subqueries excepted.
pub fn check_query(query: &Query) -> Result<()> {
    refuse(&[
        (
            !query.locks.is_empty(),
            "FOR UPDATE, FOR SHARE (a statement reads one version of a table, which nobody changes)",
        ),
        (query.for_clause.is_some(), "FOR XML, FOR JSON, FOR BROWSE"),
        (query.settings.is_some(), "SETTINGS (use SET)"),
        (
            query.format_clause.is_some(),
            "FORMAT behind a query (use COPY (…) TO '…' (FORMAT …))",
        ),
    ])?;
    check_body(&query.body)
}

fn check_body(body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => check_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            check_body(left)?;
            check_body(right)
        }
        _ => Ok(()),
    }
}

fn check_select(select: &Select) -> Result<()> {
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
    refuse(&[
        (!select.optimizer_hints.is_empty(), "an optimizer hint"),
        (
            select.select_modifiers.is_some(),
            "SELECT HIGH_PRIORITY, SQL_CALC_FOUND_ROWS and the like",
        ),
        (select.prewhere.is_some(), "PREWHERE (use WHERE)"),
        (
            !select.connect_by.is_empty(),
            "START WITH, CONNECT BY (use WITH RECURSIVE)",
        ),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (
            select.value_table_mode.is_some(),
            "SELECT AS VALUE, SELECT AS STRUCT (use struct(…))",
        ),
        (
            select.exclude.is_some(),
            "EXCLUDE behind the columns (use * EXCLUDE)",
        ),
    ])?;
    if let Some(modifier) = modifiers.first() {
        return Err(unsupported(&format!(
            "GROUP BY … {modifier} (use GROUP BY ROLLUP (…), CUBE (…) or GROUPING SETS (…))"
        )));
    }
    let wildcard = |options: &WildcardAdditionalOptions| {
        refuse(&[(
            options.opt_ilike.is_some(),
            "* ILIKE (name the columns, or use * EXCLUDE)",
        )])
    };
    select.projection.iter().try_for_each(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            wildcard(options)
        }
        _ => Ok(()),
    })
}

/// Checks a table of FROM.
pub fn check_table(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table {
            with_hints,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => refuse(&[
            (
                !with_hints.is_empty() || !index_hints.is_empty(),
                "a table hint",
            ),
            (*with_ordinality, "WITH ORDINALITY"),
            (!partitions.is_empty(), "PARTITION selection"),
            (json_path.is_some(), "a JSON path on a table"),
            (sample.is_some(), "TABLESAMPLE"),
        ]),
        TableFactor::Pivot { .. } => Err(unsupported(PIVOT)),
        TableFactor::Unpivot { .. } => Err(unsupported(UNPIVOT)),
        TableFactor::MatchRecognize { .. } => Err(unsupported(
            "MATCH_RECOGNIZE (use window functions: lag, lead, row_number)",
        )),
        TableFactor::Derived { sample, .. } => refuse(&[(sample.is_some(), "TABLESAMPLE")]),
        _ => Ok(()),
    }
}
