//! Any bytes as a file of the format `pdb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("pdb", bytes));
