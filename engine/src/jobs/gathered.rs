//! New files of a source, gathered up to the size of a chunk.

use super::cursor::Cursor;
use crate::tables::maintenance::ChangeFile;

/// Files that are read together, and where that leads.
#[derive(Debug)]
pub struct Gained {
    pub(super) files: Vec<ChangeFile>,
    /// Rows, as far as the log tells.
    pub rows: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// First and last version that gave files.
    pub versions: Option<(u64, u64)>,
    /// The cursor behind them.
    pub after: Cursor,
}

/// A new file, with what the log says of its rows.
pub(super) struct NewFile {
    /// Path as the log has it, by which files are ordered.
    pub(super) path: String,
    pub(super) file: ChangeFile,
    pub(super) rows: u64,
}

impl Gained {
    /// Whether it has no rows: the commits gave no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Files taken so far.
pub(super) struct Gathered {
    pub(super) files: Vec<ChangeFile>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    most: u64,
    pub(super) versions: Option<(u64, u64)>,
}

impl Gathered {
    pub(super) fn new(most: u64) -> Self {
        Self {
            files: Vec::new(),
            rows: 0,
            bytes: 0,
            most,
            versions: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.most
    }

    pub(super) fn take(&mut self, version: u64, file: NewFile) {
        self.bytes += file.file.meta.size;
        self.rows += file.rows;
        let (from, _) = self.versions.unwrap_or((version, version));
        self.versions = Some((from, version));
        self.files.push(file.file);
    }
}
