//! `COPY INTO chains FROM 'glob'[, …] [OPTIONS (…)]`: `paratope ingest` as a statement.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::ObjectName;

use super::target::split;
use crate::error::{Error, Result};
use crate::formats::column_mapping;
use crate::ingest::{self, Alphabet, IngestOptions, InputSummary, Progress, Status};
use crate::policy::Deed;
use crate::session::{Answer, Session};
use crate::storage::REFUSAL;

/// What the options are called.
const OPTIONS: &str = "study, subject, sample, repertoire, species, input_format, alphabet, map, replace, max_rejects";

/// Ingests files; answers with a row for each.
///
/// # Errors
/// Unknown options; inputs of which not one could be read.
pub async fn copy_into(
    session: &Session,
    table: &ObjectName,
    inputs: &[String],
    options: Vec<(String, String)>,
) -> Result<Answer> {
    if split(table)? != ("main".to_string(), "chains".to_string()) {
        return Err(Error::Unsupported(format!(
            "COPY INTO {table}: files of chains are read into chains; into other tables use INSERT INTO {table} SELECT … FROM 'file'"
        )));
    }
    session
        .caller()
        .grants
        .check(Deed::Write, "main", "chains")?;
    let options = parse(options)?;
    let progress = Arc::new(Progress::default());
    let lake = session.require_lake()?;
    let done = ingest::ingest(lake, session.access(), inputs, &options, &progress).await?;
    // Where some inputs are in, the rows tell which are not; where none is, the statement has failed.
    let failed = |input: &&InputSummary| input.status == Status::Failed;
    match done.inputs.iter().find(failed) {
        Some(first) if done.inputs.iter().all(|input| failed(&input)) => {
            let reason = first.error.as_deref().unwrap_or(&first.source_file);
            let message = format!("nothing was read: {reason}");
            // The summary of an input keeps the words of its error and not its kind.
            Err(match reason.contains(REFUSAL) {
                true => Error::Denied(message),
                false => Error::Invalid(message),
            })
        }
        _ => answer(&done.inputs),
    }
}

fn parse(options: Vec<(String, String)>) -> Result<IngestOptions> {
    let mut parsed = IngestOptions::default();
    for (key, value) in options {
        let wrong =
            |expected: &str| Error::Invalid(format!("option {key} takes {expected}, not {value}"));
        match key.as_str() {
            "study" => parsed.study_id = Some(value),
            "subject" => parsed.subject_id = Some(value),
            "sample" => parsed.sample_id = Some(value),
            "repertoire" => parsed.repertoire_id = Some(value),
            "species" => parsed.species = Some(value),
            "input_format" => parsed.format = Some(value),
            "alphabet" => {
                parsed.alphabet = match value.as_str() {
                    "auto" => Alphabet::Auto,
                    "nucleotide" => Alphabet::Nucleotide,
                    "amino_acid" => Alphabet::AminoAcid,
                    _ => return Err(wrong("auto, nucleotide or amino_acid")),
                }
            }
            // 'INN=name, VH=heavy'
            "map" => {
                for pair in value.split(',') {
                    let mapped = column_mapping(pair);
                    parsed
                        .columns
                        .push(mapped.ok_or_else(|| wrong("COLUMN=FIELD, …"))?);
                }
            }
            "replace" => parsed.replace = value.parse().map_err(|_| wrong("true or false"))?,
            "max_rejects" => {
                parsed.max_rejects = Some(value.parse().map_err(|_| wrong("a whole number"))?);
            }
            _ => {
                return Err(Error::Invalid(format!(
                    "COPY INTO has no option {key}; it has {OPTIONS}"
                )));
            }
        }
    }
    Ok(parsed)
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Ingested => "ingested",
        Status::AlreadyIngested => "already_ingested",
        Status::Companion => "companion",
        Status::Failed => "failed",
    }
}

/// What `COPY INTO` answers.
pub fn schema() -> SchemaRef {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name| Field::new(name, DataType::UInt64, false);
    Arc::new(Schema::new(vec![
        text("source_file", false),
        text("status", false),
        number("records"),
        number("chains"),
        number("proteins"),
        number("rejects"),
        text("error", true),
    ]))
}

fn answer(inputs: &[InputSummary]) -> Result<Answer> {
    let text = |of: fn(&InputSummary) -> String| -> ArrayRef {
        Arc::new(
            inputs
                .iter()
                .map(|input| Some(of(input)))
                .collect::<StringArray>(),
        )
    };
    let number = |of: fn(&InputSummary) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(inputs.iter().map(of)))
    };
    let errors = inputs.iter().map(|input| input.error.as_deref());
    let errors: ArrayRef = Arc::new(errors.collect::<StringArray>());
    let columns = vec![
        text(|input| input.source_file.clone()),
        text(|input| status(input.status).to_string()),
        number(|input| input.records),
        number(|input| input.chains),
        number(|input| input.proteins),
        number(|input| input.rejects),
        errors,
    ];
    Answer::rows(RecordBatch::try_new(schema(), columns)?)
}
