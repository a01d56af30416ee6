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

/// A record must have one of these, or there is nothing to it.
const SUBSTANCE: [&str; 9] = [
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
const REQUIRED: [&str; 14] = [
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
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::io::Cursor;

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};

    use super::*;
    use crate::formats::decompress;

    const HEADER: &str = "sequence_id\tsequence\trev_comp\tproductive\tv_call\tjunction_aa\tv_identity\tduplicate_count\tmine\n";
    const ROW: &str = "a\tACGT\tF\tT\tIGHV1-2*01\tCARW\t93.26\t12\tx\n";

    fn open(text: &[u8]) -> Result<Box<dyn Records>> {
        let input = decompress(Box::new(Cursor::new(text.to_vec()))).unwrap();
        Airr.open(input, "x.tsv", &ReadOptions::default())
    }

    fn read(text: &[u8]) -> SourceBatch {
        open(text).unwrap().next_batch().unwrap().unwrap()
    }

    fn text(batch: &SourceBatch, name: &str, row: usize) -> String {
        let column = batch
            .records
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>();
        if column.is_null(row) {
            "NULL".into()
        } else {
            column.value(row).into()
        }
    }

    #[test]
    fn cells_become_what_their_columns_say() {
        let batch = read(format!("{HEADER}{ROW}").as_bytes());
        assert_eq!(batch.rejects, []);
        assert_eq!(batch.records.schema(), Airr.schema().unwrap());
        assert_eq!(text(&batch, "sequence_id", 0), "a");
        assert_eq!(text(&batch, "d_call", 0), "NULL");
        let column = |name: &str| batch.records.column_by_name(name).unwrap();
        assert!(column("productive").as_boolean().value(0));
        assert!(!column("rev_comp").as_boolean().value(0));
        assert_eq!(
            column("v_identity").as_primitive::<Float64Type>().value(0),
            0.9326
        );
        assert_eq!(
            column("duplicate_count")
                .as_primitive::<Int64Type>()
                .value(0),
            12
        );
        let map = column("attributes").as_map();
        assert_eq!(map.keys().as_string::<i32>().value(0), "mine");
    }

    #[test]
    fn a_mark_windows_line_ends_and_a_missing_last_newline_change_nothing() {
        let plain = read(format!("{HEADER}{ROW}{ROW}").as_bytes());
        let windows = format!("\u{feff}{HEADER}\n{ROW}{}", ROW.trim_end()).replace('\n', "\r\n");
        let windows = read(windows.as_bytes());
        assert_eq!(plain.records, windows.records);
        assert_eq!(windows.rejects, []);
    }

    #[test]
    fn empty_cells_are_null_and_quotes_are_text() {
        let batch = read(format!("{HEADER}a\tACGT\t\t\t\"IGHV1\"\t\t\t\t\n").as_bytes());
        assert_eq!(text(&batch, "v_call", 0), "\"IGHV1\"");
        assert_eq!(text(&batch, "junction_aa", 0), "NULL");
        assert!(
            batch
                .records
                .column_by_name("productive")
                .unwrap()
                .is_null(0)
        );
        assert!(
            batch
                .records
                .column_by_name("attributes")
                .unwrap()
                .is_null(0)
        );
    }

    #[test]
    fn a_broken_cell_rejects_its_record_and_the_rest_goes_on() {
        for (broken, reason) in [
            (
                "b\tACGT\tF\tyes\tV\tC\t1\t1\t",
                "column productive: 'yes' is not T or F",
            ),
            (
                "b\tACGT\tNA\tT\tV\tC\t1\t1\t",
                "column rev_comp: 'NA' is not T or F",
            ),
            (
                "b\tACGT\tF\tT\tV\tC\t1\tmany\t",
                "column duplicate_count: 'many' is not",
            ),
            (
                "b\tACGT\tF\tT\tV\tC\t101\t1\t",
                "column v_identity: '101' is neither",
            ),
            (
                "b\tAC5T\tF\tT\tV\tC\t1\t1\t",
                "column sequence: '5' at position 3",
            ),
            ("b\tACGT\tF\tT", "4 cells under a header of 9"),
            (
                "b\tACGT\tF\tT\tV\tC\t1\t1\t\t\tx",
                "11 cells under a header of 9",
            ),
            ("b\t\tF\tT\t\t\t1\t1\t", "the record has none of sequence"),
        ] {
            let batch = read(format!("{HEADER}{ROW}{broken}\n{ROW}").as_bytes());
            assert_eq!((batch.records.num_rows(), batch.consumed), (2, 3));
            let reject = &batch.rejects[0];
            assert_eq!(reject.record, Some(2));
            assert!(reject.reason.starts_with("line 3: "), "{}", reject.reason);
            assert!(reject.reason.contains(reason), "{}", reject.reason);
            assert_eq!(reject.text, broken);
            let records = batch.records.column(0).as_primitive::<Int64Type>();
            assert_eq!(records.values(), &[1, 3]);
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_reject_their_record() {
        let mut bytes = format!("{HEADER}{ROW}").into_bytes();
        bytes.extend_from_slice(b"b\xff\tACGT\tF\tT\t\t\t\t\n");
        bytes.extend_from_slice(ROW.as_bytes());
        let batch = read(&bytes);
        assert_eq!(batch.records.num_rows(), 2);
        assert!(
            batch.rejects[0]
                .reason
                .contains("line 3: byte 2 is not valid UTF-8")
        );
    }

    #[test]
    fn a_header_without_a_sequence_is_refused_with_what_is_missing() {
        let text = format!("{HEADER}{ROW}").replace("\tsequence\t", "\twrong_name\t");
        let error = open(text.as_bytes()).err().unwrap().to_string();
        for word in [
            "x.tsv",
            "line 1",
            "requires the column sequence",
            "d_call",
            "v_cigar",
        ] {
            assert!(error.contains(word), "{error}");
        }
        assert!(!error.contains("productive"), "it is there: {error}");
    }

    #[test]
    fn an_empty_file_and_a_column_named_twice_are_refused() {
        assert!(open(b"").err().unwrap().to_string().contains("empty"));
        let error = open(b"sequence_id\tsequence\tjunction\tjunction\n")
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("x.tsv: the header names junction twice"),
            "{error}"
        );
    }

    #[test]
    fn a_header_alone_has_no_records() {
        assert!(
            open(HEADER.as_bytes())
                .unwrap()
                .next_batch()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn equal_identifiers_are_kept_and_missing_ones_made() {
        let nameless = ROW.replacen('a', "", 1);
        let batch = read(format!("{HEADER}{ROW}{ROW}{nameless}{nameless}").as_bytes());
        assert_eq!(batch.records.num_rows(), 4);
        assert_eq!(text(&batch, "sequence_id", 1), "a");
        let made = text(&batch, "sequence_id", 2);
        assert_eq!(made.len(), 32);
        assert_ne!(made, text(&batch, "sequence_id", 3));
    }

    #[test]
    fn a_long_line_is_rejected_and_the_file_goes_on() {
        let long = format!("b\t{}\tF\tT\t\t\t\t\t\n", "A".repeat(20_000_000));
        let batch = read(format!("{HEADER}{ROW}{long}{ROW}").as_bytes());
        assert_eq!(batch.records.num_rows(), 2);
        assert!(batch.rejects[0].reason.contains("more than the limit"));
        assert!(batch.rejects[0].text.len() <= Reject::TEXT_LIMIT);
    }

    #[test]
    fn the_source_may_name_the_species() {
        let batch = read(b"sequence_id\tsequence_aa\tspecies\torganism\na\tEVQ\tmouse\tx\n");
        assert_eq!(text(&batch, "species_reported", 0), "mouse");
    }
}
