//! From source records to rows of `chains` and `proteins`: V domains are read, what the source says is set beside them.
//!
//! Pure: no I/O, no clock, no state. The same batch gives the same rows on any thread.
//!
//! | question | rule |
//! |---|---|
//! | how many rows | one for each V domain (`domain_index` 1…n); a chain without one is a row too |
//! | `chain` | the V domain; else `locus`, `v_call`, `c_call`, the source's chain; `chain_source` says which |
//! | `locus` | the source's, unless it names another chain than the V domain: then the V domain's |
//! | contradictions | `attributes['contradiction']`, counted in [`Annotated::contradictions`] |
//! | columns of the source | untouched; ours fill what it leaves empty. `cdr1_aa`, `cdr2_aa`, `cdr3_aa` are ours first |
//! | `species` | the source's words, else the context's, in the closed vocabulary |
//! | study, subject, sample, repertoire | the context's (the user said so), else the source's |

mod chains;
mod complete;
pub mod genes;
mod pairs;
mod proteins;
mod reading;
mod source;
pub mod species;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};

use self::source::Source;
use crate::error::Result;
use crate::formats::{Molecules, Reject};
use crate::tables::definitions::definition;

pub use self::complete::complete;

/// What holds for all records of an input.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// URL of the input.
    pub source_file: String,
    /// The study, where the user names one.
    pub study_id: Option<String>,
    /// The subject, where the user names one.
    pub subject_id: Option<String>,
    /// The sample, where the user names one.
    pub sample_id: Option<String>,
    /// The repertoire, where the user names one.
    pub repertoire_id: Option<String>,
    /// The species where the source gives none, in any words that [`species::known`] knows.
    pub species: Option<String>,
    /// When, in microseconds since 1970 (UTC).
    pub ingested_at: i64,
}

/// Rows for the lake, in the schemas of its tables.
#[derive(Debug)]
pub struct Annotated {
    /// Rows of `main.chains`.
    pub chains: RecordBatch,
    /// Rows of `main.proteins`.
    pub proteins: RecordBatch,
    /// Records whose source contradicts their sequence.
    pub contradictions: u64,
}

/// Annotates chain records.
///
/// # Errors
/// Only a defect: whatever a record holds, it is a row.
pub fn annotate(
    records: &RecordBatch,
    molecules: Molecules,
    context: &Context,
) -> Result<Annotated> {
    let source = Source::new(records, molecules);
    let readings = reading::read_all(&source);
    let mut plan = chains::Plan::default();
    let mut others: Vec<u32> = Vec::new();
    for (row, reading) in readings.iter().enumerate() {
        if reading.domains.is_empty() && !source.is_chain(row) {
            others.push(row as u32);
        } else {
            plan.add(row as u32, reading.domains.len());
        }
    }
    let (chains, contradictions) = chains::build(&source, &readings, &plan, context)?;
    Ok(Annotated {
        chains,
        proteins: proteins::build(&source, &UInt32Array::from(others), context)?,
        contradictions,
    })
}

/// Rows of `system.rejects`.
///
/// # Errors
/// Only a defect.
pub fn rejects(rejects: &[Reject], context: &Context) -> Result<RecordBatch> {
    let count = rejects.len();
    let records: Int64Array = rejects.iter().map(|reject| reject.record).collect();
    let reasons = StringArray::from_iter_values(rejects.iter().map(|reject| &reject.reason));
    let texts = StringArray::from_iter_values(rejects.iter().map(|reject| &reject.text));
    let columns: Vec<ArrayRef> = vec![
        constant(&context.source_file, count),
        Arc::new(records),
        Arc::new(reasons),
        Arc::new(texts),
        timestamp(context.ingested_at, count),
    ];
    let schema = definition("system.rejects")?.arrow_schema();
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The same text in every row.
fn constant(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        text, rows,
    )))
}

/// The same time in every row.
fn timestamp(micros: i64, rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_value(micros, rows).with_timezone("UTC"))
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
