//! Statements without their literals: what may stand in logs.

use crate::session::names::{TokenKind, tokens};

/// The statement with `?` for each text and number, and without comments: either may name a patient or a target.
pub fn masked(sql: &str) -> String {
    let mut shown = String::with_capacity(sql.len());
    for token in tokens(sql) {
        let text = &sql[token.start..token.end];
        match token.kind {
            TokenKind::Text | TokenKind::Number | TokenKind::Unfinished | TokenKind::Illegal => {
                shown.push('?')
            }
            TokenKind::Comment => {}
            _ => shown.push_str(text),
        }
    }
    shown.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_not_shown() {
        for (sql, shown) in [
            (
                "SELECT 'it''s', 1.5e3, \"a 1\" FROM t",
                "SELECT ?, ?, \"a 1\" FROM t",
            ),
            ("-- for patient 7\nSELECT /* x */ a1", "SELECT  a1"),
            ("SELECT $$secret$$", "SELECT ?"),
            ("SELECT 'open", "SELECT ?"),
        ] {
            assert_eq!(masked(sql), shown);
        }
    }
}
