//! `paratope function list|show`: the functions that SQL has here, as they document themselves.

use std::sync::Arc;

use anyhow::bail;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use clap::{Args, Subcommand, ValueEnum};
use console::measure_text_width;
use engine::session::{FunctionDoc, Session};
use engine::storage::Access;

use super::arguments::Shared;
use super::exit::Exit;
use super::output::{Destination, Format, Output, Tables, say, terminal_width};
use crate::diagnosis::{near, suggestion};

/// List and explain SQL functions
#[derive(Debug, Args)]
pub struct Function {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List functions with the first sentence of what they do
    #[command(after_help = "\
Examples:
  paratope function list ab_
  paratope function list --format json
  paratope function list ab_ --format markdown > antibody_functions.md")]
    List {
        /// Only names that contain this
        #[arg(value_name = "TEXT")]
        pattern: Option<String>,
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Listing>,
    },
    /// Explain a function: how it is called, its arguments, an example
    #[command(after_help = "Example:\n  paratope function show ab_number")]
    Show {
        /// Name of the function
        name: String,
    },
}

/// How functions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Listing {
    /// Aligned columns for people
    Table,
    /// One JSON array of objects
    Json,
    /// Comma-separated values with a header
    Csv,
    /// A reference in Markdown, with all that `function show` tells
    Markdown,
}

impl Function {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        // Functions are the same whatever the lake: none is opened.
        let config = shared.load()?;
        let access = Access::nothing(&config)?;
        let functions = Session::new(None, &config, access)?.functions();
        match self.verb {
            Verb::List { pattern, format } => {
                let pattern = pattern.as_deref().unwrap_or_default();
                let format = match format {
                    None => Format::default_for(None),
                    Some(Listing::Table) => Format::Table,
                    Some(Listing::Json) => Format::Json,
                    Some(Listing::Csv) => Format::Csv,
                    Some(Listing::Markdown) => {
                        say(reference(&named(&functions, pattern)).trim_end())?;
                        return Ok(Exit::Success);
                    }
                };
                let batch = list(&functions, pattern)?;
                let mut output = Output::new(format, Tables::of_rows(0), Destination::stdout());
                output.batch(&batch)?;
                output.commit()?;
            }
            Verb::Show { name } => match show(&functions, &name, terminal_width()) {
                Some(text) => say(text.trim_end())?,
                None => bail!(
                    "{}; `paratope function list` names them all",
                    unknown(&functions, &name)
                ),
            },
        }
        Ok(Exit::Success)
    }
}

/// The functions whose names contain `pattern`, a row each.
pub fn list(functions: &[FunctionDoc], pattern: &str) -> anyhow::Result<RecordBatch> {
    let found = named(functions, pattern);
    let column = |value: fn(&FunctionDoc) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            found.iter().map(|function| value(function)),
        ))
    };
    Ok(RecordBatch::try_from_iter([
        ("name", column(|f| f.name.clone())),
        ("kind", column(|f| f.kind.to_string())),
        ("syntax", column(|f| one_line(&f.syntax))),
        ("description", column(|f| first_sentence(&f.description))),
    ])?)
}

/// The functions whose names contain `pattern`.
fn named<'a>(functions: &'a [FunctionDoc], pattern: &str) -> Vec<&'a FunctionDoc> {
    let pattern = pattern.to_lowercase();
    functions
        .iter()
        .filter(|function| function.name.contains(&pattern))
        .collect()
}

/// A reference in Markdown, a section a function.
fn reference(functions: &[&FunctionDoc]) -> String {
    let mut text = String::from("# SQL functions\n");
    for function in functions {
        text.push_str(&format!(
            "\n## {}\n\n{} function: `{}`\n",
            function.name,
            capitalised(function.kind),
            one_line(&function.syntax)
        ));
        let description = function.description.trim();
        if !description.is_empty() {
            text.push_str(&format!("\n{description}\n"));
        }
        if !function.arguments.is_empty() {
            text.push('\n');
        }
        for (argument, meaning) in &function.arguments {
            text.push_str(&format!("- `{argument}`: {}\n", one_line(meaning)));
        }
        if let Some(example) = &function.example {
            text.push_str(&format!("\n```sql\n{}\n```\n", unfenced(example)));
        }
    }
    text
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The documentation of the functions of this name, in lines of `width`; none where there is none.
pub fn show(functions: &[FunctionDoc], name: &str, width: Option<usize>) -> Option<String> {
    let wanted = name.to_lowercase();
    let found: Vec<_> = functions
        .iter()
        .filter(|function| function.name == wanted)
        .map(|function| explain(function, width))
        .collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

/// That there is no such function, and which may have been meant.
pub fn unknown(functions: &[FunctionDoc], name: &str) -> String {
    let known = functions.iter().map(|function| function.name.as_str());
    match suggestion(&near(name, known)) {
        Some(meant) => format!("there is no function {name}; {meant}"),
        None => format!("there is no function {name}"),
    }
}

fn explain(function: &FunctionDoc, width: Option<usize>) -> String {
    let mut text = format!(
        "{} ({} function)\n\n  {}\n",
        function.name,
        function.kind,
        one_line(&function.syntax)
    );
    let description = function.description.trim();
    if !description.is_empty() {
        text.push_str(&format!("\n{}\n", wrapped(description, width, "")));
    }
    if !function.arguments.is_empty() {
        text.push_str("\nArguments\n");
        for (argument, meaning) in &function.arguments {
            let line = format!("  {argument}: {}", meaning.trim());
            text.push_str(&format!("{}\n", wrapped(&line, width, "    ")));
        }
    }
    if let Some(example) = &function.example {
        text.push_str(&format!("\nExample\n{}\n", unfenced(example)));
    }
    text
}

/// `text` with its long lines broken between words; what is broken off is indented.
fn wrapped(text: &str, width: Option<usize>, indent: &str) -> String {
    let Some(width) = width else {
        return text.to_string();
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for piece in line.split_inclusive(' ') {
            let fits = measure_text_width(&current) + measure_text_width(piece.trim_end()) <= width;
            if !fits && !current.trim().is_empty() {
                lines.push(current.trim_end().to_string());
                current = indent.to_string();
            }
            current.push_str(piece);
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// The inside of the first Markdown block, where the example stands in one.
fn unfenced(example: &str) -> &str {
    let inside = match example.split_once("```sql") {
        Some((_, rest)) => rest.split("```").next().unwrap_or(rest),
        None => example,
    };
    inside.trim_matches('\n').trim_end()
}

/// Up to the first full stop that a new sentence follows (`et al. 2003` has none).
pub fn first_sentence(description: &str) -> String {
    let text = one_line(description);
    let end = text.match_indices(". ").find(|(stop, _)| {
        let next = text[stop + 2..].chars().next();
        next.is_some_and(|letter| letter.is_uppercase() || letter == '`')
    });
    match end {
        Some((stop, _)) => text[..=stop].to_string(),
        None => text,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> FunctionDoc {
        FunctionDoc {
            name: "ab_cdr3".into(),
            kind: "scalar",
            syntax: "ab_cdr3(sequence)".into(),
            description: "CDR3 of a V domain. IMGT 105 to 117.".into(),
            arguments: vec![("sequence".into(), "A protein".into())],
            example: Some("```sql\nSELECT ab_cdr3('EVQ');\n```\nMore elsewhere.".into()),
        }
    }

    #[test]
    fn an_explanation_has_syntax_arguments_and_the_bare_example() {
        let expected = "ab_cdr3 (scalar function)\n\n  ab_cdr3(sequence)\n\n\
            CDR3 of a V domain. IMGT 105 to 117.\n\nArguments\n  sequence: A protein\n\n\
            Example\nSELECT ab_cdr3('EVQ');\n";
        assert_eq!(explain(&function(), None), expected);
    }

    #[test]
    fn the_reference_says_what_an_explanation_says() {
        let function = function();
        assert_eq!(
            reference(&[&function]),
            "# SQL functions\n\n## ab_cdr3\n\nScalar function: `ab_cdr3(sequence)`\n\n\
            CDR3 of a V domain. IMGT 105 to 117.\n\n- `sequence`: A protein\n\n\
            ```sql\nSELECT ab_cdr3('EVQ');\n```\n"
        );
        assert_eq!(reference(&named(&[function], "dna_")), "# SQL functions\n");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = "One two three\n\n  four five";
        assert_eq!(wrapped(text, None, "    "), text);
        assert_eq!(
            wrapped(text, Some(9), "    "),
            "One two\n    three\n\n  four\n    five"
        );
        assert_eq!(
            wrapped("Q".repeat(20).as_str(), Some(9), ""),
            "Q".repeat(20)
        );
    }

    #[test]
    fn a_first_sentence_ends_where_another_begins() {
        assert_eq!(first_sentence("One. Two."), "One.");
        assert_eq!(
            first_sentence("By (Doe et al. 2003) only."),
            "By (Doe et al. 2003) only."
        );
    }

    #[test]
    fn functions_are_shown_by_name_and_unknown_ones_suggest_others() {
        assert!(show(&[function()], "AB_CDR3", None).is_some());
        assert_eq!(show(&[function()], "ab_cdr4", None), None);
        assert_eq!(
            unknown(&[function()], "ab_cdr4"),
            "there is no function ab_cdr4; did you mean ab_cdr3?"
        );
    }
}
