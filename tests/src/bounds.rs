//! What every reader of files keeps to, whatever bytes it is given. The seeded runs of `e2e/damage.rs` and the fuzzing package
//! `tests/fuzz` share these checks.
//!
//! All bounds are counts, so that they hold or break alike on every machine: memory is the size of what a batch holds, time the
//! number of batches, and both grow no faster than the text.

use std::io::{Cursor, Read as _};

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::Int64Type;
use engine::formats::{Companion, Format, ReadOptions, Reject, decompress};

/// Larger texts (a few bytes may hold much, compressed) are not read.
const MOST_TEXT: u64 = 8 << 20;
/// What a batch may hold for each byte of text: the residues of a structure, each with number, parent and coordinates, come from
/// as little as four bytes.
const BYTES_A_BYTE: usize = 64;
/// What it may hold for each row, full or empty: some sixty columns, and what the head of a file says of each of its rows.
const BYTES_A_ROW: usize = 4 << 10;
/// Models of a structure share sequences that stand in the text once; readers stop at a million residues.
const MODELS: usize = 128 << 20;

/// What reading came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Rows of the table that the format feeds.
    pub rows: usize,
    /// Records that could not be read.
    pub rejects: usize,
    /// Batches.
    pub batches: usize,
    /// Bytes of all values.
    pub bytes: usize,
}

/// Reads `bytes` as a file of this format, with `columns` mapped and `companion` beside it if the format looks for one, and checks
/// what comes. `None` where the file is refused whole.
///
/// # Panics
/// A bound that does not hold.
pub fn read(
    format: &dyn Format,
    bytes: &[u8],
    companion: &[u8],
    columns: &[(&str, &str)],
) -> Option<Seen> {
    let names = format.companions("filtered_contig_annotations.csv");
    let beside = match names.is_empty() {
        true => 0,
        false => plain_length(companion)?,
    };
    let text = plain_length(bytes)? + beside;
    let options = ReadOptions {
        columns: columns
            .iter()
            .map(|(column, field)| ((*column).into(), (*field).into()))
            .collect(),
        ..ReadOptions::default()
    };
    let input = |bytes: &[u8]| decompress(Box::new(Cursor::new(bytes.to_vec()))).ok();
    let companion = match names.into_iter().next() {
        Some(name) => Some(Companion {
            name,
            input: input(companion)?,
        }),
        None => None,
    };
    let mut records = format
        .open_with(input(bytes)?, companion, "bytes", &options)
        .ok()?;
    let is_structure = matches!(format.name(), "pdb" | "mmcif");
    let mut seen = Seen::default();
    // The bytes come from memory: a reader that fails here fails over what they say, which must be a reject.
    while let Some(batch) = records
        .next_batch()
        .expect("readers reject what they cannot read")
    {
        seen.batches += 1;
        seen.rows += batch.records.num_rows();
        seen.rejects += batch.rejects.len();
        assert!(
            seen.batches <= text + 2,
            "{seen:?} of {text} bytes: there is no end"
        );
        assert!(seen.rows <= 2 * text, "{seen:?} of {text} bytes");
        assert!(seen.rejects <= text + 2, "{seen:?} of {text} bytes");
        check_rows(&batch.records);
        batch.rejects.iter().for_each(check_reject);
        let beside = batch.beside.iter().map(|beside| &beside.rows);
        let tables: Vec<&RecordBatch> = beside.chain([&batch.records]).collect();
        let held: usize = tables.iter().map(|rows| size(rows)).sum();
        let rows: usize = tables.iter().map(|rows| rows.num_rows()).sum();
        let shared = if is_structure { MODELS } else { 0 };
        let most = BYTES_A_BYTE * text + BYTES_A_ROW * (rows + 1) + shared;
        assert!(
            held <= most,
            "a batch of {rows} rows holds {held} bytes, of a text of {text}"
        );
        seen.bytes += held;
    }
    Some(seen)
}

/// The length of the text; `None` where it is too long.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let mut text = Vec::new();
    let input = decompress(Box::new(Cursor::new(bytes.to_vec()))).ok()?;
    // What is cut off or damaged has a length all the same.
    let _ = input.take(MOST_TEXT + 1).read_to_end(&mut text);
    (text.len() as u64 <= MOST_TEXT).then_some(text.len())
}

fn check_rows(rows: &RecordBatch) {
    let numbers = rows
        .column_by_name("source_record")
        .expect("every row says its record");
    let numbers = arrow::array::AsArray::as_primitive::<Int64Type>(numbers);
    assert!(
        numbers
            .iter()
            .all(|number| number.is_some_and(|number| number > 0))
    );
}

fn check_reject(reject: &Reject) {
    assert!(!reject.reason.is_empty());
    assert!(reject.text.chars().count() <= Reject::TEXT_LIMIT);
    assert!(reject.record.is_none_or(|record| record > 0));
}

/// Bytes of the values, without what builders keep in reserve.
fn size(rows: &RecordBatch) -> usize {
    let of = |column: &arrow::array::ArrayRef| column.to_data().get_slice_memory_size();
    rows.columns()
        .iter()
        .map(|column| of(column).unwrap_or(usize::MAX))
        .sum()
}
