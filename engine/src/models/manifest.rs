//! What a version of a model is.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use udfs::antibody::hash::hex;
use udfs::models::{Description, Precision};
use udfs::plm::Pin;

use super::{FOLDER, MANIFEST};
use crate::error::{Error, Result};

/// Version of the layout that this software reads and writes.
const FORMAT_VERSION: u32 = 1;
/// Largest manifest that is read, bytes.
const LARGEST: usize = 1 << 20;

/// What a version of a model is, down to the hash of each file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format_version: u32,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// `AntiBERTy` or `ESM-2`.
    pub family: String,
    /// What it computes in: `f32`, `bf16` or `int8`.
    pub precision: String,
    /// Its licence, as whoever added it says.
    pub licence: Option<String>,
    /// Where it came from.
    pub source: String,
    /// When it was added (RFC 3339).
    pub added_at: String,
    /// Numbers in an embedding.
    pub dimension: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of each layer.
    pub heads: usize,
    /// The most residues of a sequence; none: no limit.
    pub max_residues: Option<usize>,
    /// Numbers among its weights.
    pub parameters: u64,
    /// Bytes of its weights as they are stored.
    pub weight_bytes: u64,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// SHA-256 (hex) of family, precision and files: equal for equal models, wherever they lie.
    pub digest: String,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 (hex) of its content.
    pub sha256: String,
}

/// What of a manifest is not found out from its files.
pub(super) struct Facts {
    pub name: String,
    pub version: String,
    pub precision: Precision,
    pub licence: Option<String>,
    pub source: String,
}

impl Manifest {
    pub(super) fn new(facts: Facts, description: &Description, files: Vec<FileEntry>) -> Self {
        let mut manifest = Self {
            format_version: FORMAT_VERSION,
            name: facts.name,
            version: facts.version,
            family: description.family.to_string(),
            precision: facts.precision.to_string(),
            licence: facts.licence,
            source: facts.source,
            added_at: chrono::Utc::now().to_rfc3339(),
            dimension: description.dimension,
            layers: description.layers,
            heads: description.heads,
            max_residues: description.max_residues,
            parameters: description.parameters,
            weight_bytes: description.weight_bytes,
            files,
            digest: String::new(),
        };
        manifest.digest = manifest.computed_digest();
        manifest
    }

    /// Reads one.
    ///
    /// # Errors
    /// `Unsupported` where a newer version wrote it, `Corrupt` where it contradicts itself or its place.
    pub(super) fn read(bytes: &[u8], name: &str, version: &str) -> Result<Self> {
        let place = format!("{FOLDER}/{name}/{version}/{MANIFEST}");
        let corrupt = |why: String| Error::Corrupt(format!("{place}: {why}"));
        if bytes.len() > LARGEST {
            return Err(corrupt("too large for a manifest".into()));
        }
        let json: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
        let format = json.get("format_version").and_then(|it| it.as_u64());
        if format != Some(u64::from(FORMAT_VERSION)) {
            return Err(Error::Unsupported(format!(
                "{place} is of a format that this paratope does not read; use the paratope that added the model, or a newer one"
            )));
        }
        let manifest: Self =
            serde_json::from_value(json).map_err(|error| corrupt(error.to_string()))?;
        if (manifest.name.as_str(), manifest.version.as_str()) != (name, version) {
            return Err(corrupt(format!("it is that of {}", manifest.pin())));
        }
        if manifest.digest != manifest.computed_digest() {
            return Err(corrupt("its digest is not that of what it says".into()));
        }
        let is_plain = |file: &FileEntry| {
            let letters = file.name.bytes();
            let mut letters = letters.map(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
            letters.all(|is_plain| is_plain) && !file.name.starts_with('.')
        };
        match manifest.files.iter().find(|file| !is_plain(file)) {
            Some(file) => Err(corrupt(format!("'{}' is no name of a file", file.name))),
            None => Ok(manifest),
        }
    }

    fn computed_digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}\n", self.family, self.precision));
        let mut files: Vec<&FileEntry> = self.files.iter().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for file in files {
            hash.update(format!("{} {} {}\n", file.name, file.bytes, file.sha256));
        }
        hex(&hash.finalize())
    }

    /// The version as plans carry it.
    pub fn pin(&self) -> Pin {
        Pin {
            name: self.name.clone(),
            version: self.version.clone(),
            digest: self.digest.clone(),
        }
    }

    /// What its precision is called in code.
    ///
    /// # Errors
    /// `Unsupported`, where this version does not know it.
    pub(super) fn precision(&self) -> Result<Precision> {
        precision(&self.precision)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether it computes in full precision.
    pub(super) fn is_full_precision(&self) -> bool {
        self.precision == Precision::F32.to_string()
    }

    /// Its folder within the lake.
    pub(super) fn folder(&self) -> String {
        folder(&self.name, &self.version)
    }
}

/// The folder of a version within the lake.
pub(super) fn folder(name: &str, version: &str) -> String {
    format!("{FOLDER}/{name}/{version}")
}

/// A precision by its name.
///
/// # Errors
/// `Invalid`, with those that there are.
pub fn precision(name: &str) -> Result<Precision> {
    let known = Precision::ALL.iter();
    let found = known
        .clone()
        .find(|it| it.to_string().eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| {
        let known: Vec<String> = known.map(ToString::to_string).collect();
        Error::Invalid(format!(
            "unknown precision '{name}'; known: {}",
            known.join(", ")
        ))
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use udfs::models::Family;

    use super::*;

    /// A manifest, for tests.
    pub(crate) fn manifest(version: &str, precision: Precision, added_at: &str) -> Manifest {
        let facts = Facts {
            name: "tiny".into(),
            version: version.into(),
            precision,
            licence: Some("MIT".into()),
            source: "a test".into(),
        };
        let description = Description {
            family: Family::AntiBerty,
            dimension: 8,
            layers: 1,
            heads: 2,
            max_residues: Some(510),
            parameters: 100,
            weight_bytes: 400,
            alphabet: udfs::models::ALPHABET,
        };
        let files = vec![FileEntry {
            name: "config.json".into(),
            bytes: 3,
            sha256: "ab".repeat(32),
        }];
        let mut manifest = Manifest::new(facts, &description, files);
        manifest.added_at = added_at.into();
        manifest
    }

    fn read(manifest: &Manifest) -> Result<Manifest> {
        Manifest::read(&serde_json::to_vec(manifest).unwrap(), "tiny", "1")
    }

    #[test]
    fn what_was_written_is_read_back() {
        let written = manifest("1", Precision::F32, "2026-01-01T00:00:00Z");
        assert_eq!(read(&written).unwrap(), written);
    }

    #[test]
    fn a_manifest_that_was_changed_is_refused() {
        let good = manifest("1", Precision::F32, "2026-01-01T00:00:00Z");
        let mut other_file = good.clone();
        other_file.files[0].sha256 = "cd".repeat(32);
        let mut other_precision = good.clone();
        other_precision.precision = "int8".into();
        let mut other_place = good.clone();
        other_place.version = "2".into();
        for changed in [other_file, other_precision, other_place] {
            assert!(matches!(read(&changed), Err(Error::Corrupt(_))));
        }
        let mut outside = good;
        outside.files[0].name = "../config.json".into();
        outside.digest = outside.computed_digest();
        let error = read(&outside).unwrap_err().to_string();
        assert!(error.contains("is no name of a file"), "{error}");
    }

    #[test]
    fn the_digest_tells_precisions_apart_and_not_names() {
        let one = manifest("1", Precision::F32, "2026-01-01T00:00:00Z");
        let same = manifest("2", Precision::F32, "2027-01-01T00:00:00Z");
        let reduced = manifest("1", Precision::Int8, "2026-01-01T00:00:00Z");
        assert_eq!(one.digest, same.digest);
        assert_ne!(one.digest, reduced.digest);
    }
}
