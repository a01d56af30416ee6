//! When what was typed is complete, and Enter runs it instead of starting another line.

use engine::session::names::{TokenKind, tokens};
use reedline::{ValidationResult, Validator};

use super::command::is_command;
use crate::script::says_something;

/// Statements end with `;`, commands with their line.
pub struct Input;

impl Validator for Input {
    fn validate(&self, line: &str) -> ValidationResult {
        match is_complete(line) {
            true => ValidationResult::Complete,
            false => ValidationResult::Incomplete,
        }
    }
}

/// Whether there is nothing to wait for. A text that no parser can read is complete where it
/// ends with `;`: its error is more help than another line.
pub fn is_complete(text: &str) -> bool {
    if is_command(text) {
        return true;
    }
    let tokens = tokens(text);
    if tokens
        .iter()
        .any(|token| token.kind == TokenKind::Unfinished)
    {
        return false;
    }
    let mut said = tokens.iter().filter(|token| says_something(token.kind));
    match said.next_back().map(|token| token.kind) {
        None | Some(TokenKind::End) => true,
        Some(TokenKind::Illegal) => text.trim_end().ends_with(';'),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_complete_at_its_semicolon() {
        for text in [
            "SELECT 1;",
            "SELECT 1; -- done",
            "SELECT 1\n  ;\n",
            "SELECT 1; SELECT 2;",
            "SELECT ';' /* ; */;",
            "SELECT $x$ ; $x$;",
        ] {
            assert!(is_complete(text), "{text}");
        }
    }

    #[test]
    fn a_semicolon_in_a_string_comment_or_quoted_name_ends_nothing() {
        for text in [
            "SELECT 1",
            "SELECT ';",
            "SELECT ';'",
            "SELECT 'it''s;",
            "SELECT \"a;",
            "SELECT 1 -- ;",
            "SELECT 1 /* ;",
            "SELECT 1 /* /* */ ;",
            "SELECT $$ ;",
            "SELECT $x$ ; $$ ;",
            "SELECT 1; SELECT",
        ] {
            assert!(!is_complete(text), "{text}");
        }
    }

    #[test]
    fn commands_comments_and_nothing_are_complete_at_once() {
        for text in ["", "  \n", "-- a remark", "\\d chains", "\\x", "quit"] {
            assert!(is_complete(text), "{text}");
        }
    }

    #[test]
    fn what_no_parser_can_read_waits_for_its_semicolon_only() {
        assert!(is_complete("SELECT ._x;"));
        assert!(!is_complete("SELECT ._x"));
    }
}
