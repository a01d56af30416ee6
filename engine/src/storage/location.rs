//! Reading a location as users write it, and showing it without secrets.

use std::path::Component;

use url::Url;

use super::place::canonical;
use crate::error::{Error, Result};

/// Schemes of supported object stores, for messages.
const SCHEMES: &str = "file://, s3://, az://, gs://";

/// A path or URL as a URL; relative paths start at the working directory. Nothing need exist.
///
/// # Errors
/// An unsupported scheme; an empty location.
pub fn parse(location: &str) -> Result<Url> {
    if location.is_empty() {
        return Err(Error::Invalid("the location is empty".into()));
    }
    if let Some((scheme, rest)) = location.split_once("://") {
        let canonical = match scheme {
            "file" | "s3" | "az" | "gs" | "http" | "https" => scheme,
            "s3a" => "s3",
            "azure" | "abfs" | "abfss" => "az",
            "gcs" => "gs",
            _ => {
                return Err(Error::Unsupported(format!(
                    "{scheme}:// is not a supported location; use a path or {SCHEMES}"
                )));
            }
        };
        return Url::parse(&format!("{canonical}://{rest}"))
            .map_err(|error| Error::Invalid(format!("{scheme}://…: {error}")));
    }
    let mut path = std::path::absolute(location)?;
    if path.components().any(|part| part == Component::ParentDir) {
        // As the file system means it: above the target of a link and not above the link.
        path = canonical(&path).map_err(|error| Error::from(error).context(location))?;
    }
    Url::from_file_path(&path)
        .map_err(|()| Error::Invalid(format!("{} cannot be a URL", path.display())))
}

/// A URL for messages: user, password and query (signatures) are left out.
pub fn redact(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_relative_path_becomes_an_absolute_file_url() {
        let url = parse("./some/lake").unwrap();
        assert_eq!(url.scheme(), "file");
        assert!(url.path().ends_with("/some/lake"));
    }

    #[test]
    fn a_path_may_lead_upwards() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        let url = parse(&format!("{}/a/../b.fa", root.display())).unwrap();
        assert_eq!(url.to_file_path().unwrap(), root.join("b.fa"));
    }

    #[test]
    fn aliases_of_schemes_are_understood() {
        assert_eq!(parse("s3a://b/k").unwrap().as_str(), "s3://b/k");
        assert_eq!(parse("abfss://c/k").unwrap().as_str(), "az://c/k");
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_the_known_ones() {
        let error = parse("hdfs://x/y").unwrap_err().to_string();
        assert!(error.contains("s3://"), "{error}");
    }

    #[test]
    fn secrets_in_urls_are_not_shown() {
        let url = Url::parse("s3://user:pw@bucket/key?X-Amz-Signature=abc").unwrap();
        assert_eq!(redact(&url), "s3://bucket/key");
    }
}
