//! A statement as the parser's own tokenizer cuts it, half-typed ones included: so an editor and
//! the parser never disagree about where a string or a comment ends.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token as SqlToken, TokenWithSpan, Tokenizer, Whitespace,
};

/// Words that have a meaning of their own in the statements of a session, sorted.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "ANTI",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "CASE",
    "CAST",
    "COLUMN",
    "COLUMNS",
    "COPY",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT",
    "DATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DETAIL",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTERNAL",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FOR",
    "FORMAT",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "GROUPING",
    "HAVING",
    "HISTORY",
    "HOURS",
    "IF",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOB",
    "JOBS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "MAINTAIN",
    "MATCHED",
    "MERGE",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "OPTIMIZE",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "OVERWRITE",
    "PARTITION",
    "PARTITIONED",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "RENAME",
    "REPLACE",
    "RESET",
    "RESTORE",
    "RETAIN",
    "RIGHT",
    "ROLLUP",
    "ROW",
    "ROWS",
    "RUN",
    "SELECT",
    "SEMI",
    "SET",
    "SHOW",
    "SIMILAR",
    "STORED",
    "STRING",
    "STRUCT",
    "TABLE",
    "TABLES",
    "TBLPROPERTIES",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "UPDATE",
    "USING",
    "VACUUM",
    "VALUES",
    "VARCHAR",
    "VERSION",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
    "ZORDER",
];

/// What a piece of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A word of [`KEYWORDS`].
    Keyword,
    /// Another word, or a quoted identifier.
    Name,
    /// A literal string, with its quotes.
    Text,
    /// A literal number.
    Number,
    /// `-- …` or `/* … */`.
    Comment,
    /// White space.
    Space,
    /// `;`
    End,
    /// Operators, parentheses, `.`, `,`.
    Sign,
    /// A string, quoted identifier or comment that does not end: the rest of the text.
    Unfinished,
    /// From a character that no statement can have there: the rest of the text.
    Illegal,
}

/// A piece of a statement: `start..end` in bytes. The pieces of a text follow each other without
/// gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

/// Cuts a text into tokens.
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut found: Vec<TokenWithSpan> = Vec::new();
    let failure = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location_into_buf(&mut found)
        .err();
    let mut cursor = Cursor::new(sql);
    let mut tokens: Vec<Token> = found
        .iter()
        .map(|token| Token {
            kind: kind_of(&token.token),
            start: cursor.bytes,
            end: cursor.advance_to(token.span.end),
        })
        .collect();
    if let Some(failure) = failure {
        let kind = if is_unfinished(&failure.message) {
            TokenKind::Unfinished
        } else {
            TokenKind::Illegal
        };
        let (start, end) = (cursor.bytes, sql.len());
        tokens.push(Token { kind, start, end });
    }
    tokens
}

/// The tokenizer knows the difference by its messages only.
fn is_unfinished(message: &str) -> bool {
    ["Unterminated", "Unexpected EOF", "Expected close delimiter"]
        .iter()
        .any(|start| message.starts_with(start))
}

fn kind_of(token: &SqlToken) -> TokenKind {
    match token {
        SqlToken::Word(word) if word.quote_style.is_none() => {
            let upper = word.value.to_ascii_uppercase();
            match KEYWORDS.binary_search(&upper.as_str()) {
                Ok(_) => TokenKind::Keyword,
                Err(_) => TokenKind::Name,
            }
        }
        SqlToken::Word(_) => TokenKind::Name,
        SqlToken::Number(..) => TokenKind::Number,
        SqlToken::Whitespace(
            Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
        ) => TokenKind::Comment,
        SqlToken::Whitespace(_) => TokenKind::Space,
        SqlToken::SemiColon => TokenKind::End,
        SqlToken::SingleQuotedString(_)
        | SqlToken::DoubleQuotedString(_)
        | SqlToken::DollarQuotedString(_)
        | SqlToken::NationalStringLiteral(_)
        | SqlToken::EscapedStringLiteral(_)
        | SqlToken::UnicodeStringLiteral(_)
        | SqlToken::HexStringLiteral(_)
        | SqlToken::SingleQuotedByteStringLiteral(_)
        | SqlToken::SingleQuotedRawStringLiteral(_) => TokenKind::Text,
        _ => TokenKind::Sign,
    }
}

/// Turns lines and columns, which only grow, into bytes.
struct Cursor<'a> {
    rest: std::str::Chars<'a>,
    line: u64,
    column: u64,
    bytes: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            line: 1,
            column: 1,
            bytes: 0,
        }
    }

    fn advance_to(&mut self, to: Location) -> usize {
        while (self.line, self.column) < (to.line, to.column) {
            let Some(c) = self.rest.next() else { break };
            self.bytes += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sql: &str) -> Vec<(TokenKind, &str)> {
        tokens(sql)
            .into_iter()
            .filter(|token| token.kind != TokenKind::Space)
            .map(|token| (token.kind, &sql[token.start..token.end]))
            .collect()
    }

    #[test]
    fn keywords_are_sorted_so_that_they_are_found() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn a_statement_is_cut_into_its_words_texts_and_comments() {
        use TokenKind::{Comment, End, Keyword, Name, Number, Sign, Text};
        let sql = "select \"V é\", 'it''s; é' -- one; two\nFROM t /* ; */ WHERE n > 1.5;";
        let expected = [
            (Keyword, "select"),
            (Name, "\"V é\""),
            (Sign, ","),
            (Text, "'it''s; é'"),
            (Comment, "-- one; two\n"),
            (Keyword, "FROM"),
            (Name, "t"),
            (Comment, "/* ; */"),
            (Keyword, "WHERE"),
            (Name, "n"),
            (Sign, ">"),
            (Number, "1.5"),
            (End, ";"),
        ];
        assert_eq!(cut(sql), expected);
    }

    #[test]
    fn the_rest_of_a_text_that_does_not_end_is_one_token() {
        for rest in [
            "'a;\nb",
            "\"a;",
            "/* a; /* b */",
            "$$a;",
            "$x$a;$$",
            "E'a\\';",
        ] {
            let sql = format!("SELECT é, {rest}");
            let last = cut(&sql).pop();
            assert_eq!(last, Some((TokenKind::Unfinished, rest)), "{rest}");
        }
    }

    #[test]
    fn dollar_quotes_hold_semicolons() {
        let sql = "SELECT $x$ a; $$ b; $x$;";
        assert_eq!(cut(sql)[1], (TokenKind::Text, "$x$ a; $$ b; $x$"));
    }

    #[test]
    fn tokens_follow_each_other_without_gaps() {
        for sql in ["", " ", "SELECT 1;", "a\r\n\tb", "SELECT ._x", "'", "é'é"] {
            let mut at = 0;
            for token in tokens(sql) {
                assert_eq!(token.start, at, "{sql:?}");
                at = token.end;
            }
            assert_eq!(at, sql.len(), "{sql:?}");
        }
    }
}
