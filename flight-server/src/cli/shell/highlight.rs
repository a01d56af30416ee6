//! Colours of what is typed.

use std::collections::HashSet;
use std::ops::Range;

use engine::session::names::{TokenKind, tokens};
use reedline::{Color, Highlighter, StyledText};

use super::command::is_command;

/// What a piece of a line is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Keyword,
    Function,
    Text,
    Number,
    Comment,
    Command,
    Plain,
}

/// Colours lines by the parser's own tokens.
pub struct Colours {
    functions: HashSet<String>,
}

impl Colours {
    /// Names in front of a parenthesis get a colour where they are functions.
    pub fn new(functions: impl IntoIterator<Item = String>) -> Self {
        Self {
            functions: functions.into_iter().collect(),
        }
    }

    fn classes(&self, line: &str) -> Vec<(Class, Range<usize>)> {
        if is_command(line) {
            return vec![(Class::Command, 0..line.len())];
        }
        let tokens = tokens(line);
        let mut classes = Vec::with_capacity(tokens.len());
        for (nth, token) in tokens.iter().enumerate() {
            let text = &line[token.start..token.end];
            let next = tokens.get(nth + 1);
            let is_called = next.is_some_and(|next| &line[next.start..next.end] == "(");
            let class = match token.kind {
                TokenKind::Name | TokenKind::Keyword
                    if is_called && self.functions.contains(&text.to_lowercase()) =>
                {
                    Class::Function
                }
                TokenKind::Keyword => Class::Keyword,
                TokenKind::Text => Class::Text,
                TokenKind::Number => Class::Number,
                TokenKind::Comment => Class::Comment,
                TokenKind::Unfinished if text.starts_with("/*") => Class::Comment,
                TokenKind::Unfinished if !text.starts_with(['"', '`']) => Class::Text,
                _ => Class::Plain,
            };
            classes.push((class, token.start..token.end));
        }
        classes
    }
}

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for (class, range) in self.classes(line) {
            let style = match class {
                Class::Keyword => Color::Blue.bold(),
                Class::Function => Color::Cyan.normal(),
                Class::Text => Color::Green.normal(),
                Class::Number => Color::Magenta.normal(),
                Class::Comment => Color::DarkGray.normal(),
                Class::Command => Color::Yellow.normal(),
                Class::Plain => Color::Default.normal(),
            };
            styled.push((style, line[range].to_string()));
        }
        styled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(line: &str) -> Vec<(Class, &str)> {
        Colours::new(["ab_cdr3".to_string(), "left".to_string()])
            .classes(line)
            .into_iter()
            .map(|(class, range)| (class, &line[range]))
            .filter(|(_, text)| !text.trim().is_empty())
            .collect()
    }

    #[test]
    fn keywords_functions_texts_numbers_and_comments_differ() {
        use Class::{Comment, Function, Keyword, Number, Plain, Text};
        let expected = [
            (Keyword, "select"),
            (Function, "AB_CDR3"),
            (Plain, "("),
            (Text, "'from'"),
            (Plain, ")"),
            (Plain, ","),
            (Plain, "ab_cdr3"),
            (Plain, "+"),
            (Number, "1"),
            (Comment, "-- from"),
        ];
        assert_eq!(
            classes("select AB_CDR3('from'), ab_cdr3 + 1 -- from"),
            expected
        );
        assert_eq!(classes("LEFT JOIN")[0].0, Keyword);
        assert_eq!(classes("LEFT(s, 1)")[0].0, Function);
    }

    #[test]
    fn what_is_not_finished_has_its_colour_already() {
        assert_eq!(classes("SELECT 'FROM")[1], (Class::Text, "'FROM"));
        assert_eq!(classes("/* SELECT")[0].0, Class::Comment);
        assert_eq!(classes("SELECT \"FROM")[1].0, Class::Plain);
    }

    #[test]
    fn every_letter_is_drawn_whatever_is_typed() {
        let colours = Colours::new([]);
        for line in ["SELECT 'é', x", "\\d é", "SELECT ._", "'"] {
            let drawn = colours.highlight(line, 0).buffer;
            let text: String = drawn.into_iter().map(|(_, text)| text).collect();
            assert_eq!(text, line);
        }
    }
}
