//! Any bytes as a file of the format `airr-repertoire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("airr-repertoire", bytes));
