//! AIRR Rearrangement tables (TSV), versions 1.5 and 2.0.

use std::io::BufRead;

use arrow::datatypes::SchemaRef;

use super::columns::{Rows, Value, source_schema, stable_id};
use super::lines::{Lines, Step};
use super::table::Layout;
use super::{Format, Molecules, ReadOptions, Records, Reject, SourceBatch, detect};
use crate::error::{Error, Result};

/// Columns of `main.chains` that a table may have; all others become attributes.
const COLUMNS: [&str; 37] = [
    "sequence_id",
    "locus",
    "species_reported",
    "sequence",
    "sequence_aa",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "germline_database",
    "junction",
    "junction_aa",
    "cdr1_aa",
    "cdr2_aa",
    "cdr3_aa",
    "sequence_alignment",
    "sequence_alignment_aa",
    "germline_alignment",
    "v_identity",
    "productive",
    "stop_codon",
    "vj_in_frame",
    "v_frameshift",
    "rev_comp",
    "complete_vdj",
    "np1",
    "np2",
    "cell_id",
    "is_cell",
    "clone_id",
    "duplicate_count",
    "consensus_count",
    "umi_count",
    "repertoire_id",
    "study_id",
    "subject_id",
    "sample_id",
];

/// Before the names of columns that `COPY … (FORMAT airr)` writes and AIRR does not have. They are computed from the others,
/// so they are computed anew and not read.
pub const OURS: &str = "paratope_";

/// A record must have one of these, or there is nothing to it.
pub const SUBSTANCE: [&str; 9] = [
    "sequence",
    "sequence_aa",
    "sequence_alignment",
    "sequence_alignment_aa",
    "junction",
    "junction_aa",
    "cdr3_aa",
    "v_call",
    "locus",
];

/// Columns that AIRR requires of every table.
pub const REQUIRED: [&str; 14] = [
    "sequence_id",
    "sequence",
    "rev_comp",
    "productive",
    "v_call",
    "d_call",
    "j_call",
    "sequence_alignment",
    "germline_alignment",
    "junction",
    "junction_aa",
    "v_cigar",
    "d_cigar",
    "j_cigar",
];

/// AIRR Rearrangement. Cells are not quoted, empty ones are NULL, `T` and `F` are flags. Of the columns that AIRR requires,
/// only `sequence` (or `sequence_aa`) is insisted on, even where its cells are empty; a record without `sequence_id` gets
/// a stable one. Rows of another length than the header, and cells that are not what their column says, are rejected.
/// Records count from 1 behind the header, empty lines left out.
#[derive(Debug)]
pub struct Airr;

impl Format for Airr {
    fn name(&self) -> &'static str {
        "airr"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> Result<SchemaRef> {
        let columns: Vec<&str> = COLUMNS.into_iter().chain(["attributes"]).collect();
        source_schema("main.chains", &columns)
    }

    fn detect(&self, head: &[u8], file_name: &str) -> u8 {
        let line = detect::lines(head).next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else {
            return 0;
        };
        let names: Vec<&str> = line.split('\t').map(str::trim).collect();
        let known = names
            .iter()
            .filter(|name| COLUMNS.contains(name) || REQUIRED.contains(name))
            .count();
        match known {
            _ if names.len() < 2 => 0,
            3.. => 90,
            1 | 2 if detect::has_extension(file_name, &["tsv", "airr"]) => 50,
            _ => 0,
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let mut lines = Lines::new(input, source_file, options.max_record_bytes);
        let names = header(&mut lines).map_err(|error| error.context(source_file))?;
        let schema = self.schema()?;
        let layout = Layout::new(names, &schema, |name| match name {
            "species" | "organism" => Some("species_reported"),
            _ if name.starts_with(OURS) => None,
            _ => Some(name),
        })
        .map_err(|error| error.context(source_file))?;
        let slot = |name: &str| COLUMNS.iter().position(|column| *column == name);
        Ok(Box::new(AirrRecords {
            lines,
            options: options.clone(),
            rows: Rows::new(SchemaRef::clone(&schema))?,
            schema,
            layout,
            substance: SUBSTANCE.into_iter().filter_map(slot).collect(),
            record: 0,
            ended: false,
        }))
    }
}

/// Reads and checks the header.
fn header(lines: &mut Lines) -> Result<Vec<String>> {
    match lines.step()? {
        Step::Whole => {}
        Step::TooLong(bytes) => {
            return Err(Error::Invalid(format!(
                "line 1: the header has {bytes} bytes, which no AIRR table has"
            )));
        }
        Step::Cut(message) => return Err(Error::Invalid(format!("line 1: {message}"))),
        Step::End => {
            return Err(Error::Invalid(
                "the file is empty: an AIRR table starts with a header".into(),
            ));
        }
    }
    let text = std::str::from_utf8(lines.text())
        .map_err(|_| Error::Invalid("line 1: the header is not valid UTF-8".into()))?;
    let names: Vec<String> = text
        .split('\t')
        .enumerate()
        .map(|(index, name)| match name.trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_string(),
        })
        .collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    if has("sequence") || has("sequence_aa") {
        return Ok(names);
    }
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !has(name)).collect();
    let quoted = if text.contains('"') {
        " (AIRR tables have no quotes)"
    } else {
        ""
    };
    Err(Error::Invalid(format!(
        "line 1: AIRR requires the column sequence, which the header lacks{quoted}; if the records have none, add the column and \
         leave it empty. Missing: {}",
        missing.join(", ")
    )))
}

struct AirrRecords {
    lines: Lines,
    options: ReadOptions,
    schema: SchemaRef,
    rows: Rows,
    layout: Layout,
    substance: Vec<usize>,
    record: i64,
    ended: bool,
}

impl Records for AirrRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let start = self.record;
        let mut rejects = Vec::new();
        while !self.ended
            && self.rows.len() + rejects.len() < self.options.batch_records
            && self.rows.bytes() < self.options.batch_bytes
        {
            let step = self.lines.step()?;
            if step == Step::End {
                self.ended = true;
                break;
            }
            if step == Step::Whole && self.lines.text().is_empty() {
                continue;
            }
            self.record += 1;
            let wrong = match step {
                Step::Whole => self.row()?,
                Step::TooLong(bytes) => Some(format!(
                    "the record has {bytes} bytes, more than the limit of {}",
                    self.options.max_record_bytes
                )),
                Step::Cut(message) => {
                    self.ended = true;
                    Some(format!("the record is not whole: {message}"))
                }
                Step::End => None,
            };
            if let Some(wrong) = wrong {
                let reason = format!("line {}: {wrong}", self.lines.number());
                rejects.push(Reject::new(Some(self.record), reason, self.lines.text()));
            }
        }
        if self.record == start {
            return Ok(None);
        }
        Ok(Some(SourceBatch {
            records: self.rows.finish()?,
            molecules: Molecules::Chains,
            beside: Vec::new(),
            consumed: (self.record - start) as u64,
            rejects,
        }))
    }
}

impl AirrRecords {
    /// Takes the line as a row, or says what is wrong with it.
    fn row(&mut self) -> Result<Option<String>> {
        let line = self.lines.text();
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => {
                let byte = error.valid_up_to() + 1;
                return Ok(Some(format!("byte {byte} is not valid UTF-8")));
            }
        };
        let cells = memchr::memchr_iter(b'\t', line).count() + 1;
        if cells != self.layout.len() {
            let columns = self.layout.len();
            return Ok(Some(format!("{cells} cells under a header of {columns}")));
        }
        let mut values = [Value::Null; COLUMNS.len() + 1];
        let mut attributes = Vec::new();
        if let Err(wrong) = self
            .layout
            .fill(text.split('\t'), &mut values, &mut attributes)
        {
            return Ok(Some(wrong));
        }
        if self
            .substance
            .iter()
            .all(|slot| values[*slot] == Value::Null)
        {
            return Ok(Some(format!(
                "the record has none of {}",
                SUBSTANCE.join(", ")
            )));
        }
        let made: String;
        if values[0] == Value::Null {
            made = stable_id(self.record, line);
            values[0] = Value::Text(&made);
        }
        self.rows.push(self.record, &values, attributes)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
