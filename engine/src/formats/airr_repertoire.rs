//! AIRR repertoire metadata, JSON or YAML: where chains came from.

mod fields;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Read};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::Value as Json;

use super::columns::{Rows, Value, source_schema, stable_id};
use super::input::{damage, source_error};
use super::{Format, Molecules, ReadOptions, Records, Reject, SourceBatch, Target, detect};
use crate::error::{Error, Result};

/// The most bytes of a document: it is held whole, and the largest public ones have a few megabytes.
const MOST_BYTES: u64 = 256 << 20;

/// Columns of `main.repertoires`, in the order of [`Repertoire::values`].
const COLUMNS: [&str; 16] = [
    "repertoire_id",
    "study_id",
    "subject_id",
    "sample_id",
    "species",
    "strain",
    "age",
    "sex",
    "disease",
    "vaccine",
    "tissue",
    "cell_subset",
    "timepoint",
    "library_type",
    "germline_database",
    "attributes",
];

/// AIRR repertoire metadata (`Repertoire:` and a list), JSON or YAML. What has no column of its own goes to `attributes`
/// under its path (`study.study_title`).
#[derive(Debug)]
pub struct AirrRepertoire;

impl Format for AirrRepertoire {
    fn name(&self) -> &'static str {
        "airr-repertoire"
    }

    fn version(&self) -> u32 {
        1
    }

    fn feeds(&self) -> Target {
        Target::Repertoires
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Repertoires]
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.repertoires", &COLUMNS)
    }

    fn detect(&self, head: &[u8], file_name: &str) -> u8 {
        let text = String::from_utf8_lossy(head);
        let start = text.trim_start();
        if start.starts_with('{') {
            return if text.contains("\"Repertoire\"") {
                90
            } else {
                0
            };
        }
        if text.lines().any(|line| line.trim_end() == "Repertoire:") {
            return 90;
        }
        let is_named = detect::has_extension(file_name, &["yaml", "yml"]);
        u8::from(is_named && text.contains("repertoire_id:"))
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        _: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let entries = entries(input).map_err(|error| error.context(source_file))?;
        Ok(Box::new(RepertoireRecords {
            schema: self.schema()?,
            entries: Some(entries),
        }))
    }
}

/// The list of repertoires of a document.
fn entries(input: Box<dyn BufRead + Send>) -> Result<Vec<Json>> {
    let mut text = Vec::new();
    let read = input.take(MOST_BYTES + 1).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() as u64 > MOST_BYTES => {
            return Err(Error::Invalid(format!(
                "repertoire metadata of more than {MOST_BYTES} bytes: split the document"
            )));
        }
        Ok(_) => {}
        Err(error) => match damage(&error) {
            Some(message) => return Err(Error::Invalid(message.to_string())),
            None => return Err(source_error(error)),
        },
    }
    let text = String::from_utf8(text).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() + 1;
        Error::Invalid(format!("byte {byte} is not valid UTF-8"))
    })?;
    // Both say line and column.
    let document: Json = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| Error::Invalid(format!("not JSON: {error}")))?
    } else {
        serde_yaml_ng::from_str(&text)
            .map_err(|error| Error::Invalid(format!("not YAML: {error}")))?
    };
    match document {
        Json::Object(mut document) => match document.remove("Repertoire") {
            Some(Json::Array(entries)) => Ok(entries),
            Some(_) => Err(Error::Invalid("Repertoire is not a list".into())),
            None => Err(Error::Invalid(
                "there is no list Repertoire, with which AIRR repertoire metadata starts".into(),
            )),
        },
        _ => Err(Error::Invalid(
            "AIRR repertoire metadata is an object with a list Repertoire".into(),
        )),
    }
}

/// A row of `repertoires`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Repertoire {
    pub(super) repertoire_id: Option<String>,
    pub(super) study_id: Option<String>,
    pub(super) subject_id: Option<String>,
    pub(super) sample_id: Option<String>,
    pub(super) species: Option<String>,
    pub(super) strain: Option<String>,
    pub(super) age: Option<String>,
    pub(super) sex: Option<String>,
    pub(super) disease: Option<String>,
    pub(super) vaccine: Option<String>,
    pub(super) tissue: Option<String>,
    pub(super) cell_subset: Option<String>,
    pub(super) timepoint: Option<String>,
    pub(super) library_type: Option<String>,
    pub(super) germline_database: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
}

impl Repertoire {
    fn values(&self) -> [Value<'_>; COLUMNS.len()] {
        fn text(text: &Option<String>) -> Value<'_> {
            text.as_deref().into()
        }
        [
            text(&self.repertoire_id),
            text(&self.study_id),
            text(&self.subject_id),
            text(&self.sample_id),
            text(&self.species),
            text(&self.strain),
            text(&self.age),
            text(&self.sex),
            text(&self.disease),
            text(&self.vaccine),
            text(&self.tissue),
            text(&self.cell_subset),
            text(&self.timepoint),
            text(&self.library_type),
            text(&self.germline_database),
            Value::Null,
        ]
    }

    /// Numbered rows as a batch.
    pub(super) fn batch<'a>(
        repertoires: impl Iterator<Item = (i64, &'a Repertoire)>,
    ) -> Result<RecordBatch> {
        let mut rows = Rows::new(AirrRepertoire.schema()?)?;
        for (record, repertoire) in repertoires {
            let attributes = repertoire
                .attributes
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()));
            rows.push(record, &repertoire.values(), attributes)?;
        }
        rows.finish()
    }
}

struct RepertoireRecords {
    schema: SchemaRef,
    entries: Option<Vec<Json>>,
}

impl Records for RepertoireRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let Some(entries) = self.entries.take().filter(|entries| !entries.is_empty()) else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        let mut rejects = Vec::new();
        for (record, entry) in (1i64..).zip(&entries) {
            match entry {
                Json::Object(fields) if !fields.is_empty() => {
                    let mut repertoire = fields::read(fields);
                    repertoire
                        .repertoire_id
                        .get_or_insert_with(|| stable_id(record, entry.to_string().as_bytes()));
                    rows.push((record, repertoire));
                }
                other => rejects.push(Reject::new(
                    Some(record),
                    format!("entry {record} of Repertoire is not an object with fields"),
                    other.to_string().as_bytes(),
                )),
            }
        }
        Ok(Some(SourceBatch {
            records: Repertoire::batch(rows.iter().map(|(record, row)| (*record, row)))?,
            molecules: Molecules::Chains,
            beside: Vec::new(),
            consumed: entries.len() as u64,
            rejects,
        }))
    }
}
