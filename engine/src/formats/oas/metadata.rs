//! The first line of a data unit: what the sequences were taken from.

use arrow::array::RecordBatch;
use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::formats::airr_repertoire::Repertoire;
use crate::formats::columns::stable_id;
use crate::formats::csv::split;
use crate::ingest::annotate::species;

/// Metadata of a data unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metadata {
    fields: Vec<(String, String)>,
    repertoire_id: String,
}

impl Metadata {
    /// Reads the line: a JSON object, in CSV quotes or bare.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let json: Map<String, Json> = serde_json::from_str(line).ok().or_else(|| {
            let (mut scratch, mut ends) = (String::new(), Vec::new());
            let mut cells = split(line, b',', &mut scratch, &mut ends).ok()?;
            serde_json::from_str(cells.next()?).ok()
        })?;
        let fields: Vec<(String, String)> = json
            .into_iter()
            .filter_map(|(key, value)| match value {
                Json::Null => None,
                Json::String(text) if text.is_empty() => None,
                Json::String(text) => Some((key, text)),
                other => Some((key, other.to_string())),
            })
            .collect();
        let mut metadata = Self {
            fields,
            repertoire_id: String::new(),
        };
        // A run has a data unit for each chain and isotype.
        let parts: Vec<&str> = ["Run", "Chain", "Isotype"]
            .into_iter()
            .filter_map(|key| metadata.get(key))
            .collect();
        metadata.repertoire_id = match metadata.get("Run") {
            Some(_) => parts.join("_"),
            None => stable_id(0, line.as_bytes()),
        };
        Some(metadata)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// A field that says `no` where there is nothing to say.
    fn said(&self, key: &str) -> Option<&str> {
        self.get(key)
            .filter(|value| !value.eq_ignore_ascii_case("no"))
    }

    pub(super) fn repertoire_id(&self) -> &str {
        &self.repertoire_id
    }

    pub(super) fn species(&self) -> Option<&str> {
        self.get("Species")
    }

    pub(super) fn study(&self) -> Option<&str> {
        self.get("Author")
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.said("Subject")
    }

    pub(super) fn run(&self) -> Option<&str> {
        self.get("Run")
    }

    /// The chain of all rows.
    pub(super) fn chain(&self) -> Option<&'static str> {
        match self.get("Chain")?.to_ascii_lowercase().as_str() {
            "heavy" => Some("heavy"),
            "light" => Some("light"),
            _ => None,
        }
    }

    /// The row for `repertoires`.
    pub(super) fn repertoire(&self, is_paired: bool) -> Result<RecordBatch> {
        let species = self.species();
        let repertoire = Repertoire {
            repertoire_id: Some(self.repertoire_id.clone()),
            study_id: self.study().map(str::to_string),
            subject_id: self.subject().map(str::to_string),
            sample_id: self.run().map(str::to_string),
            species: species.map(|words| species::of(words).to_string()),
            strain: species.and_then(species::strain).map(str::to_string),
            age: self.said("Age").map(str::to_string),
            disease: self.get("Disease").map(str::to_string),
            vaccine: self.get("Vaccine").map(str::to_string),
            tissue: self.get("BSource").map(str::to_string),
            cell_subset: self.get("BType").map(str::to_string),
            timepoint: self.said("Longitudinal").map(str::to_string),
            library_type: Some(if is_paired { "single_cell" } else { "bulk" }.to_string()),
            attributes: self.fields.clone(),
            ..Repertoire::default()
        };
        Repertoire::batch(std::iter::once((1, &repertoire)))
    }
}
