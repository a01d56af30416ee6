//! What became of each input.

use serde::Serialize;

use super::identity::Identified;
use crate::error::Error;

/// The outcome of an ingest.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// One entry an input.
    pub inputs: Vec<InputSummary>,
    /// Wall time, seconds.
    pub elapsed_s: f64,
}

impl Summary {
    /// Inputs with this status.
    pub fn count(&self, status: Status) -> usize {
        self.inputs
            .iter()
            .filter(|input| input.status == status)
            .count()
    }

    /// Records rejected in all.
    pub fn rejects(&self) -> u64 {
        self.inputs.iter().map(|input| input.rejects).sum()
    }
}

/// How an input ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its rows are in the lake now.
    Ingested,
    /// Its rows were in the lake before.
    AlreadyIngested,
    /// It was read together with the input that `read_with` names, and is no input of its own.
    Companion,
    /// Nothing of it is in the lake; `error` says why.
    Failed,
}

/// The outcome of one input.
#[derive(Debug, Clone, Serialize)]
pub struct InputSummary {
    /// URL of the input, or what the caller wrote where it could not be found.
    pub source_file: String,
    /// Format by which it was read.
    pub format: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// The file name of the input that it belongs to.
    pub read_with: Option<String>,
    /// Records read.
    pub records: u64,
    /// Rows of `chains`.
    pub chains: u64,
    /// Rows of `proteins`.
    pub proteins: u64,
    /// Rows of `protein_chains`.
    pub protein_chains: u64,
    /// Rows of `repertoires`.
    pub repertoires: u64,
    /// Rows of `structures`.
    pub structures: u64,
    /// Rows of `fvs`.
    pub fvs: u64,
    /// Records rejected (`system.rejects`).
    pub rejects: u64,
    /// Records whose source contradicts their sequence (`attributes['contradiction']`).
    pub contradictions: u64,
}

impl InputSummary {
    pub(super) fn new(input: &Identified, status: Status) -> Self {
        Self {
            source_file: input.input.url.clone(),
            format: Some(input.format.name().to_string()),
            status,
            error: None,
            read_with: None,
            records: 0,
            chains: 0,
            proteins: 0,
            protein_chains: 0,
            repertoires: 0,
            structures: 0,
            fvs: 0,
            rejects: 0,
            contradictions: 0,
        }
    }

    pub(super) fn already(input: &Identified) -> Self {
        Self::new(input, Status::AlreadyIngested)
    }

    pub(super) fn companion(source_file: &str, owner: &str) -> Self {
        Self {
            format: None,
            status: Status::Companion,
            error: None,
            read_with: Some(owner.to_string()),
            ..Self::failed(source_file, &Error::Internal(String::new()))
        }
    }

    pub(super) fn failed(source_file: &str, error: &Error) -> Self {
        Self {
            source_file: source_file.to_string(),
            format: None,
            status: Status::Failed,
            error: Some(error.to_string()),
            read_with: None,
            records: 0,
            chains: 0,
            proteins: 0,
            protein_chains: 0,
            repertoires: 0,
            structures: 0,
            fvs: 0,
            rejects: 0,
            contradictions: 0,
        }
    }
}
