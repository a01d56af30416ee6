//! Any bytes as a file of the format `10x`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("10x", bytes));
