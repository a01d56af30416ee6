//! What the targets have in common: they check the bounds that the seeded tests check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed check is a finding

#[path = "../../src/bounds.rs"]
mod bounds;

/// Reads `bytes` as a file of the format, and checks what comes.
pub fn read(format: &str, bytes: &[u8]) {
    let format = engine::formats::by_name(format).expect("a format");
    // A mapping that fits the columns of tables that arise by chance.
    for columns in [&[][..], &[("a", "name"), ("b", "chains")]] {
        bounds::read(format, bytes, bytes, columns);
    }
}
