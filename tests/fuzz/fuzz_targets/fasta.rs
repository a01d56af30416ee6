//! Any bytes as a file of the format `fasta`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("fasta", bytes));
