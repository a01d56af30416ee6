//! What cannot be read in an entry: the first lines one by one, the others by their number.

/// Lines that are kept.
const KEPT: usize = 100;
/// Bytes of a line that are kept.
const TEXT: usize = 256;

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong and where.
    pub(super) reason: String,
    /// The line, cut.
    pub(super) text: String,
}

/// Faults of an entry.
#[derive(Debug, Default)]
pub(super) struct Faults {
    kept: Vec<Fault>,
    more: u64,
}

impl Faults {
    /// Adds one.
    pub(super) fn add(&mut self, line: u64, why: &str, text: &str) {
        if self.kept.len() < KEPT {
            let text = text.chars().take(TEXT).collect();
            self.kept.push(Fault {
                reason: format!("line {line}: {why}"),
                text,
            });
        } else {
            self.more += 1;
        }
    }

    /// All; one that counts the rest is the last.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        if self.more > 0 {
            let reason = format!("{} more lines cannot be read", self.more);
            self.kept.push(Fault {
                reason,
                text: String::new(),
            });
        }
        self.kept
    }
}
