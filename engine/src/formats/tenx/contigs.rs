//! The contigs' sequences, which lie in a FASTA file of their own: held whole, looked up by `contig_id`.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, StringArray};

use crate::error::{Error, Result};
use crate::formats::{Alphabet, Companion, Fasta, Format, ReadOptions, Reject};

/// The most bytes of sequence that are held; the largest runs have some tens of megabytes.
const MOST_BYTES: usize = 2 << 30;

/// The sequences of one run.
pub(super) struct Contigs {
    file: String,
    sequences: HashMap<Box<str>, Box<str>>,
    rejects: Vec<Reject>,
}

impl Contigs {
    /// Reads a file to its end.
    ///
    /// # Errors
    /// A source that fails, more than can be held.
    pub(super) fn read(companion: Companion, options: &ReadOptions) -> Result<Self> {
        let Companion { name: file, input } = companion;
        let options = ReadOptions {
            alphabet: Alphabet::Nucleotide,
            ..options.clone()
        };
        let mut records = Fasta.open(input, &file, &options)?;
        let (mut sequences, mut rejects, mut bytes) = (HashMap::new(), Vec::new(), 0);
        while let Some(batch) = records.next_batch()? {
            let texts = |name: &str| -> Option<&StringArray> {
                batch.records.column_by_name(name)?.as_string_opt::<i32>()
            };
            let (Some(ids), Some(found)) = (texts("sequence_id"), texts("sequence")) else {
                return Err(Error::Internal("a FASTA batch without its columns".into()));
            };
            rejects.extend(batch.rejects.into_iter().map(|reject| of(&file, reject)));
            for row in (0..ids.len()).filter(|row| !found.is_null(*row)) {
                let (id, sequence) = (ids.value(row), found.value(row));
                bytes += id.len() + sequence.len();
                if bytes > MOST_BYTES {
                    return Err(Error::Invalid(format!(
                        "{file}: more than {MOST_BYTES} bytes of contigs, which are held in memory: split the run"
                    )));
                }
                let earlier = sequences.insert(id.into(), sequence.into());
                if earlier.is_some_and(|earlier: Box<str>| *earlier != *sequence) {
                    let reason =
                        format!("{file}: contig {id} stands twice with different sequences");
                    rejects.push(Reject::new(None, reason, sequence.as_bytes()));
                }
            }
        }
        Ok(Self {
            file,
            sequences,
            rejects,
        })
    }

    /// The sequence of a contig. `length` is what the annotations say of it, bases.
    pub(super) fn sequence(&self, id: &str, length: Option<&str>) -> Result<Option<&str>, String> {
        let Some(sequence) = self.sequences.get(id) else {
            return Ok(None);
        };
        match length.and_then(|length| length.parse::<usize>().ok()) {
            Some(length) if length != sequence.len() => Err(format!(
                "contig {id} has {length} bases here and {} in {}: the two files are not of one run, put those of one side \
                 by side",
                sequence.len(),
                self.file
            )),
            _ => Ok(Some(sequence)),
        }
    }

    /// What was wrong with the file, once.
    pub(super) fn rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejects)
    }
}

/// A reject of the other file: its record numbers are not those of the table.
fn of(file: &str, reject: Reject) -> Reject {
    Reject {
        record: None,
        reason: format!("{file}: {}", reject.reason),
        ..reject
    }
}
