//! Completion: what is known and fits the word at the cursor.

use std::sync::Arc;

use engine::session::names::KEYWORDS;
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::command::COMMANDS;
use super::context::{Relation, Wanted, context};

/// Tables that are opened for their columns where a statement has no FROM yet.
const GUESSED: usize = 8;

/// The names that completion draws on.
pub trait Known: Send + Sync {
    /// Tables, as statements name them.
    fn tables(&self) -> Vec<String>;
    /// Columns of a relation as it stands after FROM, with their types; none where it is unknown.
    fn columns(&self, relation: &str) -> Vec<(String, String)>;
    /// Functions with the first sentence of what they do.
    fn functions(&self) -> Vec<(String, String)>;
    /// Table functions, likewise.
    fn table_functions(&self) -> Vec<(String, String)>;
}

/// Something to put in place of the word.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    text: String,
    meaning: String,
    /// Whether the next thing is another word.
    ends_word: bool,
}

impl Offer {
    fn word(text: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            meaning: meaning.into(),
            ends_word: true,
        }
    }

    /// Something that goes on without a blank.
    fn opening(text: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            ends_word: false,
            ..Self::word(text, meaning)
        }
    }
}

/// Completes lines from what is known.
pub struct Completion {
    known: Arc<dyn Known>,
}

impl Completion {
    /// Completion that draws on `known`.
    pub fn new(known: Arc<dyn Known>) -> Self {
        Self { known }
    }

    fn offers(&self, line: &str, cursor: usize) -> (usize, Vec<Offer>) {
        let context = context(line, cursor);
        let word = context.word;
        let known = &self.known;
        let tables = || {
            known
                .tables()
                .into_iter()
                .map(|name| Offer::word(name, "table"))
        };
        let all: Vec<Offer> = match context.wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::Command => COMMANDS
                .iter()
                .map(|(name, argument, meaning)| match argument.is_empty() {
                    true => Offer::opening(*name, *meaning),
                    false => Offer::word(*name, *meaning),
                })
                .collect(),
            Wanted::Switch => ["on", "off"].map(|state| Offer::opening(state, "")).into(),
            Wanted::Table => tables().collect(),
            Wanted::Function => {
                let functions = known.functions().into_iter().chain(known.table_functions());
                functions
                    .map(|(name, meaning)| Offer::opening(name, meaning))
                    .collect()
            }
            Wanted::Relation(named) => {
                let named = named.into_iter().map(|name| Offer::word(name, "of WITH"));
                let calls = known.table_functions().into_iter();
                let calls =
                    calls.map(|(name, meaning)| Offer::opening(format!("{name}('"), meaning));
                named.chain(tables()).chain(calls).collect()
            }
            Wanted::Member(of, relations) => self.members(of, &relations),
            Wanted::Expression(relations) => self.expressions(word, &relations),
            Wanted::Keyword => keywords(word).collect(),
        };
        (context.start, fitting(all, word))
    }

    /// Columns of the relation `of`, or tables of the schema `of`.
    fn members(&self, of: &str, relations: &[Relation<'_>]) -> Vec<Offer> {
        let relation = relations
            .iter()
            .find(|relation| relation.name.eq_ignore_ascii_case(of))
            .map_or(of, |relation| relation.text);
        let columns = self.columns(relation);
        if !columns.is_empty() {
            return columns;
        }
        let schema = format!("{of}.");
        self.known
            .tables()
            .iter()
            .filter_map(|name| name.strip_prefix(&schema))
            .map(|name| Offer::word(name, "table"))
            .collect()
    }

    fn expressions(&self, word: &str, relations: &[Relation<'_>]) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for relation in self.read(relations) {
            for column in self.columns(&relation) {
                if !offers.iter().any(|offer| offer.text == column.text) {
                    offers.push(column);
                }
            }
        }
        if word.is_empty() && !offers.is_empty() {
            return offers;
        }
        if relations.len() > 1 {
            let names = relations.iter().map(|relation| relation.name);
            offers.extend(names.map(|name| Offer::opening(format!("{name}."), "")));
        }
        let functions = self.known.functions().into_iter();
        offers.extend(functions.map(|(name, meaning)| Offer::opening(format!("{name}("), meaning)));
        offers.extend(keywords(word));
        offers
    }

    /// The relations that the statement reads; while it names none, those it is likely to.
    fn read(&self, relations: &[Relation<'_>]) -> Vec<String> {
        if !relations.is_empty() {
            let named = relations.iter().map(|relation| relation.text.to_string());
            return named.collect();
        }
        let mut tables = self.known.tables();
        tables.retain(|name| !name.contains('.'));
        tables.truncate(GUESSED);
        tables
    }

    fn columns(&self, relation: &str) -> Vec<Offer> {
        let columns = self.known.columns(relation).into_iter();
        columns
            .map(|(name, kind)| Offer::opening(name, kind))
            .collect()
    }
}

/// All keywords, in small letters where the word begins with one.
fn keywords(word: &str) -> impl Iterator<Item = Offer> {
    let is_lower = word.starts_with(char::is_lowercase);
    KEYWORDS.iter().map(move |keyword| match is_lower {
        true => Offer::word(keyword.to_lowercase(), ""),
        false => Offer::word(*keyword, ""),
    })
}

/// What begins like the word; where nothing does, what contains it.
fn fitting(offers: Vec<Offer>, word: &str) -> Vec<Offer> {
    let word = word.to_lowercase();
    let text = |offer: &Offer| offer.text.trim_start_matches('"').to_lowercase();
    let (begin, others): (Vec<Offer>, Vec<Offer>) = offers
        .into_iter()
        .partition(|offer| text(offer).starts_with(&word));
    if !begin.is_empty() {
        return begin;
    }
    // Two letters occur in most names.
    let contains = |offer: &Offer| word.len() > 2 && text(offer).contains(&word);
    others.into_iter().filter(contains).collect()
}

impl Completer for Completion {
    fn complete(&mut self, line: &str, cursor: usize) -> CompletionResult {
        let (start, offers) = self.offers(line, cursor);
        let suggestions: Vec<Suggestion> = offers
            .into_iter()
            .map(|offer| Suggestion {
                value: offer.text,
                description: Some(offer.meaning).filter(|meaning| !meaning.is_empty()),
                span: Span { start, end: cursor },
                append_whitespace: offer.ends_word,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    struct Few;

    impl Known for Few {
        fn tables(&self) -> Vec<String> {
            ["chains", "proteins", "system.files", "system.rejects"]
                .map(str::to_string)
                .to_vec()
        }

        fn columns(&self, relation: &str) -> Vec<(String, String)> {
            let names: &[&str] = match relation {
                "chains" => &["chain", "v_gene", "v_call", "cdr3_aa"],
                "system.files" => &["source_file"],
                "read_fasta('x')" => &["sequence_id", "\"Other\""],
                _ => &[],
            };
            names
                .iter()
                .map(|name| ((*name).into(), "STRING".into()))
                .collect()
        }

        fn functions(&self) -> Vec<(String, String)> {
            ["ab_cdr3", "ab_chain", "count"]
                .map(|name| (name.into(), "What it does.".into()))
                .to_vec()
        }

        fn table_functions(&self) -> Vec<(String, String)> {
            vec![("read_fasta".into(), "Rows of FASTA files.".into())]
        }
    }

    fn offers(marked: &str) -> Vec<String> {
        let cursor = marked.find('|').unwrap();
        let line = marked.replacen('|', "", 1);
        let (_, offers) = Completion::new(Arc::new(Few)).offers(&line, cursor);
        offers.into_iter().map(|offer| offer.text).collect()
    }

    #[test]
    fn columns_of_the_statements_tables_come_first_then_functions_and_keywords() {
        assert_eq!(offers("SELECT v_| FROM chains"), ["v_gene", "v_call"]);
        let all = offers("SELECT c| FROM chains");
        assert_eq!(all[..3], ["chain", "cdr3_aa", "count("], "{all:?}");
        assert!(all.contains(&"case".to_string()), "{all:?}");
        assert_eq!(offers("SELECT 1 FROM chains WH|"), ["WHEN", "WHERE"]);
    }

    #[test]
    fn an_empty_word_offers_columns_only() {
        assert_eq!(
            offers("SELECT | FROM chains"),
            ["chain", "v_gene", "v_call", "cdr3_aa"]
        );
    }

    #[test]
    fn tables_and_table_functions_follow_from() {
        assert_eq!(offers("SELECT * FROM cha|"), ["chains"]);
        assert_eq!(offers("SELECT * FROM rea|"), ["read_fasta('"]);
        assert_eq!(offers("SELECT * FROM system.|"), ["files", "rejects"]);
        assert_eq!(offers("WITH few AS (SELECT 1) SELECT * FROM f|"), ["few"]);
    }

    #[test]
    fn a_qualifier_limits_columns_to_its_relation() {
        assert_eq!(
            offers("SELECT f.| FROM chains c JOIN system.files f"),
            ["source_file"]
        );
        assert_eq!(offers("SELECT chains.v_g|"), ["v_gene"]);
        assert_eq!(offers("SELECT o| FROM read_fasta('x')")[0], "\"Other\"");
    }

    #[test]
    fn before_from_is_written_columns_of_the_users_tables_are_offered() {
        assert_eq!(offers("SELECT v_|"), ["v_gene", "v_call"]);
        assert_eq!(offers("SELECT source|"), Vec::<String>::new());
    }

    #[test]
    fn a_part_of_a_name_is_enough_where_nothing_begins_so() {
        assert_eq!(offers("SELECT gene| FROM chains"), ["v_gene"]);
        assert_eq!(offers("SELECT * FROM files|"), ["system.files"]);
    }

    #[test]
    fn commands_and_their_arguments_are_completed() {
        assert_eq!(offers("\\t|"), ["\\timing"]);
        assert_eq!(offers("\\d pro|"), ["proteins"]);
        assert_eq!(offers("\\df ab_c|"), ["ab_cdr3", "ab_chain"]);
        assert_eq!(offers("\\x of|"), ["off"]);
    }

    #[test]
    fn the_word_is_replaced_up_to_the_cursor() {
        let (start, _) = Completion::new(Arc::new(Few)).offers("SELECT v_g FROM chains", 10);
        assert_eq!(start, 7);
    }
}
