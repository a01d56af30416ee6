//! The analysts' queries of `sql/examples`, embedded: `quickstart` runs some, the tests run all.

/// One query with its header: `-- title: …`, then lines that explain it.
pub struct Example {
    /// Name of its file, without extension.
    pub name: &'static str,
    /// The whole file.
    pub sql: &'static str,
}

macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        &[$(Example {
            name: $name,
            sql: include_str!(concat!("../../../sql/examples/", $name, ".sql")),
        }),*]
    };
}

/// What `quickstart` runs, in this order.
pub const QUICKSTART: &[Example] = examples![
    "chains_by_study",
    "cdr3_length_histogram",
    "gene_usage",
    "clone_sizes",
    "liabilities_of_therapeutics",
    "closest_therapeutic",
    "number_trastuzumab",
];

impl Example {
    /// What it answers, in a few words.
    pub fn title(&self) -> &str {
        self.comments()
            .find_map(|line| line.strip_prefix("title:"))
            .map_or(self.name, str::trim)
    }

    /// Why one asks, and how to read the answer.
    pub fn explanation(&self) -> String {
        let lines: Vec<_> = self
            .comments()
            .filter(|line| !line.starts_with("title:"))
            .collect();
        lines.join("\n")
    }

    /// The query without its header.
    pub fn statement(&self) -> String {
        let lines: Vec<_> = self
            .sql
            .lines()
            .skip_while(|line| line.starts_with("--"))
            .collect();
        lines.join("\n").trim().to_string()
    }

    /// Lines of the header, without their `--`.
    fn comments(&self) -> impl Iterator<Item = &str> {
        self.sql
            .lines()
            .map_while(|line| line.strip_prefix("--"))
            .map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn every_example_that_quickstart_runs_has_title_explanation_and_statement() {
        for example in QUICKSTART {
            assert_ne!(example.title(), example.name, "no `-- title:`");
            assert!(!example.explanation().is_empty(), "{}", example.name);
            assert!(!example.statement().is_empty(), "{}", example.name);
        }
    }

    #[test]
    fn every_file_of_the_folder_has_a_title() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/examples");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let sql = std::fs::read_to_string(&path).unwrap();
            assert!(sql.starts_with("-- title: "), "{}", path.display());
        }
    }
}
