//! Sequences as residue codes, many in one buffer.

use std::ops::Range;

use crate::MAX_RESIDUES;
use crate::error::NumberingError;

/// The code that stands for `*`.
pub(crate) const STOP: u8 = 64;
/// Gaps and white space, which are skipped.
const SKIPPED: u8 = 65;
/// Bytes that are neither.
const UNKNOWN: u8 = 66;
/// Codes from here on are no residues.
const SPECIAL: u8 = 64;

/// Letters from `A` = 0, in either case, and the codes above.
const CODES: [u8; 256] = {
    let mut codes = [UNKNOWN; 256];
    let mut letter = 0;
    while letter < 26 {
        codes[b'A' as usize + letter] = letter as u8;
        codes[b'a' as usize + letter] = letter as u8;
        letter += 1;
    }
    codes[b'*' as usize] = STOP;
    let mut skipped = 0;
    while skipped < 6 {
        codes[b"-. \t\r\n"[skipped] as usize] = SKIPPED;
        skipped += 1;
    }
    codes
};

/// Sequences that were read.
#[derive(Default)]
pub(crate) struct Reads {
    codes: Vec<u8>,
    reads: Vec<Read>,
    /// Where each code stands in its sequence, of those where bytes were skipped.
    offsets: Vec<u32>,
}

/// A sequence that was read, or why it was not.
struct Read {
    codes: Range<usize>,
    /// Its first entry in `offsets`; without, a code's index is its offset.
    offsets: Option<usize>,
    has_stops: bool,
    error: Option<NumberingError>,
}

impl Reads {
    pub(crate) fn clear(&mut self) {
        self.codes.clear();
        self.reads.clear();
        self.offsets.clear();
    }

    /// Adds a sequence.
    pub(crate) fn push(&mut self, seq: &[u8]) {
        let start = self.codes.len();
        let mut seen = 0;
        self.codes
            .extend(seq.iter().take(MAX_RESIDUES + 1).map(|byte| {
                let code = CODES[usize::from(*byte)];
                seen |= code;
                code
            }));
        let mut read = Read {
            codes: start..self.codes.len(),
            offsets: None,
            has_stops: false,
            error: None,
        };
        if seen >= SPECIAL || seq.len() > MAX_RESIDUES {
            self.codes.truncate(start);
            read = self.push_special(seq);
        }
        self.reads.push(read);
    }

    /// Adds a sequence that holds more than letters.
    fn push_special(&mut self, seq: &[u8]) -> Read {
        let start = self.codes.len();
        let first_offset = self.offsets.len();
        let (mut has_stops, mut has_skipped, mut error) = (false, false, None);
        for (offset, byte) in seq.iter().enumerate() {
            match CODES[usize::from(*byte)] {
                SKIPPED => has_skipped = true,
                UNKNOWN => {
                    error = Some(NumberingError::NotAminoAcids { offset: offset + 1 });
                    break;
                }
                _ if self.codes.len() - start == MAX_RESIDUES => {
                    error = Some(NumberingError::TooLong);
                    break;
                }
                code => {
                    has_stops |= code == STOP;
                    self.codes.push(code);
                    match u32::try_from(offset) {
                        Ok(offset) => self.offsets.push(offset),
                        Err(_) => error = Some(NumberingError::TooLong),
                    }
                }
            }
        }
        if error.is_some() {
            self.codes.truncate(start);
        }
        if error.is_some() || !has_skipped {
            self.offsets.truncate(first_offset);
        }
        Read {
            codes: start..self.codes.len(),
            offsets: (has_skipped && error.is_none()).then_some(first_offset),
            has_stops,
            error,
        }
    }

    /// How many sequences there are.
    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    /// How many codes there are.
    pub(crate) fn residues(&self) -> usize {
        self.codes.len()
    }

    /// A sequence's codes.
    pub(crate) fn codes(&self, sequence: usize) -> &[u8] {
        &self.codes[self.reads[sequence].codes.clone()]
    }

    /// Why a sequence could not be read.
    pub(crate) fn error(&self, sequence: usize) -> Option<&NumberingError> {
        self.reads[sequence].error.as_ref()
    }

    pub(crate) fn has_stops(&self, sequence: usize) -> bool {
        self.reads[sequence].has_stops
    }

    /// The 0-based offset of a code in its sequence.
    pub(crate) fn offset(&self, sequence: usize, index: u32) -> u32 {
        match self.reads[sequence].offsets {
            Some(first) => self
                .offsets
                .get(first + index as usize)
                .copied()
                .unwrap_or(index),
            None => index,
        }
    }
}
