//! Any bytes as a file of the format `sabdab`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("sabdab", bytes));
