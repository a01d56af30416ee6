//! Any bytes as a file of the format `mmcif`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read("mmcif", bytes));
