//! Protein language models: tokens in, matrix out. Pure: no Arrow, no SQL, no I/O of its own.
//!
//! So far the crate knows how sequences become tokens; forward passes stand on candle, which is
//! among its dependencies already because it decides features of crates that Arrow shares.

pub mod vocabulary;

pub use vocabulary::Vocabulary;
