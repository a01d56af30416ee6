//! Names of models: `antiberty`, `antiberty@0.1.3`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Longest name and longest version.
const LONGEST: usize = 64;

/// A model, and perhaps one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// Name.
    pub name: String,
    /// Version; none: the one that the name stands for.
    pub version: Option<String>,
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if !is_name(name, false) {
            return Err(Error::Invalid(format!(
                "'{name}' is no name of a model: use lower-case letters, digits, - and _, beginning with a letter"
            )));
        }
        if let Some(version) = version {
            check_version(version)?;
        }
        Ok(Self {
            name: name.to_string(),
            version: version.map(str::to_string),
        })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// # Errors
/// Text that cannot be a version: it is the name of a folder.
pub(super) fn check_version(version: &str) -> Result<()> {
    match is_name(version, true) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "'{version}' is no version of a model: use letters, digits, '.', - and _, beginning with a letter or digit"
        ))),
    }
}

fn is_name(text: &str, is_version: bool) -> bool {
    let is_first = |letter: char| match is_version {
        true => letter.is_ascii_alphanumeric(),
        false => letter.is_ascii_lowercase(),
    };
    let is_other = |letter: char| match is_version {
        true => letter.is_ascii_alphanumeric() || ".-_".contains(letter),
        false => letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter),
    };
    text.len() <= LONGEST && text.starts_with(is_first) && text.chars().all(is_other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_version_follows_an_at_sign() {
        let name: ModelName = "esm2_t6@8M-v1.0".parse().unwrap();
        assert_eq!(
            (name.name.as_str(), name.version.as_deref()),
            ("esm2_t6", Some("8M-v1.0"))
        );
        assert_eq!(name.to_string(), "esm2_t6@8M-v1.0");
        assert_eq!("antiberty".parse::<ModelName>().unwrap().version, None);
    }

    #[test]
    fn names_that_lead_out_of_their_folder_are_none() {
        for text in [
            "", "..", "a/b", "A", "a@", "a@../b", "a@.", "1a", "a@1/2", "a b", "a@1#2",
        ] {
            assert!(text.parse::<ModelName>().is_err(), "{text}");
        }
    }
}
