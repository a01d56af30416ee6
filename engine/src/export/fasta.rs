//! FASTA: an identifier, perhaps a description, a sequence.

use std::io::Write as _;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;

use super::cells::{as_text, check_textual, is_text};
use super::encoder::{Compression, Encoder, Notes, Out};
use super::format::take_compression;
use super::options::Given;
use crate::error::{Error, Result};

/// Columns that hold sequences, the likelier first.
const SEQUENCES: [&str; 2] = ["sequence_aa", "sequence"];

/// Options of `FORMAT fasta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastaOptions {
    /// Column of the identifiers.
    pub id: String,
    /// Column of the sequences; where nothing is said, `sequence_aa` or else `sequence`.
    pub sequence: Option<String>,
    /// Columns behind the identifier, as `name=value`.
    pub description: Vec<String>,
    /// Residues in a line; 0: all.
    pub line_width: usize,
    /// As the location's extension says, where nothing is said.
    pub compression: Option<Compression>,
}

impl Default for FastaOptions {
    fn default() -> Self {
        Self {
            id: "sequence_id".into(),
            sequence: None,
            description: Vec::new(),
            line_width: 80,
            compression: None,
        }
    }
}

impl FastaOptions {
    pub(super) fn take(mut given: Given) -> Result<Self> {
        let defaults = Self::default();
        let options = Self {
            id: given.text("id").unwrap_or(defaults.id),
            sequence: given.text("sequence"),
            description: given
                .text("description")
                .map(|list| {
                    list.split(',')
                        .map(|name| name.trim().to_string())
                        .collect()
                })
                .unwrap_or_default(),
            line_width: given
                .value(
                    "line_width",
                    "a number of residues, or 0 for all in one line",
                )?
                .unwrap_or(defaults.line_width),
            compression: take_compression(&mut given)?,
        };
        given.finish()?;
        Ok(options)
    }
}

/// Writes one file.
pub(super) struct FastaEncoder {
    out: Out,
    id: usize,
    sequence: usize,
    description: Vec<usize>,
    line_width: usize,
    text: Vec<u8>,
    notes: Notes,
    changed_ids: u64,
}

impl FastaEncoder {
    /// # Errors
    /// A column that is missing or holds no text.
    pub fn new(out: Out, schema: &Schema, options: &FastaOptions) -> Result<Self> {
        let id = column(schema, "id", &options.id)?;
        let sequence = match &options.sequence {
            Some(name) => column(schema, "sequence", name)?,
            None => SEQUENCES
                .iter()
                .find_map(|name| schema.index_of(name).ok())
                .ok_or_else(|| {
                    Error::Invalid(format!(
                        "FORMAT fasta finds neither sequence_aa nor sequence; say which column holds the sequences (OPTIONS (sequence 'column')): {}",
                        names(schema)
                    ))
                })?,
        };
        let field = schema.field(sequence);
        if !is_text(field.data_type()) {
            return Err(Error::Invalid(format!(
                "FORMAT fasta: column {} is {} and holds no sequences; say which column does (OPTIONS (sequence 'column'))",
                field.name(),
                field.data_type()
            )));
        }
        let description = options
            .description
            .iter()
            .map(|name| column(schema, "description", name))
            .collect::<Result<Vec<_>>>()?;
        for index in description.iter().chain([&id]) {
            check_textual("fasta", schema.field(*index))?;
        }
        Ok(Self {
            out,
            id,
            sequence,
            description,
            line_width: options.line_width,
            text: Vec::new(),
            notes: Notes::default(),
            changed_ids: 0,
        })
    }

    /// The line before a sequence.
    fn header(&mut self, id: Option<&str>, description: &[(&str, Option<&str>)]) {
        let nth = self.notes.rows + self.notes.skipped + 1;
        let given = id.map(str::trim).filter(|id| !id.is_empty());
        // The identifier ends at the first blank.
        let ends = |c: char| c.is_whitespace() || c.is_control();
        let id = match given {
            Some(id) => id.replace(ends, "_"),
            None => format!("row_{nth}"),
        };
        self.changed_ids += u64::from(given != Some(id.as_str()));
        self.text.push(b'>');
        self.text.extend_from_slice(id.as_bytes());
        for (name, value) in description {
            let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
                continue;
            };
            let value = value.replace(|c: char| c.is_control(), " ");
            // As NCBI writes values of several words.
            let is_phrase = value.contains(char::is_whitespace);
            let (open, close) = if is_phrase { ("[", "]") } else { ("", "") };
            let part = format!(" {open}{name}={value}{close}");
            self.text.extend_from_slice(part.as_bytes());
        }
        self.text.push(b'\n');
    }

    fn sequence(&mut self, residues: &[u8]) {
        let width = match self.line_width {
            0 => residues.len(),
            width => width,
        };
        for line in residues.chunks(width.max(1)) {
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
        }
    }
}

impl Encoder for FastaEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let texts = |index: usize| -> Result<StringArray> {
            as_text(&schema.fields()[index], batch.column(index))
        };
        let ids = texts(self.id)?;
        let sequences = texts(self.sequence)?;
        let described = self
            .description
            .iter()
            .map(|index| Ok((schema.field(*index).name().as_str(), texts(*index)?)))
            .collect::<Result<Vec<_>>>()?;
        fn cell(texts: &StringArray, row: usize) -> Option<&str> {
            texts.is_valid(row).then(|| texts.value(row))
        }
        let mut residues = Vec::new();
        for row in 0..batch.num_rows() {
            residues.clear();
            let text = cell(&sequences, row).unwrap_or_default().bytes();
            residues.extend(
                text.filter(|byte| !byte.is_ascii_whitespace() && !byte.is_ascii_control()),
            );
            if residues.is_empty() {
                self.notes.skipped += 1;
                continue;
            }
            if residues.contains(&b'>') {
                let id = cell(&ids, row).unwrap_or_default();
                let column = schema.field(self.sequence).name();
                return Err(Error::Invalid(format!(
                    "FORMAT fasta: the {column} of {id} holds '>', which would start another record; replace it first"
                )));
            }
            let description: Vec<_> = described
                .iter()
                .map(|(name, texts)| (*name, cell(texts, row)))
                .collect();
            self.header(cell(&ids, row), &description);
            self.sequence(&residues);
            self.notes.rows += 1;
        }
        self.out.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Notes> {
        if self.notes.skipped > 0 {
            self.notes.warnings.push(format!(
                "{} rows have no sequence and are left out",
                self.notes.skipped
            ));
        }
        if self.changed_ids > 0 {
            self.notes.warnings.push(format!(
                "{} identifiers were missing or held blanks; row_N and _ stand for them",
                self.changed_ids
            ));
        }
        self.out.finish()?;
        Ok(self.notes)
    }
}

fn column(schema: &Schema, option: &str, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        Error::Invalid(format!(
            "FORMAT fasta: there is no column {name} in the result; select it, or name another (OPTIONS ({option} 'column')): {}",
            names(schema)
        ))
    })
}

fn names(schema: &Schema) -> String {
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    names.join(", ")
}
