//! What stands over the columns of an answer.
//!
//! DataFusion names an expression without alias after its fully qualified columns:
//! `ab_cdr3(read_fasta().sequence_aa)`, where a table function's relation is `read_fasta()`. The
//! reader knows where the rows come from; the header says what the statement said.

use std::collections::{BTreeSet, HashMap};

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::error::Result;

/// The plan of a query with headers that name columns without their table, except where that
/// would give two columns the same header. Other plans stay as they are.
pub fn plain_headers(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_query = !matches!(
        plan,
        LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Extension(_)
    );
    if !is_query {
        return Ok(plan);
    }
    let relations = relations(&plan)?;
    let columns = plan.schema().columns();
    let shortened: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(nth, column)| match is_alias(&plan, nth) {
            true => column.name.clone(),
            false => shorten(&column.name, &relations),
        })
        .collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for name in &shortened {
        *uses.entry(name).or_default() += 1;
    }
    let is_renamed = |name: &str, short: &str| name != short && uses[short] == 1;
    let pairs = || columns.iter().zip(&shortened);
    if !pairs().any(|(column, short)| is_renamed(&column.name, short)) {
        return Ok(plan);
    }
    let shown: Vec<Expr> = pairs()
        .map(|(column, short)| {
            let expr = Expr::Column(column.clone());
            match is_renamed(&column.name, short) {
                true => expr.alias(short),
                false => expr,
            }
        })
        .collect();
    Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
}

/// Whether the statement itself gives column `nth` its name. A function that is called by its
/// second name (`length`) gets an alias from the planner, which looks like a call.
fn is_alias(plan: &LogicalPlan, nth: usize) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(nth) {
            Some(Expr::Alias(alias)) => !alias.name.ends_with(')'),
            _ => false,
        },
        LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Union(_) => {
            let inputs = plan.inputs();
            inputs.first().is_some_and(|input| is_alias(input, nth))
        }
        _ => false,
    }
}

/// Names by which the plan qualifies columns, longest first: `lake.main.t` before `t`.
fn relations(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    plan.apply(|node| {
        let qualifiers = node.schema().iter().filter_map(|(relation, _)| relation);
        found.extend(qualifiers.map(|relation| format!("{relation}.")));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut relations: Vec<String> = found.into_iter().collect();
    relations.sort_by_key(|relation| std::cmp::Reverse(relation.len()));
    Ok(relations)
}

/// `name` without the relations that qualify columns in it.
fn shorten(name: &str, relations: &[String]) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    // Within a literal or a longer name it is no qualifier.
    let is_inside = |before: char| before.is_alphanumeric() || "_.\"'$".contains(before);
    while let Some(c) = rest.chars().next() {
        let at_start = !short.ends_with(is_inside);
        let relation = relations
            .iter()
            .find(|relation| at_start && rest.starts_with(relation.as_str()));
        match relation {
            Some(relation) if rest.len() > relation.len() => rest = &rest[relation.len()..],
            _ => {
                short.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use crate::config::Config;
    use crate::session::Session;
    use crate::storage::Access;

    async fn headers(sql: &str) -> Vec<String> {
        let session = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        let statement = session.parse(sql).unwrap().remove(0);
        let answer = session.execute(statement).await.unwrap();
        let fields = answer.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    #[tokio::test]
    async fn headers_of_a_table_function_name_its_columns_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vh.fasta");
        std::fs::write(&file, ">a\nEVQLVESGGG\n").unwrap();
        let sql = format!(
            "SELECT sequence_id, upper(sequence_id), count(*) FROM read_fasta('{}') GROUP BY 1, 2",
            file.display()
        );
        assert_eq!(
            headers(&sql).await,
            ["sequence_id", "upper(sequence_id)", "count(*)"]
        );
    }

    #[tokio::test]
    async fn headers_of_expressions_above_aggregates_and_sorts_are_plain_too() {
        let sql =
            "SELECT max(n) + min(n), max(n) FROM (VALUES (1), (2)) t(n) ORDER BY max(n) LIMIT 1";
        assert_eq!(headers(sql).await, ["max(n) + min(n)", "max(n)"]);
    }

    #[tokio::test]
    async fn columns_that_would_share_a_header_keep_their_tables() {
        let sql =
            "SELECT abs(a.n), abs(b.n), abs(b.m) FROM (SELECT 1 AS n) a, (SELECT 2 AS n, 3 AS m) b";
        assert_eq!(headers(sql).await, ["abs(a.n)", "abs(b.n)", "abs(m)"]);
    }

    #[tokio::test]
    async fn literals_and_aliases_are_left_alone() {
        let sql = "SELECT concat(t.s, 't.s'), t.s AS \"t.x\", t.s || '' AS \"of t.s\" \
            FROM (SELECT 'a' AS s) t ORDER BY 1 LIMIT 1";
        let headers = headers(sql).await;
        assert!(headers[0].starts_with("concat(s,"), "{headers:?}");
        assert!(headers[0].contains("\"t.s\""), "{headers:?}");
        assert_eq!(headers[1..], ["t.x", "of t.s"]);
    }

    #[tokio::test]
    async fn a_function_called_by_its_second_name_keeps_it() {
        let sql = "SELECT length(t.s) FROM (SELECT 'a' AS s) t";
        assert_eq!(headers(sql).await, ["length(s)"]);
    }
}
