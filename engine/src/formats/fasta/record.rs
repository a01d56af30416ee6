//! One FASTA record: its letters are checked, its header is read, and it becomes a row.

use super::header::{self, Header};
use crate::error::Result;
use crate::formats::columns::{Rows, Value};
use crate::formats::letters::{not_amino_acid, not_nucleotide};
use crate::formats::{Alphabet, Reject};

/// A record that is whole, its letters not yet looked at.
pub(super) struct Raw {
    pub(super) record: i64,
    pub(super) line: u64,
    pub(super) header: String,
    pub(super) sequence: Vec<u8>,
}

impl Raw {
    /// Adds the record to the rows, or says why not.
    pub(super) fn push(&self, alphabet: Alphabet, rows: &mut Rows) -> Result<Option<Reject>> {
        let is_nucleotide = alphabet == Alphabet::Nucleotide;
        let stranger = if is_nucleotide {
            not_nucleotide(&self.sequence)
        } else {
            not_amino_acid(&self.sequence)
        };
        let sequence = match (stranger, std::str::from_utf8(&self.sequence)) {
            (None, Ok(sequence)) => sequence,
            (stranger, _) => {
                let what = stranger.map(|s| s.to_string()).unwrap_or_default();
                let reason = if is_nucleotide && not_amino_acid(&self.sequence).is_none() {
                    format!(
                        "the record at line {} has {what}, which is no nucleotide, in a file read as nucleotides: \
                         if it holds proteins, say so (alphabet amino_acid)",
                        self.line
                    )
                } else {
                    format!(
                        "the record at line {} has {what}, which is no residue",
                        self.line
                    )
                };
                let text = shown(self.header.as_bytes(), &self.sequence);
                return Ok(Some(Reject::new(Some(self.record), reason, &text)));
            }
        };
        let header: Header<'_> = header::parse(&self.header);
        let (nucleotides, residues) = if is_nucleotide {
            (Value::Text(sequence), Value::Null)
        } else {
            (Value::Null, Value::Text(sequence))
        };
        let values = [
            Value::Text(header.id),
            header.chain.map(|chain| chain.as_str()).into(),
            header.locus.map(|locus| locus.as_str()).into(),
            header.species.into(),
            nucleotides,
            residues,
            header.v_call.into(),
            header.d_call.into(),
            header.j_call.into(),
            header.c_call.into(),
            header.duplicate_count.into(),
            header.consensus_count.into(),
            Value::Null,
        ];
        // A header such as `|IGHV1-2*01` has text but no identifier.
        if header.id.is_empty() {
            let reason = format!("line {}: there is no identifier behind '>'", self.line);
            let text = shown(self.header.as_bytes(), &self.sequence);
            return Ok(Some(Reject::new(Some(self.record), reason, &text)));
        }
        rows.push(self.record, &values, header.attributes.iter().copied())?;
        Ok(None)
    }
}

/// A record as it stood, as far as a reject keeps it.
pub(super) fn shown(header: &[u8], sequence: &[u8]) -> Vec<u8> {
    let limit = Reject::TEXT_LIMIT * 4;
    let mut text = b">".to_vec();
    text.extend_from_slice(&header[..header.len().min(limit)]);
    text.push(b'\n');
    text.extend_from_slice(&sequence[..sequence.len().min(limit)]);
    text
}
