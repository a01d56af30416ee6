//! Scripts, cut into their statements.

use engine::session::names::{Token, TokenKind, tokens};

/// The tokens of statement number `nth` (from 0), as the session numbers them: pieces between
/// semicolons that hold nothing but comments do not count.
pub fn statement(script: &str, nth: usize) -> Option<Vec<Token>> {
    tokens(script)
        .split(|token| token.kind == TokenKind::End)
        .filter(|part| part.iter().any(|token| says_something(token.kind)))
        .nth(nth)
        .map(<[Token]>::to_vec)
}

/// Whether it is neither white space nor a comment.
pub fn says_something(kind: TokenKind) -> bool {
    !matches!(kind, TokenKind::Space | TokenKind::Comment)
}

/// Words after which a statement names what it is about, which may look like a keyword.
const LAST_OF_VERB: &[&str] = &[
    "FROM", "INTO", "OPTIMIZE", "RESET", "SET", "TABLE", "UPDATE", "VACUUM", "VIEW",
];

/// What statement number `nth` does, in its own first words: `CREATE EXTERNAL TABLE`.
pub fn verb(script: &str, nth: usize) -> String {
    let mut words: Vec<String> = Vec::new();
    for token in statement(script, nth).unwrap_or_default() {
        let word = script[token.start..token.end].to_uppercase();
        match token.kind {
            TokenKind::Keyword => words.push(word),
            kind if says_something(kind) => break,
            _ => continue,
        }
        if words
            .last()
            .is_some_and(|word| LAST_OF_VERB.contains(&word.as_str()))
        {
            break;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn statements_are_numbered_without_empty_ones() {
        let script = "SELECT ';' ;; -- none;\n; select 2";
        let text = |nth| {
            let part = statement(script, nth)?;
            let (first, last) = (part.first()?, part.last()?);
            Some(script[first.start..last.end].trim())
        };
        assert_eq!(text(0), Some("SELECT ';'"));
        assert_eq!(text(1), Some("select 2"));
        assert_eq!(text(2), None);
    }

    #[test]
    fn a_statement_is_called_by_its_first_keywords() {
        let script = "/* a */ create external table copy STORED AS delta; SET a.b = 1; \"x\"";
        assert_eq!(verb(script, 0), "CREATE EXTERNAL TABLE");
        assert_eq!(verb(script, 1), "SET");
        assert_eq!(verb(script, 2), "");
    }
}
