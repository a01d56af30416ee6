//! Bad input: the message names the place and the remedy, and everything else goes on.

mod files;
mod locations;
mod records;

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tests::binary::{Outcome, Paratope};
use tests::data::{Chain, chains};
use tests::formats::fasta;

/// A lake, and one good file that is ingested along with each bad one.
struct Bench {
    folder: TempDir,
    paratope: Paratope,
    good: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.fasta");
        std::fs::write(&good, fasta(&chains(77, "good", 3))).unwrap();
        let paratope = Paratope::on(folder.path().join("lake"));
        Self {
            folder,
            paratope,
            good,
        }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Ingests one file alone.
    fn ingest(&self, file: &std::path::Path) -> Outcome {
        self.paratope.run_verb("ingest", [file])
    }

    /// A file that cannot be read at all: alone it fails; beside a good one the good one goes in.
    #[track_caller]
    fn assert_hopeless(&self, file: &std::path::Path, message: &[&str]) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut parts = vec![name];
        parts.extend(message);
        self.ingest(file).expect_code(1).expect_message(&parts);
        assert_eq!(
            self.count("SELECT count(*) FROM chains"),
            0,
            "rows of {name}"
        );
        self.paratope
            .run_verb("ingest", [file, self.good.as_path()])
            .expect_code(3)
            .expect_message(&parts);
        assert_eq!(self.ids("good"), 3, "the good file went in with {name}");
    }

    fn count(&self, sql: &str) -> i64 {
        self.paratope.count(sql)
    }

    /// Rows of `chains` whose id starts so.
    fn ids(&self, prefix: &str) -> i64 {
        self.count(&format!(
            "SELECT count(*) FROM chains WHERE sequence_id LIKE '{prefix}-%' AND v_domain_aa IS NOT NULL"
        ))
    }

    /// `(source_record, reason, text)` of all rejects, by record.
    fn rejects(&self) -> Vec<(Option<i64>, String, String)> {
        self.paratope
            .query("SELECT source_record, reason, text FROM system.rejects ORDER BY source_record, reason")
            .into_iter()
            .map(|row| {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_string();
                (row["source_record"].as_i64(), text("reason"), text("text"))
            })
            .collect()
    }

    fn column(&self, sql: &str) -> Vec<Value> {
        let rows = self.paratope.query(sql);
        rows.into_iter()
            .flat_map(|row| row.into_iter().map(|(_, value)| value))
            .collect()
    }
}

fn set(prefix: &str, count: usize) -> Vec<Chain> {
    chains(31, prefix, count)
}
