//! Data units of the Observed Antibody Space: a line of metadata, a header, and CSV rows of one or two chains.

mod layout;
mod metadata;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::layout::{Side, first_line, header, side, sides};
use self::metadata::Metadata;
use super::columns::{Rows, Value, source_schema, stable_id};
use super::csv::split;
use super::lines::{Lines, Step};
use super::{Beside, Format, Molecules, ReadOptions, Records, Reject, SourceBatch, Target, detect};
use crate::error::Result;

/// Columns of `main.chains` that a data unit may have or that are made from it; all others become attributes.
const COLUMNS: [&str; 35] = [
    "sequence_id",
    "chain",
    "locus",
    "species_reported",
    "sequence",
    "sequence_aa",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
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
    "pair_id",
    "duplicate_count",
    "repertoire_id",
    "study_id",
    "subject_id",
    "sample_id",
    "attributes",
];

/// Names that data units are known by, in either layout.
const KNOWN: [&str; 5] = [
    "sequence_alignment_aa",
    "sequence_alignment",
    "germline_alignment",
    "v_call",
    "ANARCI_status",
];

/// OAS data units, unpaired and paired. A row has no identifier and no polypeptide: the identifier is made from the row's text
/// and number, the polypeptide is the aligned residues without gaps, else the regions joined. A paired row is two records of
/// one number that share a `pair_id`. The metadata of the first line is a repertoire.
#[derive(Debug)]
pub struct Oas;

impl Format for Oas {
    fn name(&self) -> &'static str {
        "oas"
    }

    fn version(&self) -> u32 {
        1
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Repertoires, Target::Proteins]
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.chains", &COLUMNS)
    }

    fn detect(&self, head: &[u8], file_name: &str) -> u8 {
        let mut lines = detect::lines(head);
        let first = lines.next().unwrap_or_default();
        let is_header = |line: &[u8]| {
            let mut cells = (String::new(), Vec::new());
            let names = std::str::from_utf8(line)
                .ok()
                .and_then(|line| split(line, b',', &mut cells.0, &mut cells.1).ok());
            let known = names.map_or(0, |names| {
                names.filter(|name| KNOWN.contains(&side(name).1)).count()
            });
            known >= 2
        };
        if first.starts_with(b"\"{") || first.starts_with(b"{") {
            return match lines.next() {
                Some(second) if is_header(second) => 95,
                // Metadata longer than the head.
                None if first.starts_with(b"\"{\"\"") => 40,
                _ => 0,
            };
        }
        // Without its first line: reading says what is missing.
        let is_csv = detect::has_extension(file_name, &["csv"]);
        if is_header(first) {
            60 + u8::from(is_csv)
        } else {
            0
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let mut lines = Lines::new(input, source_file, options.max_record_bytes);
        let metadata = first_line(&mut lines).map_err(|error| error.context(source_file))?;
        let names = header(&mut lines).map_err(|error| error.context(source_file))?;
        let schema = self.schema()?;
        let sides =
            sides(&names, &schema, &metadata).map_err(|error| error.context(source_file))?;
        let repertoire = metadata.repertoire(sides.len() == 2)?;
        Ok(Box::new(OasRecords {
            lines,
            options: options.clone(),
            rows: Rows::new(SchemaRef::clone(&schema))?,
            schema,
            columns: names.len(),
            sides,
            metadata,
            repertoire: Some(repertoire),
            record: 0,
            ended: false,
            scratch: String::new(),
            ends: Vec::new(),
        }))
    }
}

struct OasRecords {
    lines: Lines,
    options: ReadOptions,
    schema: SchemaRef,
    rows: Rows,
    columns: usize,
    sides: Vec<Side>,
    metadata: Metadata,
    /// Goes with the first batch.
    repertoire: Option<RecordBatch>,
    record: i64,
    ended: bool,
    scratch: String,
    ends: Vec<usize>,
}

impl Records for OasRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let start = self.record;
        let mut rejects = Vec::new();
        // A paired row is two; a batch holds whole rows.
        let most = self.options.batch_records.max(self.sides.len()) + 1 - self.sides.len();
        while !self.ended
            && self.rows.len() + rejects.len() < most
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
        let repertoire = self.repertoire.take();
        if self.record == start && repertoire.is_none() {
            return Ok(None);
        }
        let beside = repertoire.map(|rows| Beside {
            target: Target::Repertoires,
            rows,
        });
        Ok(Some(SourceBatch {
            records: self.rows.finish()?,
            molecules: Molecules::Chains,
            beside: beside.into_iter().collect(),
            consumed: (self.record - start) as u64,
            rejects,
        }))
    }
}

impl OasRecords {
    /// Takes the line as one row or two, or says what is wrong with it.
    fn row(&mut self) -> Result<Option<String>> {
        let line = self.lines.text();
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => {
                let byte = error.valid_up_to() + 1;
                return Ok(Some(format!("byte {byte} is not valid UTF-8")));
            }
        };
        let cells = match split(text, b',', &mut self.scratch, &mut self.ends) {
            Ok(cells) => cells,
            Err(wrong) => return Ok(Some(wrong.to_string())),
        };
        if cells.len() != self.columns {
            let columns = self.columns;
            return Ok(Some(format!(
                "{} cells under a header of {columns}",
                cells.len()
            )));
        }
        let made = stable_id(self.record, line);
        let mut taken = Vec::with_capacity(self.sides.len());
        for side in &self.sides {
            let mut values = [Value::Null; COLUMNS.len()];
            let mut attributes = Vec::new();
            if let Err(wrong) = side
                .layout
                .fill(cells.clone(), &mut values, &mut attributes)
            {
                return Ok(Some(match side.chain {
                    Some(chain) if side.is_paired => format!("{chain} chain: {wrong}"),
                    _ => wrong,
                }));
            }
            let protein = protein(&values, &attributes);
            taken.push((side, values, attributes, protein));
        }
        // Both chains of a row are good before either is taken.
        for (side, values, attributes, protein) in taken {
            let id = match side.chain {
                Some(chain) if side.is_paired => format!("{made}_{chain}"),
                _ => made.clone(),
            };
            let mut values = values;
            for (name, value) in [
                ("sequence_id", Some(id.as_str())),
                ("chain", side.chain),
                ("sequence_aa", protein.as_deref()),
                ("pair_id", side.is_paired.then_some(made.as_str())),
                ("species_reported", self.metadata.species()),
                ("repertoire_id", Some(self.metadata.repertoire_id())),
                ("study_id", self.metadata.study()),
                ("subject_id", self.metadata.subject()),
                ("sample_id", self.metadata.run()),
            ] {
                if let Some(slot) = slot(name).filter(|slot| values[*slot] == Value::Null) {
                    values[slot] = value.into();
                }
            }
            self.rows.push(self.record, &values, attributes)?;
        }
        Ok(None)
    }
}

fn slot(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| *column == name)
}

/// The polypeptide of a row: its aligned residues without gaps, else its regions joined, if all from CDR1 to CDR3 are there.
fn protein(values: &[Value<'_>], attributes: &[(&str, &str)]) -> Option<String> {
    let ours = |name: &str| match slot(name).map(|slot| values[slot]) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let aligned = ours("sequence_alignment_aa").map(|text| text.replace(['-', '.'], ""));
    if aligned.as_ref().is_some_and(|text| !text.is_empty()) {
        return aligned;
    }
    let theirs = |name: &str| {
        attributes
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, text)| *text)
    };
    let first = theirs("fwr1_aa").unwrap_or_default();
    let last = theirs("fwr4_aa").unwrap_or_default();
    let middle = [
        ours("cdr1_aa")?,
        theirs("fwr2_aa")?,
        ours("cdr2_aa")?,
        theirs("fwr3_aa")?,
        ours("cdr3_aa")?,
    ];
    Some(format!("{first}{}{last}", middle.concat()))
}
