//! Lines of cells under a header, record by record: what the CSV and TSV formats share.

use std::io::BufRead;

use super::csv::{Cells, split};
use super::lines::{Lines, Step};
use super::{ReadOptions, Reject};
use crate::error::{Error, Result};

/// A table of text being read. Records count from 1 behind the header, empty lines left out.
pub(super) struct Delimited {
    lines: Lines,
    separator: u8,
    columns: usize,
    record: i64,
    ended: bool,
    max_record_bytes: usize,
    batch_records: usize,
    batch_bytes: usize,
    scratch: String,
    ends: Vec<usize>,
}

/// A record: as many cells as the header has.
pub(super) struct Row<'a> {
    /// Its number, from 1.
    pub(super) record: i64,
    /// The line as it stands.
    pub(super) line: &'a str,
    /// Its cells.
    pub(super) cells: Cells<'a>,
}

/// What became of the records of a batch.
pub(super) struct Taken {
    /// Records consumed, rejects included.
    pub(super) consumed: u64,
    /// Those that could not be read.
    pub(super) rejects: Vec<Reject>,
}

impl Delimited {
    /// Reads the header: its names without white space around them, `column_3` for a third without a name.
    ///
    /// # Errors
    /// No header, one that is no text, a source that fails.
    pub(super) fn open(
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<(Self, Vec<String>)> {
        let mut lines = Lines::new(input, source_file, options.max_record_bytes);
        let invalid = |wrong: String| Error::Invalid(wrong).context(source_file);
        match lines.step()? {
            Step::Whole => {}
            Step::TooLong(bytes) => {
                let wrong = format!("line 1: the header has {bytes} bytes, which no table has");
                return Err(invalid(wrong));
            }
            Step::Cut(message) => return Err(invalid(format!("line 1: {message}"))),
            Step::End => {
                let wrong = "the file is empty: a table starts with a header";
                return Err(invalid(wrong.into()));
            }
        }
        let text = std::str::from_utf8(lines.text())
            .map_err(|_| invalid("line 1: the header is not valid UTF-8".into()))?;
        let separator = separator(text);
        let (mut scratch, mut ends) = (String::new(), Vec::new());
        let names: Vec<String> = split(text, separator, &mut scratch, &mut ends)
            .map_err(|wrong| invalid(format!("line 1: {wrong}")))?
            .enumerate()
            .map(|(index, name)| match name.trim() {
                "" => format!("column_{}", index + 1),
                name => name.to_string(),
            })
            .collect();
        let table = Self {
            lines,
            separator,
            columns: names.len(),
            record: 0,
            ended: false,
            max_record_bytes: options.max_record_bytes,
            batch_records: options.batch_records.max(1),
            batch_bytes: options.batch_bytes,
            scratch,
            ends,
        };
        Ok((table, names))
    }

    /// Gives the records of one batch to `take`, which says what is wrong with one that cannot be a row. `None` at the end.
    ///
    /// # Errors
    /// Where the source fails, and what `take` fails with.
    pub(super) fn batch(
        &mut self,
        mut take: impl FnMut(Row<'_>) -> Result<Option<String>>,
    ) -> Result<Option<Taken>> {
        let start = self.record;
        let (mut rejects, mut bytes) = (Vec::new(), 0);
        while !self.ended
            && ((self.record - start) as usize) < self.batch_records
            && bytes < self.batch_bytes
        {
            let step = self.lines.step()?;
            let line = self.lines.text();
            if step == Step::End {
                self.ended = true;
                break;
            }
            if step == Step::Whole && line.is_empty() {
                continue;
            }
            self.record += 1;
            bytes += line.len();
            let wrong = match step {
                Step::TooLong(bytes) => Some(format!(
                    "the record has {bytes} bytes, more than the limit of {}",
                    self.max_record_bytes
                )),
                Step::Cut(message) => {
                    self.ended = true;
                    Some(format!("the record is not whole: {message}"))
                }
                Step::Whole | Step::End => match std::str::from_utf8(line) {
                    Err(error) => {
                        let byte = error.valid_up_to() + 1;
                        Some(format!("byte {byte} is not valid UTF-8"))
                    }
                    Ok(text) => {
                        match split(text, self.separator, &mut self.scratch, &mut self.ends) {
                            Err(wrong) => Some(wrong.to_string()),
                            Ok(cells) if cells.len() != self.columns => Some(format!(
                                "{} cells under a header of {}",
                                cells.len(),
                                self.columns
                            )),
                            Ok(cells) => take(Row {
                                record: self.record,
                                line: text,
                                cells,
                            })?,
                        }
                    }
                },
            };
            if let Some(wrong) = wrong {
                let reason = format!("line {}: {wrong}", self.lines.number());
                rejects.push(Reject::new(Some(self.record), reason, line));
            }
        }
        Ok((self.record > start).then_some(Taken {
            consumed: (self.record - start) as u64,
            rejects,
        }))
    }
}

/// What stands between the cells of a header: tabs if there are any, else the more frequent of comma and semicolon
/// (spreadsheets write semicolons where the comma is the decimal sign).
pub(super) fn separator(header: &str) -> u8 {
    let count = |wanted: u8| memchr::memchr_iter(wanted, header.as_bytes()).count();
    if count(b'\t') > 0 {
        b'\t'
    } else if count(b';') > count(b',') {
        b';'
    } else {
        b','
    }
}

/// The names of a header that is the first line of `head`, as [`Delimited::open`] reads them; none where it is no table.
pub(super) fn names(head: &[u8]) -> Vec<String> {
    let line = super::detect::lines(head).next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else {
        return Vec::new();
    };
    let (mut scratch, mut ends) = (String::new(), Vec::new());
    split(line, separator(line), &mut scratch, &mut ends)
        .map(|names| names.map(|name| name.trim().to_string()).collect())
        .unwrap_or_default()
}
