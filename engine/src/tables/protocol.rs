//! The protocol that a table's columns and properties need.
//!
//! Delta's protocol grew in versions first and in named features later. A table stays with versions
//! as long as they do, as older readers know nothing else; where it needs a feature that no version
//! has, every feature that its versions stood for is listed by name.

use std::collections::HashMap;

use deltalake::kernel::{Protocol, StructType};
use serde::{Deserialize, Serialize};

use super::columns::has_timestamp_ntz;
use super::properties::{APPEND_ONLY, CHANGE_DATA_FEED, is_true};
use crate::error::{Error, Result};

/// Versions from which features are named.
const NAMED_READER: i32 = 3;
const NAMED_WRITER: i32 = 7;

const TIMESTAMP_NTZ: &str = "timestampNtz";
const APPENDING: &str = "appendOnly";
const CHANGE_DATA: &str = "changeDataFeed";

/// What each writer version added (Delta protocol, "Valid feature names in table features").
const WRITER_VERSIONS: &[(i32, &[&str])] = &[
    (2, &[APPENDING, "invariants"]),
    (3, &["checkConstraints"]),
    (4, &[CHANGE_DATA, "generatedColumns"]),
    (5, &["columnMapping"]),
    (6, &["identityColumns"]),
];
const READER_VERSIONS: &[(i32, &[&str])] = &[(2, &["columnMapping"])];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    min_reader_version: i32,
    min_writer_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer_features: Option<Vec<String>>,
}

impl Versions {
    /// The version that has the feature, or the feature by name.
    fn need_writer(&mut self, version: i32, feature: &str) {
        match &mut self.writer_features {
            Some(named) => add(named, feature),
            None => self.min_writer_version = self.min_writer_version.max(version),
        }
    }

    /// A feature that has no version and concerns readers too.
    fn need_named(&mut self, feature: &str) {
        let (reader, writer) = (self.min_reader_version, self.min_writer_version);
        self.min_reader_version = NAMED_READER;
        self.min_writer_version = NAMED_WRITER;
        let readers = self
            .reader_features
            .get_or_insert_with(|| features_until(READER_VERSIONS, reader));
        add(readers, feature);
        let writers = self
            .writer_features
            .get_or_insert_with(|| features_until(WRITER_VERSIONS, writer));
        add(writers, feature);
    }
}

fn add(features: &mut Vec<String>, feature: &str) {
    if !features.iter().any(|known| known == feature) {
        features.push(feature.into());
    }
}

fn features_until(versions: &[(i32, &[&str])], version: i32) -> Vec<String> {
    versions
        .iter()
        .filter(|(of, _)| *of <= version)
        .flat_map(|(_, features)| features.iter().map(|feature| (*feature).to_string()))
        .collect()
}

/// The protocol of a new table.
pub fn of_new(schema: &StructType, properties: &HashMap<String, String>) -> Result<Protocol> {
    let least = Versions {
        min_reader_version: 1,
        min_writer_version: 2,
        reader_features: None,
        writer_features: None,
    };
    protocol(&with_needs(least, schema, properties))
}

/// The protocol that a table needs from now on, where its present one is not enough.
pub fn raised(
    present: &Protocol,
    schema: &StructType,
    properties: &HashMap<String, String>,
) -> Result<Option<Protocol>> {
    let present: Versions = serde_json::to_value(present)
        .and_then(serde_json::from_value)
        .map_err(|error| Error::Internal(format!("protocol: {error}")))?;
    let needed = with_needs(present.clone(), schema, properties);
    match needed == present {
        true => Ok(None),
        false => protocol(&needed).map(Some),
    }
}

fn with_needs(
    mut versions: Versions,
    schema: &StructType,
    properties: &HashMap<String, String>,
) -> Versions {
    if schema
        .fields()
        .any(|field| has_timestamp_ntz(field.data_type()))
    {
        versions.need_named(TIMESTAMP_NTZ);
    }
    if is_true(properties.get(APPEND_ONLY)) {
        versions.need_writer(2, APPENDING);
    }
    if is_true(properties.get(CHANGE_DATA_FEED)) {
        versions.need_writer(4, CHANGE_DATA);
    }
    versions
}

fn protocol(versions: &Versions) -> Result<Protocol> {
    serde_json::to_value(versions)
        .and_then(serde_json::from_value)
        .map_err(|error| Error::Internal(format!("protocol: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use deltalake::kernel::{DataType, MapType, StructField};

    use super::*;

    fn versions(protocol: &Protocol) -> Versions {
        serde_json::from_value(serde_json::to_value(protocol).unwrap()).unwrap()
    }

    fn table(kind: DataType, properties: &[&str]) -> (StructType, HashMap<String, String>) {
        let schema = StructType::try_new([StructField::nullable("a", kind)]).unwrap();
        let set = properties
            .iter()
            .map(|key| (key.to_string(), "true".into()));
        (schema, set.collect())
    }

    #[test]
    fn a_plain_table_has_the_oldest_protocol() {
        let (schema, properties) = table(DataType::LONG, &[]);
        let found = versions(&of_new(&schema, &properties).unwrap());
        assert_eq!((found.min_reader_version, found.min_writer_version), (1, 2));
        assert_eq!((found.reader_features, found.writer_features), (None, None));
    }

    #[test]
    fn change_data_raises_the_writer_version_only() {
        let (schema, properties) = table(DataType::LONG, &[CHANGE_DATA_FEED]);
        let found = versions(&of_new(&schema, &properties).unwrap());
        assert_eq!((found.min_reader_version, found.min_writer_version), (1, 4));
        assert_eq!(found.writer_features, None);
    }

    #[test]
    fn a_timestamp_without_zone_names_itself_and_all_that_versions_stood_for() {
        let map = MapType::new(DataType::STRING, DataType::TIMESTAMP_NTZ, true);
        let (schema, properties) = table(map.into(), &[]);
        let found = versions(&of_new(&schema, &properties).unwrap());
        assert_eq!((found.min_reader_version, found.min_writer_version), (3, 7));
        assert_eq!(found.reader_features.unwrap(), [TIMESTAMP_NTZ]);
        assert_eq!(
            found.writer_features.unwrap(),
            [APPENDING, "invariants", TIMESTAMP_NTZ]
        );
    }

    #[test]
    fn change_data_on_a_table_with_named_features_is_named_too() {
        let (schema, _) = table(DataType::TIMESTAMP_NTZ, &[]);
        let before = of_new(&schema, &HashMap::new()).unwrap();
        let (_, properties) = table(DataType::LONG, &[CHANGE_DATA_FEED]);
        let found = raised(&before, &schema, &properties).unwrap().unwrap();
        let found = versions(&found);
        assert_eq!((found.min_reader_version, found.min_writer_version), (3, 7));
        assert_eq!(found.reader_features.unwrap(), [TIMESTAMP_NTZ]);
        let writers = found.writer_features.unwrap();
        assert!(
            writers.iter().any(|feature| feature == CHANGE_DATA),
            "{writers:?}"
        );
    }

    #[test]
    fn a_protocol_that_is_enough_stays_as_it_is() {
        let (schema, properties) = table(DataType::TIMESTAMP_NTZ, &[APPEND_ONLY, CHANGE_DATA_FEED]);
        let before = of_new(&schema, &properties).unwrap();
        assert!(raised(&before, &schema, &properties).unwrap().is_none());
        let (less, none) = table(DataType::LONG, &[]);
        assert!(raised(&before, &less, &none).unwrap().is_none());
    }
}
