//! What a job is: one SQL file, whose header says when it runs and what becomes of its rows.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::header;
use super::schedule::Schedule;
use crate::catalog::Name;
use crate::error::{Error, Result};

/// Source bytes of one chunk, where the header does not say.
pub const CHUNK_BYTES: u64 = 256_000_000;
/// Longest run, where the header does not say.
pub const TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// Attempts after transient failures, where the header does not say.
pub const RETRIES: u32 = 3;

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it is for: comments of the header that are no settings.
    pub description: String,
    /// When it runs by itself; only by hand or after others without.
    pub schedule: Option<Schedule>,
    /// Where its rows go; statements that write by themselves have none.
    pub target: Option<Name>,
    /// What becomes of the rows.
    pub mode: Mode,
    /// Columns by which a result is known: what the target holds is not computed again.
    pub key: Vec<String>,
    /// Partition columns of a target that the job creates.
    pub partition: Vec<String>,
    /// Source bytes of one chunk.
    pub chunk_bytes: u64,
    /// Longest run.
    pub timeout: Duration,
    /// Attempts after transient failures.
    pub retries: u32,
    /// Jobs after whose success it runs.
    pub after: Vec<String>,
    /// Longest delay of a scheduled start, so that many jobs of one time spread.
    pub jitter: Duration,
    /// What becomes of moments at which no scheduler ran.
    pub missed: Missed,
    /// Whether rows that go from the source leave their results in the target.
    pub keeps_deleted: bool,
    /// The statement, or statements.
    pub sql: String,
    /// Line of the file at which the statement begins, from 1.
    pub sql_line: usize,
    /// The file as it was written.
    pub text: String,
}

/// What becomes of a job's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// It has none: its statements write by themselves.
    Statement,
    /// Rows of what a table gained are added, exactly once.
    Incremental(Name),
    /// The query's rows are added at each run.
    Append,
    /// They take the place of all rows of the target.
    Replace,
    /// They take the place of the partitions that they lie in.
    ReplacePartition,
    /// They take the place of rows with the same key; others are added.
    Merge(Vec<String>),
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Statement => f.write_str("statement"),
            Self::Incremental(source) => write!(f, "incremental on {}", short(source)),
            Self::Append => f.write_str("append"),
            Self::Replace => f.write_str("replace"),
            Self::ReplacePartition => f.write_str("replace partition"),
            Self::Merge(key) => write!(f, "merge on {}", key.join(", ")),
        }
    }
}

/// A table's name as people write it: `main` goes without saying.
pub fn short(name: &Name) -> String {
    match name.schema_name == crate::catalog::DEFAULT_SCHEMA {
        true => name.name.clone(),
        false => name.to_string(),
    }
}

/// What becomes of moments at which no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// One run stands for all of them.
    Once,
    /// They are over.
    Skip,
    /// Each is made up for.
    All,
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Skip => "skip",
            Self::All => "all",
        })
    }
}

/// What is wrong with a job, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line of its file, from 1; 0 where no line is to blame.
    pub line: usize,
    /// What, and what to do.
    pub message: String,
}

impl Fault {
    /// A fault of a line.
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

impl Job {
    /// Reads a job. `name` is what it is called where the header does not say.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str, name: Option<&str>) -> Result<Self, Vec<Fault>> {
        header::parse(text, name)
    }

    /// The same, with all that is wrong in one message that names `place`.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn read(text: &str, name: Option<&str>, place: &str) -> Result<Self> {
        Self::parse(text, name).map_err(|faults| together(place, &faults))
    }

    /// SHA-256 (hex) of the job as it was written.
    pub fn hash(&self) -> String {
        Sha256::digest(&self.text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The table whose new rows it reads.
    pub fn source(&self) -> Option<&Name> {
        match &self.mode {
            Mode::Incremental(source) => Some(source),
            _ => None,
        }
    }
}

/// Faults as one error.
pub fn together(place: &str, faults: &[Fault]) -> Error {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| match fault.line {
            0 => format!("{place}: {}", fault.message),
            line => format!("{place}, line {line}: {}", fault.message),
        })
        .collect();
    Error::Invalid(lines.join("\n"))
}
