//! `paratope function list|show`: the functions that SQL has here, as they document themselves.

use std::sync::Arc;

use anyhow::bail;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use clap::{Args, Subcommand};
use engine::session::{FunctionDoc, Session};

use super::arguments::Shared;
use super::exit::Exit;
use super::output::{Destination, Format, Output, say};

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
  paratope function list --format json")]
    List {
        /// Only names that contain this
        #[arg(value_name = "TEXT")]
        pattern: Option<String>,
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Explain a function: how it is called, its arguments, an example
    #[command(after_help = "Example:\n  paratope function show ab_number")]
    Show {
        /// Name of the function
        name: String,
    },
}

impl Function {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        // Functions are the same whatever the lake: none is opened.
        let functions = Session::new(None, &shared.load()?)?.functions();
        match self.verb {
            Verb::List { pattern, format } => list(&functions, pattern.as_deref(), format)?,
            Verb::Show { name } => show(&functions, &name)?,
        }
        Ok(Exit::Success)
    }
}

fn list(
    functions: &[FunctionDoc],
    pattern: Option<&str>,
    format: Option<Format>,
) -> anyhow::Result<()> {
    let pattern = pattern.unwrap_or_default().to_lowercase();
    let found: Vec<_> = functions
        .iter()
        .filter(|function| function.name.contains(&pattern))
        .collect();
    let column = |value: fn(&FunctionDoc) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            found.iter().map(|function| value(function)),
        ))
    };
    let batch = RecordBatch::try_from_iter([
        ("name", column(|f| f.name.clone())),
        ("kind", column(|f| f.kind.to_string())),
        ("syntax", column(|f| one_line(&f.syntax))),
        ("description", column(|f| first_sentence(&f.description))),
    ])?;
    let format = format.unwrap_or_else(|| Format::default_for(None));
    let mut output = Output::new(format, 0, Destination::stdout());
    output.batch(&batch)?;
    output.commit()
}

fn show(functions: &[FunctionDoc], name: &str) -> anyhow::Result<()> {
    let wanted = name.to_lowercase();
    let mut found = functions
        .iter()
        .filter(|function| function.name == wanted)
        .peekable();
    if found.peek().is_none() {
        bail!(
            "there is no function {name}{}",
            alternatives(functions, &wanted)
        );
    }
    for function in found {
        say(explain(function))?;
    }
    Ok(())
}

fn explain(function: &FunctionDoc) -> String {
    let mut text = format!(
        "{} ({} function)\n\n  {}\n",
        function.name,
        function.kind,
        one_line(&function.syntax)
    );
    let description = function.description.trim();
    if !description.is_empty() {
        text.push_str(&format!("\n{description}\n"));
    }
    if !function.arguments.is_empty() {
        text.push_str("\nArguments\n");
        for (argument, meaning) in &function.arguments {
            text.push_str(&format!("  {argument}: {}\n", meaning.trim()));
        }
    }
    if let Some(example) = &function.example {
        text.push_str(&format!("\nExample\n{}\n", unfenced(example)));
    }
    text
}

/// The inside of the first Markdown block, where the example stands in one.
fn unfenced(example: &str) -> &str {
    let inside = match example.split_once("```sql") {
        Some((_, rest)) => rest.split("```").next().unwrap_or(rest),
        None => example,
    };
    inside.trim_matches('\n').trim_end()
}

/// Names that share a word with `wanted`.
fn alternatives(functions: &[FunctionDoc], wanted: &str) -> String {
    let words: Vec<_> = wanted.split('_').filter(|word| word.len() > 2).collect();
    let near: Vec<_> = functions
        .iter()
        .map(|function| function.name.as_str())
        .filter(|name| words.iter().any(|word| name.contains(word)))
        .take(5)
        .collect();
    if near.is_empty() {
        "; `paratope function list` names them all".into()
    } else {
        format!("; did you mean {}?", near.join(", "))
    }
}

/// Up to the first full stop that a new sentence follows (`et al. 2003` has none).
fn first_sentence(description: &str) -> String {
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
        assert_eq!(explain(&function()), expected);
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
    fn an_unknown_name_suggests_names_with_the_same_words() {
        let near = alternatives(&[function()], "antibody_cdr3");
        assert_eq!(near, "; did you mean ab_cdr3?");
    }
}
