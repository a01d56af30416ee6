//! Tokens of STAR, the syntax of mmCIF (Hall 1991, J. Chem. Inf. Comput. Sci. 31:326; CIF 1.1, <https://www.iucr.org/resources/cif/spec/version1.1>).

/// The most bytes that are kept of a text over several lines.
const MOST_TEXT: usize = 1 << 20;

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `data_NAME`
    Data(&'a str),
    /// `loop_`
    Loop,
    /// `save_…`, `global_` or `stop_`, which mmCIF files have not.
    Foreign,
    /// `_category.item`
    Tag(&'a str),
    /// A value; `None` for `.` and `?` without quotes.
    Value(Option<&'a str>),
}

/// Splits lines into tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// A text over several lines that has not ended.
    text: Option<String>,
}

impl Tokens {
    /// Whether a text over several lines has not ended.
    pub(super) fn is_within_text(&self) -> bool {
        self.text.is_some()
    }

    /// Gives the tokens of a line to `take`, which stops with an error.
    ///
    /// # Errors
    /// Those of `take`.
    pub(super) fn line<E>(
        &mut self,
        line: &str,
        mut take: impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = line;
        if let Some(mut text) = self.text.take() {
            let Some(after) = line.strip_prefix(';') else {
                if text.len() + line.len() < MOST_TEXT {
                    text.push('\n');
                    text.push_str(line);
                }
                self.text = Some(text);
                return Ok(());
            };
            take(Token::Value(Some(text.as_str())))?;
            rest = after;
        } else if let Some(start) = line.strip_prefix(';') {
            let mut text = String::new();
            text.push_str(if start.len() < MOST_TEXT { start } else { "" });
            self.text = Some(text);
            return Ok(());
        }
        loop {
            rest = rest.trim_start_matches(is_space);
            let Some(first) = rest.chars().next() else {
                return Ok(());
            };
            match first {
                '#' => return Ok(()),
                '\'' | '"' => {
                    let (value, after) = quoted(&rest[1..], first);
                    take(Token::Value(Some(value)))?;
                    rest = after;
                }
                _ => {
                    let end = rest.find(is_space).unwrap_or(rest.len());
                    let (word, after) = rest.split_at(end);
                    take(bare(word))?;
                    rest = after;
                }
            }
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// A quoted value ends at a quote with white space behind it; one that does not end goes to the end of the line.
fn quoted(text: &str, quote: char) -> (&str, &str) {
    let ends = text.match_indices(quote).map(|(at, _)| at);
    let mut ends = ends.filter(|at| text[at + 1..].chars().next().is_none_or(is_space));
    match ends.next() {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

fn bare(word: &str) -> Token<'_> {
    // Keywords are known in any case.
    let is = |keyword: &str| word.len() == keyword.len() && word.eq_ignore_ascii_case(keyword);
    let starts = |keyword: &str| {
        word.get(..keyword.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(keyword))
    };
    if word.starts_with('_') {
        Token::Tag(word)
    } else if starts("data_") {
        Token::Data(&word[5..])
    } else if is("loop_") {
        Token::Loop
    } else if starts("save_") || is("global_") || is("stop_") {
        Token::Foreign
    } else {
        Token::Value(Some(word).filter(|word| !matches!(*word, "." | "?")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let (mut tokens, mut all) = (Tokens::default(), Vec::new());
        for line in text.lines() {
            let taken: Result<(), ()> = tokens.line(line, |token| {
                all.push(match token {
                    Token::Value(Some(value)) => value.to_string(),
                    other => format!("{other:?}"),
                });
                Ok(())
            });
            assert_eq!(taken, Ok(()));
        }
        all
    }

    #[test]
    fn values_stand_bare_quoted_and_over_lines() {
        assert_eq!(
            tokens(
                "data_1ABC\n_a.b 'it''s a dog's life' # note\n_a.c \"O5'\" N#1\n_a.d\n;first\n second\n; . '.' ?"
            ),
            [
                "Data(\"1ABC\")",
                "Tag(\"_a.b\")",
                "it''s a dog's life",
                "Tag(\"_a.c\")",
                "O5'",
                "N#1",
                "Tag(\"_a.d\")",
                "first\n second",
                "Value(None)",
                ".",
                "Value(None)"
            ]
        );
    }

    #[test]
    fn keywords_are_known_in_any_case_and_within_quotes_they_are_values() {
        assert_eq!(
            tokens("LOOP_ Loop_ 'loop_' save_x STOP_ data_"),
            ["Loop", "Loop", "loop_", "Foreign", "Foreign", "Data(\"\")"]
        );
        assert_eq!(
            tokens("database loop_x é 'ü"),
            ["database", "loop_x", "é", "ü"]
        );
    }

    #[test]
    fn a_semicolon_within_a_line_opens_no_text() {
        assert_eq!(tokens("_a.b ;x\n y;\n"), ["Tag(\"_a.b\")", ";x", "y;"]);
    }
}
