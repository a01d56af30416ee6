//! The formats of output, and which one is meant where none is named.

use std::fmt;
use std::io::IsTerminal as _;
use std::path::Path;

use clap::ValueEnum;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people; long results and wide cells are cut
    Table,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a header; lists and structs as JSON
    Csv,
    /// Apache Parquet, Zstd-compressed
    Parquet,
    /// Arrow IPC stream
    Arrow,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => Ok(()),
        }
    }
}

impl Format {
    /// What is written to `output` (a file; stdout where it is `None`) unless somebody says
    /// otherwise: by the file's extension, a table on a terminal, CSV into a pipe.
    pub fn default_for(output: Option<&Path>) -> Self {
        match output {
            Some(path) => Self::of_extension(path).unwrap_or(Self::Csv),
            None if std::io::stdout().is_terminal() => Self::Table,
            None => Self::Csv,
        }
    }

    /// Whether a terminal cannot show it.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    fn of_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "arrow" | "arrows" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_extension_says_its_format_and_any_other_is_csv() {
        let format = |name: &str| Format::default_for(Some(Path::new(name)));
        assert_eq!(format("out/x.Parquet"), Format::Parquet);
        assert_eq!(format("x.jsonl"), Format::Ndjson);
        assert_eq!(format("x"), Format::Csv);
        assert_eq!(format("x.tsv"), Format::Csv);
    }
}
