//! What may stand at the cursor, as far as the words around it tell.

use engine::session::names::{Token, TokenKind, tokens};

use super::command::is_command;
use crate::script::says_something;

/// Words after which a relation stands.
const BEFORE_RELATIONS: &[&str] = &[
    "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "DESCRIBE", "USING", "OPTIMIZE", "VACUUM",
    "MAINTAIN",
];
/// Of these, the ones after which it may be a call of a table function.
const BEFORE_CALLS: &[&str] = &["FROM", "JOIN", "USING"];

/// The word at the cursor and what it can become.
#[derive(Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Where the word starts, in bytes.
    pub start: usize,
    /// The word up to the cursor; it may be empty.
    pub word: &'a str,
    /// What is wanted in its place.
    pub wanted: Wanted<'a>,
}

/// Kinds of things that complete a word.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Nothing: the cursor is in a string, a comment or a number.
    Nothing,
    /// A command.
    Command,
    /// A table, for a command.
    Table,
    /// A function, for a command.
    Function,
    /// `on` or `off`.
    Switch,
    /// A table, a table function, or one of these names of the statement's own.
    Relation(Vec<&'a str>),
    /// What a name before a point holds: columns of a relation, tables of a schema.
    Member(&'a str, Vec<Relation<'a>>),
    /// Columns of the relations, functions, keywords.
    Expression(Vec<Relation<'a>>),
    /// A keyword: the expression or relation before it is complete.
    Keyword,
}

/// What stands after FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'a> {
    /// As it is written, without its alias.
    pub text: &'a str,
    /// By which its columns are qualified.
    pub name: &'a str,
}

/// The context of the byte `cursor` of a line.
pub fn context<'a>(line: &'a str, cursor: usize) -> Context<'a> {
    if is_command(line) {
        return of_command(line, cursor);
    }
    let tokens = tokens(line);
    let at = |start: usize, wanted| Context {
        start,
        word: &line[start..cursor],
        wanted,
    };
    let touched = tokens
        .iter()
        .find(|token| token.start < cursor && cursor <= token.end);
    let start = match touched {
        Some(token) => match token.kind {
            TokenKind::Name | TokenKind::Keyword
                if !line[token.start..].starts_with(['"', '`']) =>
            {
                token.start
            }
            TokenKind::Space | TokenKind::End | TokenKind::Sign => cursor,
            // A comment of one line has its end of line within.
            TokenKind::Comment if line[..cursor].ends_with('\n') => cursor,
            _ => return at(cursor, Wanted::Nothing),
        },
        None => cursor,
    };
    // Only the statement at the cursor counts.
    let is_end = |token: &&Token| token.kind == TokenKind::End;
    let first = tokens.iter().filter(is_end).map(|token| token.end);
    let first = first.filter(|end| *end <= start).max().unwrap_or(0);
    let last = tokens.iter().filter(is_end).map(|token| token.start);
    let last = last
        .filter(|end| *end >= cursor)
        .min()
        .unwrap_or(line.len());
    let words: Vec<Word<'a>> = tokens
        .iter()
        .filter(|token| token.start >= first && token.end <= last)
        .filter(|token| says_something(token.kind))
        .map(|token| Word {
            text: &line[token.start..token.end],
            start: token.start,
            end: token.end,
            kind: token.kind,
        })
        .collect();
    let before = words.partition_point(|word| word.end <= start);
    let (before, after) = words.split_at(before);
    let with = |before: &[Word<'a>]| relations(line, &[before, after].concat());
    match before {
        [others @ .., name, point] if point.text == "." => {
            at(start, Wanted::Member(name.text, with(others)))
        }
        _ if expects_relation(before) => at(start, Wanted::Relation(with_names(&words))),
        [.., last] if last.ends_operand() => at(start, Wanted::Keyword),
        _ => at(start, Wanted::Expression(with(before))),
    }
}

fn of_command(line: &str, cursor: usize) -> Context<'_> {
    let typed = &line[..cursor];
    let indent = typed.len() - typed.trim_start().len();
    let at = |start: usize, wanted| Context {
        start,
        word: &line[start..cursor],
        wanted,
    };
    let Some((name, _)) = typed[indent..].split_once(char::is_whitespace) else {
        return at(indent, Wanted::Command);
    };
    let start = typed
        .rfind(char::is_whitespace)
        .map_or(0, |blank| blank + 1);
    let wanted = match name {
        "\\d" => Wanted::Table,
        "\\df" => Wanted::Function,
        "\\x" | "\\timing" | "\\pager" => Wanted::Switch,
        _ => Wanted::Nothing,
    };
    at(start, wanted)
}

#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    kind: TokenKind,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Keyword && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether no other name can follow, but an alias.
    fn ends_operand(&self) -> bool {
        let is_value = |kind| matches!(kind, TokenKind::Name | TokenKind::Text | TokenKind::Number);
        is_value(self.kind) || self.text == ")"
    }

    fn is_one_of(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// Whether the next word is a relation: after FROM and kin, or a comma in their list.
fn expects_relation(before: &[Word<'_>]) -> bool {
    let Some((last, others)) = before.split_last() else {
        return false;
    };
    if last.text != "," {
        return last.is_one_of(BEFORE_RELATIONS);
    }
    let mut depth = 0;
    for word in others.iter().rev() {
        match word.text {
            ")" => depth += 1,
            "(" if depth == 0 => return false,
            "(" => depth -= 1,
            "," | "." => {}
            _ if depth > 0 || word.is("AS") => {}
            _ if word.kind == TokenKind::Keyword => return word.is("FROM"),
            _ if matches!(word.kind, TokenKind::Name | TokenKind::Text) => {}
            _ => return false,
        }
    }
    false
}

/// Names that WITH gives to queries.
fn with_names<'a>(words: &[Word<'a>]) -> Vec<&'a str> {
    if !words.iter().any(|word| word.is("WITH")) {
        return Vec::new();
    }
    words
        .windows(3)
        .filter(|three| {
            three[0].kind == TokenKind::Name && three[1].is("AS") && three[2].text == "("
        })
        .map(|three| three[0].text)
        .collect()
}

/// The relations that a statement reads or changes.
fn relations<'a>(line: &'a str, words: &[Word<'a>]) -> Vec<Relation<'a>> {
    let mut found = Vec::new();
    let mut rest = words;
    while let Some((word, following)) = rest.split_first() {
        rest = following;
        if !word.is_one_of(BEFORE_RELATIONS) {
            continue;
        }
        while let Some((relation, after)) = relation(line, rest, word.is_one_of(BEFORE_CALLS)) {
            found.push(relation);
            rest = after;
            match rest.split_first() {
                Some((comma, after)) if comma.text == "," && word.is("FROM") => rest = after,
                _ => break,
            }
        }
    }
    found
}

/// The relation with which `words` begin, and what follows it.
fn relation<'a, 'w>(
    line: &'a str,
    words: &'w [Word<'a>],
    may_be_call: bool,
) -> Option<(Relation<'a>, &'w [Word<'a>])> {
    let first = words.first()?;
    let mut length = match first.kind {
        TokenKind::Text => 1,
        TokenKind::Name => {
            let mut length = 1;
            while words.get(length).is_some_and(|word| word.text == ".")
                && words
                    .get(length + 1)
                    .is_some_and(|word| matches!(word.kind, TokenKind::Name | TokenKind::Keyword))
            {
                length += 2;
            }
            length
        }
        _ => return None,
    };
    let mut name = words[length - 1].text;
    if may_be_call && words.get(length).is_some_and(|word| word.text == "(") {
        length += call_length(&words[length..])?;
    }
    let text = &line[first.start..words[length - 1].end];
    if words.get(length).is_some_and(|word| word.is("AS")) {
        length += 1;
    }
    if let Some(alias) = words
        .get(length)
        .filter(|word| word.kind == TokenKind::Name)
    {
        name = alias.text;
        length += 1;
    }
    Some((Relation { text, name }, &words[length..]))
}

/// Words from an opening parenthesis to the closing one.
fn call_length(words: &[Word<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (nth, word) in words.iter().enumerate() {
        match word.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(nth + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    /// The context where the line has a `|`.
    fn at(marked: &str) -> (String, String, String) {
        let cursor = marked.find('|').unwrap();
        let line = marked.replacen('|', "", 1);
        let context = context(&line, cursor);
        assert_eq!(context.start + context.word.len(), cursor);
        let named = |relations: &[Relation<'_>]| {
            let all: Vec<_> = relations
                .iter()
                .map(|relation| format!("{}={}", relation.name, relation.text))
                .collect();
            all.join(" ")
        };
        let (kind, more) = match &context.wanted {
            Wanted::Relation(names) => ("Relation", names.join(" ")),
            Wanted::Member(of, relations) => ("Member", format!("{of}: {}", named(relations))),
            Wanted::Expression(relations) => ("Expression", named(relations)),
            other => return (context.word.into(), format!("{other:?}"), String::new()),
        };
        (context.word.into(), kind.into(), more)
    }

    fn is(word: &str, kind: &str, more: &str) -> (String, String, String) {
        (word.into(), kind.into(), more.into())
    }

    #[test]
    fn relations_after_the_cursor_count_as_well() {
        assert_eq!(
            at("SELECT v_g| FROM chains c, system.files WHERE"),
            is("v_g", "Expression", "c=chains files=system.files")
        );
        assert_eq!(
            at("SELECT | FROM read_fasta('x.fasta') AS f JOIN 'y.csv' ON"),
            is("", "Expression", "f=read_fasta('x.fasta') 'y.csv'='y.csv'")
        );
        assert_eq!(
            at("UPDATE chains SET a| = 1"),
            is("a", "Expression", "chains=chains")
        );
        assert_eq!(
            at("INSERT INTO chains (cha|"),
            is("cha", "Expression", "chains=chains")
        );
    }

    #[test]
    fn other_statements_of_the_line_do_not_count() {
        assert_eq!(
            at("SELECT * FROM a; SELECT x| FROM b; SELECT * FROM c"),
            is("x", "Expression", "b=b")
        );
        assert_eq!(at("SELECT * FROM a;|"), is("", "Expression", ""));
    }

    #[test]
    fn after_from_and_its_commas_a_relation_is_wanted() {
        for line in [
            "SELECT * FROM cha|",
            "SELECT * FROM a, cha|",
            "SELECT * FROM read_fasta('a', 'b') f, cha|",
            "SELECT * FROM a JOIN cha|",
            "INSERT INTO cha|",
            "SELECT (SELECT 1 FROM cha|)",
        ] {
            assert_eq!(at(line), is("cha", "Relation", ""), "{line}");
        }
        for line in [
            "SELECT a, cha|",
            "SELECT f(a, cha|",
            "SELECT 1 FROM t GROUP BY a, cha|",
        ] {
            assert_eq!(at(line).1, "Expression", "{line}");
        }
    }

    #[test]
    fn after_a_name_or_value_a_keyword_is_wanted() {
        for line in [
            "SELECT * FROM chains WH|",
            "SELECT 1 |",
            "SELECT f(x) |",
            "SELECT * FROM 'x' |",
        ] {
            assert_eq!(at(line).1, "Keyword", "{line}");
        }
    }

    #[test]
    fn queries_named_by_with_are_relations() {
        assert_eq!(
            at("WITH few AS (SELECT 1), more AS (SELECT 2) SELECT * FROM |"),
            is("", "Relation", "few more")
        );
    }

    #[test]
    fn after_a_point_members_are_wanted() {
        assert_eq!(
            at("SELECT c.v_| FROM chains c"),
            is("v_", "Member", "c: c=chains")
        );
        assert_eq!(at("SELECT * FROM system.|"), is("", "Member", "system: "));
    }

    #[test]
    fn strings_comments_numbers_and_quoted_names_complete_nothing() {
        for line in [
            "SELECT 'abc|'",
            "SELECT 'abc|",
            "SELECT 12|",
            "SELECT \"ab|\"",
            "-- abc|\nSELECT",
            "/* abc|",
        ] {
            assert_eq!(at(line).1, "Nothing", "{line}");
        }
        assert_eq!(at("-- abc\n|").1, "Expression");
    }

    #[test]
    fn commands_complete_their_names_and_arguments() {
        assert_eq!(at("\\ti|"), is("\\ti", "Command", ""));
        assert_eq!(at("\\d cha|"), is("cha", "Table", ""));
        assert_eq!(at("\\df ab_|"), is("ab_", "Function", ""));
        assert_eq!(at("\\x o|"), is("o", "Switch", ""));
        assert_eq!(at("\\rows |").1, "Nothing");
    }
}
