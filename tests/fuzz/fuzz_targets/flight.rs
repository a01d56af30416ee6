//! Any bytes as a ticket, a command or a message with rows.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::send(bytes));
