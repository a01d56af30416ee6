//! Statements that would outgrow the stack, refused before they are parsed.
//!
//! The parser counts how deep parentheses go, but `a + a + a …` is as deep as it is long, joins and WITH likewise, and
//! everything that walks a statement (copying, planning, even dropping it) goes down to its bottom. A stack that overflows
//! ends the process, so the length of such chains is limited, and threads that plan have a stack to match.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::dialect::LakeDialect;
use crate::error::{Error, Result};

/// Stack of threads that plan and carry out what [`check`] lets through, bytes. In dev builds a level takes up to 20 KiB;
/// memory is taken as far as the stack is used.
pub const STACK_BYTES: usize = 64 << 20;
/// Operators one after another in one expression, those of its longest operand included.
const OPERATORS: usize = 2_000;
/// Relations of one text: FROM, joins, set operations and what else stacks them.
const RELATIONS: usize = 1_000;
/// A text below this length cannot reach either.
const SHORT: usize = 2 * RELATIONS;

/// Looks for chains that are too long.
///
/// # Errors
/// `Invalid`, with what to write instead.
pub fn check(sql: &str) -> Result<()> {
    if sql.len() < SHORT {
        return Ok(());
    }
    let tokens = Tokenizer::new(&LakeDialect::default(), sql)
        .tokenize()
        .map_err(ParserError::from)?;
    let mut walk = Walk::default();
    for token in tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
    {
        walk.token(token);
        walk.verdict()?;
    }
    Ok(())
}

#[derive(Default)]
struct Walk {
    /// What is open, the outermost first.
    outer: Vec<Level>,
    level: Level,
    deepest: usize,
    relations: usize,
    /// The word before this token: `IS DISTINCT FROM` and `ARRAY<` are told by it.
    before: Option<Keyword>,
}

/// What stands between two parentheses.
#[derive(Default)]
struct Level {
    /// Operators since the expression began.
    links: usize,
    /// Comparisons since the last AND or OR.
    comparisons: usize,
    /// Depth of the deepest operand in parentheses.
    operand: usize,
    /// Whether a comma joins relations here.
    in_from: bool,
}

impl Level {
    fn depth(&self) -> usize {
        self.links + self.comparisons + self.operand
    }

    fn next_expression(&mut self, in_from: bool) {
        *self = Self {
            in_from,
            ..Self::default()
        };
    }
}

impl Walk {
    fn token(&mut self, token: &Token) {
        let before = self.before.take();
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.outer.push(std::mem::take(&mut self.level));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                // The deepest of the expressions within, however commas part them.
                let within = self.level.depth() + 1;
                self.level = self.outer.pop().unwrap_or_default();
                self.level.operand = self.level.operand.max(within);
            }
            Token::Comma => {
                self.relations += usize::from(self.level.in_from);
                let in_from = self.level.in_from;
                self.level.next_expression(in_from);
            }
            Token::SemiColon => *self = Self::default(),
            Token::VerticalBarRightAngleBracket => {
                self.relations += 1;
                self.level.next_expression(false);
            }
            Token::Word(word) => self.word(word, before),
            Token::Lt
                if matches!(
                    before,
                    Some(Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP)
                ) =>
            {
                self.relations += 1;
            }
            Token::Eq
            | Token::DoubleEq
            | Token::Neq
            | Token::Lt
            | Token::LtEq
            | Token::Gt
            | Token::GtEq => self.level.comparisons += 1,
            Token::Number(..)
            | Token::Char(_)
            | Token::Period
            | Token::Placeholder(_)
            | Token::EOF => {}
            text if is_text(text) => {}
            _ => self.level.links += 1,
        }
        self.deepest = self.deepest.max(self.level.depth());
    }

    fn word(&mut self, word: &Word, before: Option<Keyword>) {
        if word.quote_style.is_some() {
            return;
        }
        self.before = Some(word.keyword);
        match word.keyword {
            Keyword::AND | Keyword::OR | Keyword::XOR => {
                self.level.links += 1;
                self.level.comparisons = 0;
            }
            Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::DIV
            | Keyword::OVERLAPS
            | Keyword::MEMBER
            | Keyword::OPERATOR => self.level.links += 1,
            Keyword::FROM if before == Some(Keyword::DISTINCT) => {}
            Keyword::FROM => {
                self.relations += 1;
                self.level.next_expression(true);
            }
            Keyword::JOIN
            | Keyword::APPLY
            | Keyword::LATERAL
            | Keyword::PIVOT
            | Keyword::UNPIVOT
            | Keyword::MATCH_RECOGNIZE
            | Keyword::TABLE
            | Keyword::EXPLAIN
            | Keyword::PREPARE => self.relations += 1,
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
                self.relations += 1;
                self.level.next_expression(false);
            }
            Keyword::SELECT
            | Keyword::WHERE
            | Keyword::HAVING
            | Keyword::QUALIFY
            | Keyword::BY
            | Keyword::LIMIT
            | Keyword::VALUES => self.level.next_expression(false),
            Keyword::ON => self.level.next_expression(self.level.in_from),
            _ => {}
        }
    }

    fn verdict(&self) -> Result<()> {
        if self.deepest > OPERATORS {
            return Err(Error::Invalid(format!(
                "the statement is nested too deeply: an expression chains more than {OPERATORS} operators; write alternatives as IN (…), values as rows of VALUES, or split it"
            )));
        }
        if self.relations > RELATIONS {
            return Err(Error::Invalid(format!(
                "the statement is nested too deeply: it stacks more than {RELATIONS} relations (FROM, JOIN, UNION, EXPLAIN, …); send rows with INSERT … VALUES, or split it"
            )));
        }
        Ok(())
    }
}

fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn chain(one: &str, between: &str, times: usize) -> String {
        vec![one; times].join(between)
    }

    #[test]
    fn chains_of_operators_and_relations_are_limited() {
        for (sql, word) in [
            (format!("SELECT {}", chain("1", "+", 3_000)), "operators"),
            (
                format!("SELECT 1 WHERE {}", chain("a", " OR ", 3_000)),
                "IN",
            ),
            (format!("SELECT {}", chain("a", " = ", 3_000)), "operators"),
            (format!("SELECT 1{}", "::INT".repeat(3_000)), "operators"),
            (format!("SELECT 1{}", " IS NULL".repeat(3_000)), "operators"),
            (
                format!("SELECT {}", chain("a", " IS DISTINCT FROM ", 3_000)),
                "operators",
            ),
            (
                format!("SELECT {}", chain("CASE WHEN a THEN b END", " + ", 3_000)),
                "operators",
            ),
            (
                format!(
                    "SELECT ({}) + {}",
                    chain("1", "+", 1_500),
                    chain("1", "+", 1_500)
                ),
                "operators",
            ),
            (chain("SELECT 1", " UNION ALL ", 1_500), "relations"),
            (
                format!("SELECT 1 FROM {}", chain("t", ", ", 1_500)),
                "relations",
            ),
            (
                format!("SELECT 1 FROM t {}", "CROSS JOIN t ".repeat(1_500)),
                "relations",
            ),
            (
                format!("FROM t {}", "|> WHERE a ".repeat(1_500)),
                "relations",
            ),
            (
                format!(
                    "WITH {} SELECT 1",
                    chain("c AS (SELECT * FROM c)", ", ", 1_500)
                ),
                "relations",
            ),
            (format!("{}SELECT 1", "EXPLAIN ".repeat(1_500)), "relations"),
            (
                format!("CREATE TABLE t (a {}INT)", "ARRAY<".repeat(1_500)),
                "relations",
            ),
        ] {
            let error = check(&sql).unwrap_err().to_string();
            assert!(error.contains(word), "{sql:.40}: {error}");
            assert!(error.contains("nested too deeply"), "{error}");
        }
    }

    #[test]
    fn what_is_long_but_not_deep_passes() {
        for sql in [
            format!("SELECT * FROM t WHERE a IN ({})", chain("-1", ", ", 50_000)),
            format!(
                "INSERT INTO t VALUES {}",
                chain("(1, 'a' || 'b', 2 + 3)", ", ", 20_000)
            ),
            format!("SELECT {}", chain("a + b AS c", ", ", 5_000)),
            format!(
                "SELECT * FROM t WHERE {}",
                chain("a = 1 AND b = 2", " OR ", 600)
            ),
            format!("SELECT 1 -- {}", chain("+", " + ", 5_000)),
            format!("SELECT '{}'", chain("+", " OR ", 5_000)),
            format!("SELECT f({})", chain("(a + b)", ", ", 5_000)),
            chain("SELECT 1 + 1 FROM t", "; ", 5_000),
        ] {
            check(&sql).unwrap_or_else(|error| panic!("{sql:.40}: {error}"));
        }
    }
}
