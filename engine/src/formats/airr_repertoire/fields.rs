//! One repertoire of AIRR metadata: the fields with a column of their own, and all others by path.

use serde_json::{Map, Value as Json};

use super::Repertoire;
use crate::ingest::annotate::species;

/// Reads a repertoire. Of several samples, diagnoses or processings each different value is kept, joined by `; `.
pub(super) fn read(fields: &Map<String, Json>) -> Repertoire {
    let mut leaves = Vec::new();
    for (key, value) in fields {
        flatten(key.clone(), value, &mut leaves);
    }
    let mut reader = Reader {
        taken: vec![false; leaves.len()],
        leaves,
    };
    let words = reader
        .take("subject.species")
        .or_else(|| reader.take("subject.organism"));
    let single_cell = reader.take("sample.single_cell");
    let mut repertoire = Repertoire {
        repertoire_id: reader.take("repertoire_id"),
        study_id: reader.take("study.study_id"),
        subject_id: reader.take("subject.subject_id"),
        sample_id: reader.take("sample.sample_id"),
        species: words.as_deref().map(|words| species::of(words).to_string()),
        strain: reader.take("subject.strain_name"),
        age: reader.age(),
        sex: reader.take("subject.sex"),
        disease: reader.take("subject.diagnosis.disease_diagnosis"),
        vaccine: reader.take("subject.diagnosis.immunogen"),
        tissue: reader.take("sample.tissue"),
        cell_subset: reader.take("sample.cell_subset"),
        timepoint: reader.timepoint(),
        library_type: single_cell.and_then(|said| match said.as_str() {
            "true" => Some("single_cell".to_string()),
            "false" => Some("bulk".to_string()),
            _ => None,
        }),
        germline_database: reader.take("data_processing.germline_database"),
        attributes: Vec::new(),
    };
    // What the vocabulary does not hold stays to be read.
    if let Some(words) = words {
        repertoire
            .attributes
            .push(("species_reported".into(), words));
    }
    repertoire.attributes.extend(reader.rest());
    repertoire
}

/// A value with its path; items of lists share the list's path in `path`, and are numbered in `place`.
struct Leaf {
    path: String,
    place: String,
    value: String,
}

fn flatten(place: String, value: &Json, leaves: &mut Vec<Leaf>) {
    match value {
        Json::Object(fields) => {
            for (key, value) in fields {
                flatten(format!("{place}.{key}"), value, leaves);
            }
        }
        Json::Array(items) => {
            for (index, value) in (1..).zip(items) {
                flatten(format!("{place}.{index}"), value, leaves);
            }
        }
        Json::Null => {}
        Json::String(text) if text.trim().is_empty() => {}
        scalar => {
            let value = match scalar {
                Json::String(text) => text.trim().to_string(),
                other => other.to_string(),
            };
            let parts = place
                .split('.')
                .filter(|part| part.parse::<usize>().is_err());
            let path = parts.collect::<Vec<_>>().join(".");
            leaves.push(Leaf { path, place, value });
        }
    }
}

struct Reader {
    leaves: Vec<Leaf>,
    taken: Vec<bool>,
}

impl Reader {
    /// The values at a path, or the labels of ontology terms there (else their ids).
    fn take(&mut self, path: &str) -> Option<String> {
        let label = format!("{path}.label");
        let id = format!("{path}.id");
        [path, label.as_str(), id.as_str()]
            .into_iter()
            .find_map(|path| self.take_exactly(path))
    }

    fn take_exactly(&mut self, path: &str) -> Option<String> {
        let mut values: Vec<&str> = Vec::new();
        for (leaf, taken) in self.leaves.iter().zip(&mut self.taken) {
            if leaf.path == path {
                *taken = true;
                if !values.contains(&leaf.value.as_str()) {
                    values.push(&leaf.value);
                }
            }
        }
        (!values.is_empty()).then(|| values.join("; "))
    }

    /// `35 year`, `30-40 year`.
    fn age(&mut self) -> Option<String> {
        let (min, max) = (self.take("subject.age_min"), self.take("subject.age_max"));
        let unit = self.take("subject.age_unit");
        let years = match (min, max) {
            (Some(min), Some(max)) if min == max => min,
            (Some(min), Some(max)) => format!("{min}-{max}"),
            (Some(min), None) => format!(">={min}"),
            (None, Some(max)) => format!("<={max}"),
            (None, None) => return self.take("subject.age"),
        };
        Some(match unit {
            Some(unit) => format!("{years} {unit}"),
            None => years,
        })
    }

    /// `7 day after vaccination`.
    fn timepoint(&mut self) -> Option<String> {
        let parts: Vec<String> = [
            "sample.collection_time_point_relative",
            "sample.collection_time_point_relative_unit",
            "sample.collection_time_point_reference",
        ]
        .into_iter()
        .filter_map(|path| self.take(path))
        .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// All that was not taken.
    fn rest(self) -> impl Iterator<Item = (String, String)> {
        self.leaves
            .into_iter()
            .zip(self.taken)
            .filter(|(_, taken)| !taken)
            .map(|(leaf, _)| (leaf.place, leaf.value))
    }
}
