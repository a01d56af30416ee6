//! Statements without their literals, and messages about them likewise: what may stand in logs.

use crate::catalog::{CATALOG, SCHEMAS};
use crate::session::names::{TokenKind, tokens};

/// A literal this long is taken out of messages wherever it stands; a shorter one where it is a word of its own.
const DISTINCT: usize = 6;

/// A statement with `?` for each text and number, and without comments: either may name a patient or a target. What it said
/// is kept aside, so that it can be taken out of messages too.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked {
    shown: String,
    statement: String,
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Masked").field(&self.shown).finish()
    }
}

impl Masked {
    /// Masks a statement.
    pub fn new(sql: &str) -> Self {
        let mut shown = String::with_capacity(sql.len());
        for token in tokens(sql) {
            match token.kind {
                kind if is_literal(kind) => shown.push('?'),
                TokenKind::Comment => {}
                _ => shown.push_str(&sql[token.start..token.end]),
            }
        }
        Self {
            shown: shown.trim().to_string(),
            statement: sql.to_string(),
        }
    }

    /// The longest first: one may be a part of another.
    fn literals(&self) -> Vec<String> {
        let mut literals: Vec<String> = tokens(&self.statement)
            .into_iter()
            .filter(|token| is_literal(token.kind))
            .flat_map(|token| readings(&self.statement[token.start..token.end]))
            .collect();
        literals.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        literals.dedup();
        literals
    }

    /// The statement as it may be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// A message about the statement, without its literals, and without quoted words that do not stand in what is shown:
    /// they are values of parameters or rows.
    pub fn message(&self, message: &str) -> String {
        let mut message = message.to_string();
        for literal in self.literals() {
            message = without(&message, &literal);
        }
        self.without_quoted(&message)
    }

    fn without_quoted(&self, message: &str) -> String {
        let mut kept = String::with_capacity(message.len());
        let mut rest = message;
        while let Some(start) = rest.find(['\'', '"']) {
            let (before, quoted) = rest.split_at(start);
            kept.push_str(before);
            let quote = &quoted[..1];
            // An apostrophe follows a letter.
            let opens = !before.ends_with(char::is_alphanumeric);
            let end = quoted[1..].find(quote).filter(|_| opens);
            match end {
                Some(end) => {
                    let word = &quoted[1..=end];
                    kept.push_str(quote);
                    kept.push_str(if self.names(word) { word } else { "?" });
                    kept.push_str(quote);
                    rest = &quoted[end + 2..];
                }
                None => {
                    kept.push_str(quote);
                    rest = &quoted[1..];
                }
            }
        }
        kept + rest
    }

    /// Whether a word is a name of the statement, its catalog and schema perhaps added.
    fn names(&self, word: &str) -> bool {
        word.split('.').all(|part| {
            let is_implied = part == CATALOG || SCHEMAS.contains(&part);
            is_implied || (!part.is_empty() && self.shown.contains(part))
        })
    }
}

fn is_literal(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Text | TokenKind::Number | TokenKind::Unfinished | TokenKind::Illegal
    )
}

/// How a literal may stand in a message: without its quotes, as written and as meant, and without the wildcards at its ends.
fn readings(literal: &str) -> Vec<String> {
    let inner = match literal.find('\'') {
        Some(quote) => {
            let inner = &literal[quote + 1..];
            inner.strip_suffix('\'').unwrap_or(inner)
        }
        None => literal,
    };
    let dollars = match inner
        .strip_prefix('$')
        .and_then(|rest| rest.split_once('$'))
    {
        Some((tag, rest)) => rest.strip_suffix(&format!("${tag}$")).unwrap_or(rest),
        None => inner,
    };
    let meant = dollars.replace("''", "'");
    let core = meant.trim_matches(['%', '_', ' ']).to_string();
    let mut readings = vec![dollars.to_string(), meant, core];
    readings.retain(|reading| !reading.is_empty());
    readings.dedup();
    readings
}

/// `message` with `?` for each `literal`, in upper or lower case.
fn without(message: &str, literal: &str) -> String {
    let mut kept = String::with_capacity(message.len());
    let mut at = 0;
    while let Some(next) = message[at..].chars().next() {
        let end = at + literal.len();
        let is_literal = message
            .get(at..end)
            .is_some_and(|found| found.eq_ignore_ascii_case(literal));
        if is_literal && (literal.len() >= DISTINCT || stands_alone(message, at, end)) {
            kept.push('?');
            at = end;
        } else {
            kept.push(next);
            at += next.len_utf8();
        }
    }
    kept
}

fn stands_alone(message: &str, start: usize, end: usize) -> bool {
    !message[..start].ends_with(char::is_alphanumeric)
        && !message[end..].starts_with(char::is_alphanumeric)
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
            assert_eq!(Masked::new(sql).shown(), shown);
        }
    }

    #[test]
    fn messages_about_a_statement_do_not_tell_its_literals() {
        for (sql, message, shown) in [
            (
                "SELECT CAST('Doe, J.' AS INT)",
                "Cast error: Cannot cast string 'Doe, J.' to value of Int32 type",
                "Cast error: Cannot cast string '?' to value of Int32 type",
            ),
            (
                "SELECT * FROM t WHERE a LIKE '%hush%' AND b = 42",
                "no plan for a LIKE Utf8(\"%HUSH%\") AND b = Int64(42) of t42",
                "no plan for a LIKE Utf8(\"?\") AND b = Int64(?) of t42",
            ),
            (
                "COPY t TO 's3://key:word@bucket/it''s'",
                "s3://key:word@bucket/it's: not here; the server's 's3://key:word@bucket/it''s'",
                "?: not here; the server's '?'",
            ),
            ("SELECT $$hush$$", "hush", "?"),
            ("SELECT 'hush", "found: hush", "found: ?"),
        ] {
            assert_eq!(Masked::new(sql).message(message), shown);
        }
    }

    #[test]
    fn names_of_the_statement_stay_in_messages_and_values_of_rows_do_not() {
        let masked = Masked::new("SELECT CAST(note AS INT) FROM visits WHERE id = $1");
        assert_eq!(
            masked.message(
                "table 'lake.main.visits': the server's column \"note\" holds 'hush', not 'Int32"
            ),
            "table 'lake.main.visits': the server's column \"note\" holds '?', not 'Int32"
        );
    }
}
