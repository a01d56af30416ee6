//! What a refused statement stumbled over: where it stands, and which names are known there.

use datafusion::common::{Column, Diagnostic, SchemaError, Span};
use datafusion::error::DataFusionError;

use super::super::{Session, Statement};
use super::quoted;
use super::tokens::{KEYWORDS, TokenKind, tokens};
use crate::error::Error;
use crate::sql::Scope;

/// Why a statement was refused, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in a few words, without the place and without suggestions.
    pub message: String,
    /// Where it is wrong; `None` where neither parser nor planner tells.
    pub place: Option<Place>,
    /// The name that nothing answers to, where that is what is wrong.
    pub unknown: Option<Unknown>,
}

/// A part of a script: lines and columns (in characters) from 1, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line and column of the first character.
    pub start: (u64, u64),
    /// Line and column after the last character; equal to `start` where only that is known.
    pub end: (u64, u64),
}

/// A name that is not known, and those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// As the statement has it.
    pub name: String,
    /// What could stand in its place.
    pub known: Vec<String>,
}

impl Session {
    /// What statement number `nth` (from 0) of `script` stumbled over, after it was refused with
    /// `error`. `None` where planning it again does not lead to the same error: then it is not
    /// the statement's text that is wrong.
    pub async fn fault(&self, script: &str, nth: usize, error: &Error) -> Option<Fault> {
        let statement = match self.parse(script) {
            Ok(mut statements) if nth < statements.len() => statements.swap_remove(nth),
            Ok(_) => return None,
            Err(refused) => {
                return (refused.to_string() == error.to_string())
                    .then(|| syntax_fault(script, refused.to_string()));
            }
        };
        if let Some(fault) = self.missing_target(error) {
            return Some(fault);
        }
        let planner = self.plan_error(statement).await?;
        let fault = self.planner_fault(&planner);
        (Error::from(planner).to_string() == error.to_string()).then_some(fault)
    }

    /// The planner's error, with the places that it tells on request only.
    async fn plan_error(&self, statement: Statement) -> Option<DataFusionError> {
        let Statement::Plain(statement) = statement else {
            return None;
        };
        let scope = Scope::new(self).await.ok()?;
        let mut state = scope.state().clone();
        state.config_mut().options_mut().sql_parser.collect_spans = true;
        state.statement_to_plan(*statement).await.err()
    }

    fn planner_fault(&self, error: &DataFusionError) -> Fault {
        let diagnostic = error.diagnostic();
        let place = diagnostic.and_then(|found| found.span).map(Place::from);
        let message = match error.find_root() {
            DataFusionError::SchemaError(schema, _) => {
                if let SchemaError::FieldNotFound {
                    field,
                    valid_fields,
                } = schema.as_ref()
                {
                    return unknown_column(field, valid_fields, place);
                }
                schema.to_string()
            }
            root => root.message().into_owned(),
        };
        let of_diagnostic = |kind: &str| diagnostic.and_then(|found| named(found, kind));
        let (what, name, known) = if let Some(name) = of_diagnostic("table '") {
            ("table", name, self.known_tables())
        } else if let Some(name) = of_diagnostic("Invalid function '") {
            (
                "function",
                name,
                self.known_functions(|kind| kind != "table"),
            )
        } else if let Some(name) = between(&message, "table function '") {
            let known = self.known_functions(|kind| kind == "table");
            ("table function", name, known)
        } else {
            return Fault {
                message,
                place,
                unknown: None,
            };
        };
        Fault {
            message: format!("there is no {what} {name}"),
            place,
            unknown: Some(Unknown { name, known }),
        }
    }

    /// The table that a statement was to change, where that is what is missing.
    fn missing_target(&self, error: &Error) -> Option<Fault> {
        let Error::NotFound(message) = error else {
            return None;
        };
        let name = message.strip_prefix("there is no table ")?;
        let name = name.strip_prefix("main.").unwrap_or(name);
        let is_whole = !name.is_empty() && !name.contains(char::is_whitespace);
        is_whole.then(|| unknown(message.clone(), name, self.known_tables(), None))
    }

    fn known_tables(&self) -> Vec<String> {
        self.tables().iter().map(super::TableName::shown).collect()
    }

    fn known_functions(&self, wanted: fn(&str) -> bool) -> Vec<String> {
        let functions = self.functions().into_iter();
        functions
            .filter(|function| wanted(function.kind))
            .map(|function| function.name)
            .collect()
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self {
            start: (span.start.line, span.start.column),
            end: (span.end.line, span.end.column),
        }
    }
}

/// A column that no relation has, or a qualifier that is none. What is known is quoted where
/// statements have to.
fn unknown_column(field: &Column, valid: &[Column], place: Option<Place>) -> Fault {
    let name = field.flat_name();
    let Some(relation) = &field.relation else {
        let known = valid.iter().map(|column| quoted(&column.name).into_owned());
        let message = format!("there is no column {name}");
        return unknown(message, &name, known.collect(), place);
    };
    let columns: Vec<String> = valid
        .iter()
        .filter(|column| column.relation.as_ref() == Some(relation))
        .map(Column::quoted_flat_name)
        .collect();
    if !columns.is_empty() {
        return unknown(format!("there is no column {name}"), &name, columns, place);
    }
    let mut relations: Vec<String> = valid
        .iter()
        .filter_map(|column| Some(column.relation.as_ref()?.to_quoted_string()))
        .collect();
    relations.dedup();
    let message = format!("{name}: the statement has no table or alias {relation}");
    unknown(message, &relation.to_string(), relations, place)
}

fn unknown(message: String, name: &str, known: Vec<String>, place: Option<Place>) -> Fault {
    Fault {
        message,
        place,
        unknown: Some(Unknown {
            name: name.to_string(),
            known,
        }),
    }
}

/// The name in a diagnostic that starts with `kind`.
fn named(diagnostic: &Diagnostic, kind: &str) -> Option<String> {
    diagnostic
        .message
        .starts_with(kind)
        .then(|| between(&diagnostic.message, kind))
        .flatten()
}

/// What stands between `before` and the next quote.
fn between(message: &str, before: &str) -> Option<String> {
    let (_, after) = message.split_once(before)?;
    let (name, _) = after.split_once('\'')?;
    Some(name.to_string())
}

/// The parser tells the place within its message: `… at Line: 1, Column: 10`.
fn syntax_fault(script: &str, message: String) -> Fault {
    let told = message.rsplit_once(" at Line: ").and_then(|(text, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let at = (line.trim().parse().ok()?, column.trim().parse().ok()?);
        Some((text.to_string(), at))
    });
    let (message, at) = told.unwrap_or_else(|| (message, end_of(script)));
    let found = message
        .rsplit_once("found: ")
        .map(|(_, found)| found.trim());
    let unknown = found.filter(|word| is_name(word)).map(|word| Unknown {
        name: word.to_string(),
        known: KEYWORDS.iter().map(ToString::to_string).collect(),
    });
    Fault {
        message,
        place: Some(Place { start: at, end: at }),
        unknown,
    }
}

fn is_name(word: &str) -> bool {
    let is_kind = |kind| matches!(tokens(word).as_slice(), [token] if token.kind == kind);
    word != "EOF" && is_kind(TokenKind::Name)
}

/// Line and column after the last character that is no white space.
fn end_of(script: &str) -> (u64, u64) {
    let text = script.trim_end();
    let lines = text.split('\n').count() as u64;
    let last = text.rsplit('\n').next().unwrap_or_default();
    (lines, last.chars().count() as u64 + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)] // a failed unwrap is a failed test
    use super::*;
    use crate::config::Config;
    use crate::storage::Access;

    async fn fault(script: &str) -> Fault {
        let session = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        let statements = match session.parse(script) {
            Ok(statements) => statements,
            Err(error) => return session.fault(script, 0, &error).await.expect("a fault"),
        };
        for (nth, statement) in statements.into_iter().enumerate() {
            if let Err(error) = session.execute(statement).await {
                let fault = session.fault(script, nth, &error).await;
                return fault.unwrap_or_else(|| panic!("no fault for {error}"));
            }
        }
        panic!("{script} is not refused")
    }

    fn start(fault: &Fault) -> Option<(u64, u64)> {
        fault.place.map(|place| place.start)
    }

    fn knows(fault: &Fault, name: &str) -> bool {
        let unknown = fault.unknown.as_ref().unwrap();
        unknown.known.iter().any(|known| known == name)
    }

    #[tokio::test]
    async fn an_unknown_column_is_placed_and_its_relations_columns_are_known() {
        let sql = "SELECT 1;\nSELECT n,\n  m FROM (SELECT 1 AS n, 2 AS o) t";
        let found = fault(sql).await;
        assert_eq!(found.message, "there is no column m");
        assert_eq!(start(&found), Some((3, 3)));
        assert!(knows(&found, "n") && knows(&found, "o"), "{found:?}");
    }

    #[tokio::test]
    async fn a_qualified_column_and_an_unknown_qualifier_are_told_apart() {
        let found = fault("SELECT t.m FROM (SELECT 1 AS n) t").await;
        assert_eq!(found.message, "there is no column t.m");
        assert!(knows(&found, "t.n"), "{found:?}");
        let found = fault("SELECT tt.n FROM (SELECT 1 AS n) t").await;
        assert!(found.message.ends_with("no table or alias tt"), "{found:?}");
        assert!(knows(&found, "t"), "{found:?}");
    }

    #[tokio::test]
    async fn unknown_tables_and_functions_are_placed_and_named() {
        let found = fault("SELECT * FROM chanis").await;
        assert_eq!(found.message, "there is no table chanis");
        assert_eq!(start(&found), Some((1, 15)));
        let found = fault("SELECT ab_cdr4('E')").await;
        assert_eq!(found.message, "there is no function ab_cdr4");
        assert_eq!(start(&found), Some((1, 8)));
        assert!(knows(&found, "ab_cdr3") && !knows(&found, "read_fasta"));
        let found = fault("SELECT * FROM read_fsta('x')").await;
        assert_eq!(found.message, "there is no table function read_fsta");
        assert!(knows(&found, "read_fasta") && !knows(&found, "ab_cdr3"));
    }

    #[tokio::test]
    async fn syntax_errors_lose_the_place_in_the_message_and_know_keywords() {
        let found = fault("SELECT *\nFRM t").await;
        assert_eq!(start(&found), Some((2, 1)));
        assert!(!found.message.contains("Line:"), "{found:?}");
        assert!(knows(&found, "FROM"), "{found:?}");
        let found = fault("SELECT 1 +  ").await;
        assert_eq!(start(&found), Some((1, 11)));
        assert_eq!(found.unknown, None);
        assert_eq!(start(&fault("SELECT 'abc").await), Some((1, 8)));
    }

    #[tokio::test]
    async fn an_error_that_planning_does_not_give_has_no_fault() {
        let session = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        let error = Error::Unavailable("the store does not answer".into());
        assert_eq!(session.fault("SELECT 1", 0, &error).await, None);
        assert_eq!(session.fault("SELECT x", 0, &error).await, None);
        assert_eq!(session.fault("SELECT", 7, &error).await, None);
    }
}
