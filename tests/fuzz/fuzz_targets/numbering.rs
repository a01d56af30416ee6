//! Any bytes, cut at zeros into a batch of sequences, numbered.
#![no_main]

#[path = "../../../udfs/antibody/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let seqs: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    checks::check(&seqs);
});
