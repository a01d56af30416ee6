//! FASTA: amino acids or nucleotides, decided once for each file.

mod header;
mod record;

use std::collections::VecDeque;
use std::io::BufRead;

use arrow::datatypes::SchemaRef;
use udfs::antibody::nucleotide::looks_like_nucleotides;

use self::record::{Raw, shown};
use super::columns::{Rows, source_schema};
use super::lines::{Lines, Step};
use super::{Alphabet, Format, Molecules, ReadOptions, Records, Reject, SourceBatch, detect};
use crate::error::Result;

/// Records that are looked at to tell nucleotides from amino acids; fewer where they are long.
const PROBE_RECORDS: usize = 64;
const PROBE_BYTES: usize = 1 << 20;

/// What a header and a sequence can give, in the order of [`Raw::push`].
const COLUMNS: [&str; 13] = [
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
    "duplicate_count",
    "consensus_count",
    "attributes",
];

/// FASTA. White space within a sequence is dropped, case and gaps are kept; letters, `*`, `-` and `.` are residues, and a
/// record with anything else is rejected. In a file of nucleotides only IUPAC codes are.
#[derive(Debug)]
pub struct Fasta;

impl Format for Fasta {
    fn name(&self) -> &'static str {
        "fasta"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.chains", &COLUMNS)
    }

    fn detect(&self, head: &[u8], file_name: &str) -> u8 {
        let named = detect::has_extension(file_name, &["fasta", "fa", "faa", "fna", "fas", "ffn"]);
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'>') => 95,
            Some(b';') if detect::lines(head).any(|line| line.starts_with(b">")) => 60,
            _ if named && detect::lines(head).any(|line| line.starts_with(b">")) => 40,
            _ => u8::from(named),
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let schema = self.schema()?;
        Ok(Box::new(FastaRecords {
            lines: Lines::new(input, source_file, options.max_record_bytes),
            options: options.clone(),
            rows: Rows::new(SchemaRef::clone(&schema))?,
            schema,
            alphabet: options.alphabet,
            record: 0,
            ahead: None,
            probed: VecDeque::new(),
            ended: false,
        }))
    }
}

struct FastaRecords {
    lines: Lines,
    options: ReadOptions,
    schema: SchemaRef,
    rows: Rows,
    alphabet: Alphabet,
    record: i64,
    /// The header of the next record.
    ahead: Option<HeaderLine>,
    /// Records read to tell the alphabet.
    probed: VecDeque<Item>,
    ended: bool,
}

struct HeaderLine {
    text: Vec<u8>,
    number: u64,
    too_long: Option<u64>,
}

/// What the lines hold next.
enum Item {
    Record(Raw),
    Reject(Reject),
}

impl Records for FastaRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        if self.alphabet == Alphabet::Auto {
            self.probe()?;
        }
        let start = self.taken();
        let mut rejects = Vec::new();
        while self.rows.len() + rejects.len() < self.options.batch_records
            && self.rows.bytes() < self.options.batch_bytes
        {
            match self.next_item()? {
                Some(Item::Record(raw)) => {
                    if let Some(reject) = raw.push(self.alphabet, &mut self.rows)? {
                        rejects.push(reject);
                    }
                }
                Some(Item::Reject(reject)) => rejects.push(reject),
                None => break,
            }
        }
        if self.rows.len() == 0 && rejects.is_empty() {
            return Ok(None);
        }
        Ok(Some(SourceBatch {
            records: self.rows.finish()?,
            molecules: Molecules::Any,
            beside: Vec::new(),
            consumed: self.taken() - start,
            rejects,
        }))
    }
}

impl FastaRecords {
    /// Records handed out so far: those read and no longer waiting.
    fn taken(&self) -> u64 {
        let waiting = self
            .probed
            .iter()
            .filter(|item| match item {
                Item::Record(_) => true,
                Item::Reject(reject) => reject.record.is_some(),
            })
            .count();
        (self.record as u64).saturating_sub(waiting as u64)
    }

    /// Reads ahead and settles the alphabet, the same whatever the size of batches.
    fn probe(&mut self) -> Result<()> {
        let (mut records, mut nucleotides, mut bytes) = (0usize, 0usize, 0usize);
        while self.probed.len() < PROBE_RECORDS && bytes < PROBE_BYTES {
            let Some(item) = self.read()? else { break };
            if let Item::Record(raw) = &item {
                records += 1;
                bytes += raw.sequence.len();
                nucleotides += usize::from(looks_like_nucleotides(&raw.sequence));
            }
            self.probed.push_back(item);
        }
        self.alphabet = if records > 0 && nucleotides * 2 >= records {
            Alphabet::Nucleotide
        } else {
            Alphabet::AminoAcid
        };
        Ok(())
    }

    fn next_item(&mut self) -> Result<Option<Item>> {
        match self.probed.pop_front() {
            Some(item) => Ok(Some(item)),
            None => self.read(),
        }
    }

    /// The next record or reject of the lines.
    fn read(&mut self) -> Result<Option<Item>> {
        if self.ended {
            return Ok(None);
        }
        let Some(header) = self.ahead.take() else {
            return self.read_start();
        };
        self.record += 1;
        let record = self.record;
        let mut sequence: Vec<u8> = Vec::new();
        let mut bytes = 0u64;
        let cut = loop {
            match self.lines.step()? {
                Step::End => {
                    self.ended = true;
                    break None;
                }
                Step::Cut(message) => {
                    self.ended = true;
                    break Some(message);
                }
                Step::Whole if self.lines.text().starts_with(b">") => {
                    self.ahead = Some(self.header_line(None));
                    break None;
                }
                Step::TooLong(length) if self.lines.text().starts_with(b">") => {
                    self.ahead = Some(self.header_line(Some(length)));
                    break None;
                }
                step => {
                    bytes += match step {
                        Step::TooLong(length) => length,
                        _ => self.lines.text().len() as u64,
                    };
                    let room = self.options.max_record_bytes.saturating_sub(sequence.len());
                    let text = self.lines.text();
                    let residues = text.iter().filter(|byte| !byte.is_ascii_whitespace());
                    sequence.extend(residues.take(room));
                }
            }
        };
        Ok(Some(self.item(record, header, sequence, bytes, cut)))
    }

    /// Goes to the first header; text before it is rejected as a whole.
    fn read_start(&mut self) -> Result<Option<Item>> {
        let mut stray: Option<(u64, Vec<u8>)> = None;
        loop {
            let step = self.lines.step()?;
            let text = self.lines.text();
            match step {
                Step::End => {
                    self.ended = true;
                    break;
                }
                Step::Cut(message) => {
                    self.ended = true;
                    self.record += 1;
                    let reason = format!("line {}: {message}", self.lines.number());
                    return Ok(Some(Item::Reject(Reject::new(
                        Some(self.record),
                        reason,
                        text,
                    ))));
                }
                Step::Whole if text.starts_with(b">") => {
                    self.ahead = Some(self.header_line(None));
                    break;
                }
                Step::TooLong(length) if text.starts_with(b">") => {
                    self.ahead = Some(self.header_line(Some(length)));
                    break;
                }
                // Comments of old.
                _ if text.starts_with(b";") || text.trim_ascii().is_empty() => {}
                _ => {
                    stray.get_or_insert_with(|| (self.lines.number(), text.to_vec()));
                }
            }
        }
        match stray {
            Some((line, text)) => Ok(Some(Item::Reject(Reject::new(
                None,
                format!("line {line}: text before the first '>' belongs to no record"),
                &text,
            )))),
            None if self.ended => Ok(None),
            None => self.read(),
        }
    }

    fn header_line(&self, too_long: Option<u64>) -> HeaderLine {
        HeaderLine {
            text: self.lines.text()[1..].to_vec(),
            number: self.lines.number(),
            too_long,
        }
    }

    fn item(
        &self,
        record: i64,
        header: HeaderLine,
        sequence: Vec<u8>,
        bytes: u64,
        cut: Option<String>,
    ) -> Item {
        let limit = self.options.max_record_bytes;
        let line = header.number;
        let reason = if let Some(message) = cut {
            Some(format!("the record at line {line} is not whole: {message}"))
        } else if let Some(length) = header.too_long {
            Some(format!(
                "line {line}: the header has {length} bytes, more than the limit of {limit}"
            ))
        } else if bytes > limit as u64 {
            Some(format!(
                "the record at line {line} has {bytes} bytes, more than the limit of {limit}"
            ))
        } else if std::str::from_utf8(&header.text).is_err() {
            Some(format!("line {line}: the header is not valid UTF-8"))
        } else if header.text.trim_ascii().is_empty() {
            Some(format!("line {line}: there is no identifier behind '>'"))
        } else if sequence.is_empty() {
            Some(format!("the record at line {line} has no sequence"))
        } else {
            None
        };
        match (reason, String::from_utf8(header.text)) {
            (None, Ok(header)) => Item::Record(Raw {
                record,
                line,
                header,
                sequence,
            }),
            (reason, header) => {
                let header = match &header {
                    Ok(text) => text.as_bytes(),
                    Err(error) => error.as_bytes(),
                };
                let reason = reason.unwrap_or_default();
                Item::Reject(Reject::new(Some(record), reason, &shown(header, &sequence)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
