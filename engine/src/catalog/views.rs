//! What views refer to, and that none refers to itself.

use std::collections::{BTreeMap, HashSet};

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement;
use datafusion::sql::resolve::resolve_table_references;

use super::{CATALOG, Name, SCHEMAS};
use crate::error::{Error, Result};
use crate::sql::{self, resolve};

/// The one query of a view's definition.
///
/// # Errors
/// A syntax error; anything but exactly one statement.
pub fn parse(sql: &str) -> Result<Statement> {
    let mut statements = sql::parse(sql)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(sql::Statement::Plain(statement)), true) => Ok(*statement),
        _ => Err(Error::Invalid(
            "a view is defined by one query, and only one".into(),
        )),
    }
}

/// Tables and views of the lake that a statement names, common table expressions left out.
///
/// # Errors
/// Names that are no names of tables.
pub fn references(statement: &Statement) -> Result<Vec<Name>> {
    let (relations, _) = resolve_table_references(statement, true)?;
    Ok(relations.iter().filter_map(in_lake).collect())
}

fn in_lake(reference: &TableReference) -> Option<Name> {
    if reference
        .catalog()
        .is_some_and(|catalog| catalog != CATALOG)
    {
        return None;
    }
    let schema = reference.schema().unwrap_or(SCHEMAS[0]);
    // A version of a table is named with it.
    let (table, _) = resolve::split_moment(reference.table()).ok()?;
    Some(Name::new(schema, table))
}

/// The names by which `name`, defined by `sql`, would come to refer to itself: `a, b, a`. `views`
/// are the definitions of the others by `schema.name`.
///
/// # Errors
/// A definition that cannot be parsed.
pub fn find_cycle(
    name: &Name,
    sql: &str,
    views: &BTreeMap<String, String>,
) -> Result<Option<Vec<Name>>> {
    let mut seen = HashSet::new();
    let mut path = vec![name.clone()];
    let first = references(&parse(sql)?)?;
    Ok(search(name, first, views, &mut seen, &mut path).then_some(path))
}

/// Follows references until one leads back to `target`; `path` is then the way.
fn search(
    target: &Name,
    references_here: Vec<Name>,
    views: &BTreeMap<String, String>,
    seen: &mut HashSet<Name>,
    path: &mut Vec<Name>,
) -> bool {
    for next in references_here {
        let back = next == *target;
        if !back && !seen.insert(next.clone()) {
            continue;
        }
        path.push(next.clone());
        if back {
            return true;
        }
        // What cannot be parsed cannot be expanded either: it leads nowhere.
        let further = views
            .get(&next.to_string())
            .and_then(|sql| references(&parse(sql).ok()?).ok())
            .unwrap_or_default();
        if search(target, further, views, seen, path) {
            return true;
        }
        path.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn cycle(name: &str, sql: &str, views: &[(&str, &str)]) -> Option<String> {
        let views = views
            .iter()
            .map(|(name, sql)| (format!("main.{name}"), sql.to_string()))
            .collect();
        let found = find_cycle(&Name::main(name), sql, &views).unwrap()?;
        let names: Vec<_> = found.iter().map(|name| name.name.as_str()).collect();
        Some(names.join(" > "))
    }

    #[test]
    fn a_view_that_names_itself_is_found() {
        assert_eq!(cycle("v", "SELECT * FROM V", &[]).unwrap(), "v > v");
        assert_eq!(
            cycle("v", "SELECT * FROM lake.main.v", &[]).unwrap(),
            "v > v"
        );
    }

    #[test]
    fn a_circle_through_other_views_is_found_wherever_they_are_named() {
        let views = [
            ("a", "SELECT 1 WHERE EXISTS (SELECT 1 FROM b)"),
            ("b", "WITH x AS (SELECT * FROM main.v) SELECT * FROM x"),
            ("c", "SELECT * FROM a"),
        ];
        let sql = "SELECT * FROM t JOIN c ON true";
        assert_eq!(cycle("v", sql, &views).unwrap(), "v > c > a > b > v");
    }

    #[test]
    fn views_over_the_same_views_are_no_circle() {
        let views = [
            ("a", "SELECT * FROM c"),
            ("b", "SELECT * FROM c"),
            ("c", "SELECT * FROM t"),
        ];
        assert_eq!(cycle("v", "SELECT * FROM a, b", &views), None);
    }

    #[test]
    fn a_common_table_expression_of_the_same_name_is_not_the_view() {
        assert_eq!(
            cycle("v", "WITH v AS (SELECT 1) SELECT * FROM v", &[]),
            None
        );
        // Here the inner v is the view.
        let sql = "WITH v AS (SELECT * FROM v) SELECT * FROM v";
        assert_eq!(cycle("v", sql, &[]).unwrap(), "v > v");
    }

    #[test]
    fn a_circle_that_does_not_contain_the_view_ends_the_search() {
        let views = [("a", "SELECT * FROM b"), ("b", "SELECT * FROM a")];
        assert_eq!(cycle("v", "SELECT * FROM a", &views), None);
    }

    #[test]
    fn the_same_name_in_another_schema_is_another_name() {
        assert_eq!(cycle("files", "SELECT * FROM system.files", &[]), None);
    }

    #[test]
    fn two_statements_define_no_view() {
        for sql in ["SELECT 1; SELECT 2", ""] {
            assert!(parse(sql).is_err(), "{sql}");
        }
    }
}
