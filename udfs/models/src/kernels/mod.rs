//! Arithmetic that is chosen at run time by what the processor can do.
//!
//! `level`, `tile` and `interleave` are the files of this crate with `unsafe`: the first calls code that was compiled for more instructions,
//! the others load and store vectors. Everything else is safe Rust that the compiler turns into vectors.

pub(crate) mod interleave;
mod level;
pub(crate) mod normalise;
pub(crate) mod pack;
pub(crate) mod real;
mod tile;

pub(crate) use level::{Level, Work};
pub(crate) use tile::{COLUMNS, ColumnWords, Multiplier, ROWS, RowWords, Tile};

use crate::Precision;

/// Whether this processor has the instructions of a precision.
pub(crate) fn available(precision: Precision) -> bool {
    Level::detect().has(precision)
}
