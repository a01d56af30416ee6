//! What is said of a statement that was refused: what is wrong, which known name was meant, and a
//! caret under the token.

mod near;
mod snippet;

use std::ops::Range;

use engine::Error;
use engine::session::Session;
use engine::session::names::{Fault, TokenKind, Unknown, tokens};

use crate::script;
pub use near::{near, suggestion};

/// Columns that a quoted line may take where the terminal does not say.
const WIDTH: usize = 120;

/// What is wrong with statement number `nth` (from 0) of `script`, which was refused with
/// `error`: the message, suggestions, and the place.
pub async fn explain(session: &Session, script: &str, nth: usize, error: &Error) -> String {
    // A store that does not answer must not be asked once more by planning again.
    if !matches!(
        error,
        Error::Invalid(_) | Error::NotFound(_) | Error::Unsupported(_)
    ) {
        return error.to_string();
    }
    let fault = session.fault(script, nth, error).await;
    let message = fault.as_ref().map_or_else(|| error.to_string(), sentence);
    let place = match &fault {
        Some(fault) => range_of(script, nth, fault),
        None => mentioned(script, nth, error),
    };
    match place {
        Some(range) => {
            let terminal = console::Term::stderr().size_checked();
            let width = terminal.map_or(WIDTH, |(_, columns)| columns.into());
            format!("{message}\n{}", snippet::draw(script, range, width))
        }
        None => message,
    }
}

/// What is wrong with a relation that stands by itself: its columns were asked for.
pub async fn of_relation(session: &Session, relation: &str, error: &Error) -> String {
    let script = format!("SELECT * FROM {relation} LIMIT 0");
    let fault = session.fault(&script, 0, error).await;
    fault.as_ref().map_or_else(|| error.to_string(), sentence)
}

/// The message with the names that could have been meant.
fn sentence(fault: &Fault) -> String {
    let meant = fault.unknown.as_ref().and_then(meant);
    match meant {
        Some(names) => format!("{}; {names}", fault.message),
        None => fault.message.clone(),
    }
}

fn meant(unknown: &Unknown) -> Option<String> {
    let known = unknown.known.iter().map(String::as_str);
    suggestion(&near(&unknown.name, known))
}

/// The bytes that a fault points at: a whole name where a name is the trouble.
fn range_of(script: &str, nth: usize, fault: &Fault) -> Option<Range<usize>> {
    let Some(place) = fault.place else {
        let unknown = fault.unknown.as_ref()?;
        return find(script, nth, |word| unquoted(word) == unknown.name);
    };
    let start = snippet::byte_at(script, place.start);
    if place.start == place.end || fault.unknown.is_some() {
        Some(start..end_of_name(script, start))
    } else {
        Some(start..snippet::byte_at(script, place.end))
    }
}

/// Where the statement has what the error quotes, for errors that know no place.
fn mentioned(script: &str, nth: usize, error: &Error) -> Option<Range<usize>> {
    let message = error.to_string();
    // Every second piece stands between quotes.
    message
        .split('\'')
        .skip(1)
        .step_by(2)
        .filter(|quoted| !quoted.is_empty())
        .find_map(|quoted| find(script, nth, |word| unquoted(word) == quoted))
}

/// The first name or text of a statement for which `wanted` holds.
fn find(script: &str, nth: usize, wanted: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    script::statement(script, nth)?
        .into_iter()
        .filter(|token| matches!(token.kind, TokenKind::Name | TokenKind::Text))
        .find(|token| wanted(&script[token.start..token.end]))
        .map(|token| token.start..token.end)
}

/// The end of the token at `start`, and of the names that a point joins to it: `a.b.c`.
fn end_of_name(script: &str, start: usize) -> usize {
    let tokens = tokens(script);
    let mut following = tokens.iter().skip_while(|token| token.end <= start);
    let Some(first) = following.next() else {
        return start;
    };
    let is_name = |kind| matches!(kind, TokenKind::Name | TokenKind::Keyword);
    if !is_name(first.kind) {
        return first.end;
    }
    let mut end = first.end;
    while let (Some(point), Some(name)) = (following.next(), following.next()) {
        if &script[point.start..point.end] != "." || !is_name(name.kind) {
            break;
        }
        end = name.end;
    }
    end
}

/// A name or text without its quotes.
fn unquoted(word: &str) -> String {
    let inner = ['"', '\'', '`'].iter().find_map(|quote| {
        let inner = word.strip_prefix(*quote)?.strip_suffix(*quote)?;
        Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
    });
    inner.unwrap_or_else(|| word.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use engine::config::Config;
    use engine::storage::Access;

    use super::*;

    async fn explained(script: &str) -> String {
        let session = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        let statements = match session.parse(script) {
            Ok(statements) => statements,
            Err(error) => return explain(&session, script, 0, &error).await,
        };
        for (nth, statement) in statements.into_iter().enumerate() {
            if let Err(error) = session.execute(statement).await {
                return explain(&session, script, nth, &error).await;
            }
        }
        panic!("{script} is not refused")
    }

    #[tokio::test]
    async fn an_unknown_column_gets_its_near_names_and_a_caret() {
        let script = "-- genes\nSELECT v_gen,\n  n FROM (SELECT 1 AS v_gene, 2 AS n) t;";
        assert_eq!(
            explained(script).await,
            "there is no column v_gen; did you mean v_gene?\n\
             line 2, column 8:\n  SELECT v_gen,\n         ^^^^^"
        );
    }

    #[tokio::test]
    async fn a_qualified_name_is_underlined_as_a_whole() {
        let script = "SELECT 1; SELECT t.nn + 1 FROM (SELECT 1 AS n) t";
        let text = explained(script).await;
        assert!(
            text.starts_with("there is no column t.nn; did you mean t.n?"),
            "{text}"
        );
        assert!(text.ends_with(" ^^^^"), "{text}");
    }

    #[tokio::test]
    async fn a_misspelt_keyword_and_function_are_pointed_at() {
        let text = explained("SELECT 1 AS n FRM t").await;
        assert!(text.contains("did you mean FROM?"), "{text}");
        let text = explained("SELECT ab_cdr3('E'), lenght('a')").await;
        assert_eq!(
            text,
            "there is no function lenght; did you mean length?\n\
             line 1, column 22:\n  SELECT ab_cdr3('E'), lenght('a')\n                       ^^^^^^"
        );
    }

    #[tokio::test]
    async fn what_an_error_quotes_is_found_in_its_own_statement() {
        let script = "SELECT 'abc'; DROP TABLE abc";
        let text = explained(script).await;
        assert!(text.contains("line 1, column 26:"), "{text}");
    }

    #[tokio::test]
    async fn an_unfinished_statement_is_pointed_at_behind_its_end() {
        let text = explained("SELECT 1 +").await;
        assert!(text.ends_with("  SELECT 1 +\n            ^"), "{text}");
    }

    #[tokio::test]
    async fn an_error_without_a_place_stays_a_single_line() {
        let session = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap();
        let error = Error::Unavailable("the store 'x' does not answer".into());
        let text = explain(&session, "SELECT 'x'", 0, &error).await;
        assert_eq!(text, error.to_string());
    }
}
