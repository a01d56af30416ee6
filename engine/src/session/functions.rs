//! Documentation of functions, as `function list` and the reference show it.

use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;
use serde::Serialize;

use crate::table_functions;

/// What a user needs to call a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionDoc {
    /// Name in SQL.
    pub name: String,
    /// `scalar`, `aggregate`, `window` or `table`.
    pub kind: &'static str,
    /// How it is called.
    pub syntax: String,
    /// What it does.
    pub description: String,
    /// Arguments with their meaning.
    pub arguments: Vec<(String, String)>,
    /// A statement that runs.
    pub example: Option<String>,
}

impl FunctionDoc {
    fn new(name: &str, kind: &'static str, documentation: Option<&Documentation>) -> Self {
        Self {
            name: name.into(),
            kind,
            syntax: documentation
                .map_or_else(|| format!("{name}(…)"), |doc| doc.syntax_example.clone()),
            description: documentation
                .map(|doc| doc.description.clone())
                .unwrap_or_default(),
            arguments: documentation
                .and_then(|doc| doc.arguments.clone())
                .unwrap_or_default(),
            example: documentation.and_then(|doc| doc.sql_example.clone()),
        }
    }
}

fn table_function(name: &str) -> FunctionDoc {
    let undocumented = FunctionDoc::new(name, "table", None);
    match table_functions::DOCUMENTATION
        .iter()
        .find(|doc| doc.name == name)
    {
        None => undocumented,
        Some(doc) => FunctionDoc {
            syntax: doc.syntax.into(),
            description: doc.description.into(),
            arguments: doc
                .arguments
                .iter()
                .map(|(argument, meaning)| ((*argument).into(), (*meaning).into()))
                .collect(),
            example: Some(format!("```sql\n{}\n```", doc.example)),
            ..undocumented
        },
    }
}

/// Every function of a session, sorted by name.
pub fn document(state: &SessionState) -> Vec<FunctionDoc> {
    let scalar = state
        .scalar_functions()
        .iter()
        .map(|(name, function)| FunctionDoc::new(name, "scalar", function.documentation()));
    let aggregate = state
        .aggregate_functions()
        .iter()
        .map(|(name, function)| FunctionDoc::new(name, "aggregate", function.documentation()));
    let window = state
        .window_functions()
        .iter()
        .map(|(name, function)| FunctionDoc::new(name, "window", function.documentation()));
    let table = state
        .table_functions()
        .keys()
        .map(|name| table_function(name));
    let mut all: Vec<_> = scalar.chain(aggregate).chain(window).chain(table).collect();
    all.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_function_of_ours_is_documented() {
        for (name, _) in table_functions::all() {
            assert!(table_function(name).example.is_some(), "{name}");
        }
    }
}
