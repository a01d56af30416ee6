//! Any bytes as a file of the format `oas`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("oas", bytes));
