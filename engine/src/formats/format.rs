//! What every file format offers the engine, whatever it reads.

use std::io::BufRead;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Beside, Target};
use crate::error::Result;

/// Whether sequences are nucleotides or amino acids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alphabet {
    /// Decided once for each file, from its first records.
    #[default]
    Auto,
    /// DNA or RNA, translated where a V domain is found.
    Nucleotide,
    /// Protein.
    AminoAcid,
}

/// How a caller wants a file read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// What the letters mean.
    pub alphabet: Alphabet,
    /// Most records in a batch.
    pub batch_records: usize,
    /// A batch ends once its text passes this many bytes, so that long records stay bounded in memory.
    pub batch_bytes: usize,
    /// A longer record is rejected, with its place, and the file goes on.
    pub max_record_bytes: usize,
    /// Columns of a table and the fields that they feed, where their names do not tell.
    pub columns: Vec<(String, String)>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            alphabet: Alphabet::Auto,
            batch_records: 2_048,
            batch_bytes: 4 << 20,
            max_record_bytes: 16 << 20,
            columns: Vec::new(),
        }
    }
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Record within the input, from 1; `None` where the file as a whole is meant.
    pub record: Option<i64>,
    /// What is wrong and where.
    pub reason: String,
    /// The record as it was, lossily decoded, cut to [`Reject::TEXT_LIMIT`] characters.
    pub text: String,
}

impl Reject {
    /// Most characters of a rejected record that are kept.
    pub const TEXT_LIMIT: usize = 4_096;
}

impl Reject {
    /// A rejected record with what is known of its text.
    pub fn new(record: Option<i64>, reason: impl Into<String>, text: &[u8]) -> Self {
        // Four bytes hold any character: no need to decode what is cut off anyway.
        let head = &text[..text.len().min(Self::TEXT_LIMIT * 4)];
        Self {
            record,
            reason: reason.into(),
            text: String::from_utf8_lossy(head)
                .chars()
                .take(Self::TEXT_LIMIT)
                .collect(),
        }
    }
}

/// What the records of an input are where their sequence does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Molecules {
    /// Chains of antibodies or T cell receptors, whether or not a V domain can be read (AIRR, OAS).
    Chains,
    /// Any protein (FASTA): one without a V domain and without a word of a chain is no chain.
    Any,
}

/// Records of one input, in order.
#[derive(Debug)]
pub struct SourceBatch {
    /// Records of the table that the format feeds, with columns as [`Records::schema`] says; `source_record` is always
    /// among them.
    pub records: RecordBatch,
    /// What a chain record is where its sequence does not tell.
    pub molecules: Molecules,
    /// Rows of other tables that these records, or the head of the file, give.
    pub beside: Vec<Beside>,
    /// Records consumed for this batch, rejects included.
    pub consumed: u64,
    /// Records that could not be read.
    pub rejects: Vec<Reject>,
}

/// A file format.
pub trait Format: Send + Sync + std::fmt::Debug {
    /// The name users give it, lower case.
    fn name(&self) -> &'static str;

    /// Raised whenever the same bytes would yield other rows: it is part of an input's identity.
    fn version(&self) -> u32;

    /// The table whose rows [`SourceBatch::records`] are.
    fn feeds(&self) -> Target {
        Target::Chains
    }

    /// Other tables that its rows may go to, beside `chains` and `system.rejects`, which know every input.
    fn targets(&self) -> &'static [Target] {
        &[Target::Proteins]
    }

    /// The columns of every file of this format: what [`Records::schema`] will say.
    ///
    /// # Errors
    /// A defect in the table definitions.
    fn schema(&self) -> Result<SchemaRef>;

    /// How sure the format is that `head` (the first decompressed bytes) is its own, 0 to 100.
    /// Content decides; `file_name` breaks ties.
    fn detect(&self, head: &[u8], file_name: &str) -> u8;

    /// Names of files that may lie beside `file_name` and are read with it (the sequences of annotated contigs), the likeliest
    /// first. One that is missing changes what the rows hold, and not whether they can be read.
    fn companions(&self, _file_name: &str) -> Vec<String> {
        Vec::new()
    }

    /// Starts reading. `input` is what [`decompress`](super::decompress) returns: plain text without a
    /// byte order mark.
    ///
    /// # Errors
    /// Where the file as a whole cannot be read (no header, missing columns), and where its source fails.
    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>>;

    /// As [`open`](Self::open), with the file beside it that [`companions`](Self::companions) names, where it is there.
    ///
    /// # Errors
    /// As `open`, for either file.
    fn open_with(
        &self,
        input: Box<dyn BufRead + Send>,
        _companion: Option<Companion>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        self.open(input, source_file, options)
    }
}

/// A file that is read with another.
pub struct Companion {
    /// Its name, for messages.
    pub name: String,
    /// Its text, as [`decompress`](super::decompress) returns it.
    pub input: Box<dyn BufRead + Send>,
}

/// A file being read.
pub trait Records: Send {
    /// Columns of the batches: `source_record` (Int64, not NULL) and columns of the table that the
    /// format feeds. Fixed for the whole file.
    fn schema(&self) -> SchemaRef;

    /// Next batch, perhaps without records; `None` at the end. A compressed stream that is cut off or damaged is no error: the records
    /// before the cut come, and the last batch carries a reject that names the cut.
    ///
    /// # Errors
    /// Where the source of the bytes fails (a lost connection, say): what came before is sound, what follows unknown.
    fn next_batch(&mut self) -> Result<Option<SourceBatch>>;
}
