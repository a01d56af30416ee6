//! The two lines before the rows of a data unit, and which chain each column speaks of.

use arrow::datatypes::SchemaRef;

use super::KNOWN;
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::formats::csv::split;
use crate::formats::lines::{Lines, Step};
use crate::formats::table::Layout;

/// The chain that a column speaks of in the paired layout, and its name without that.
pub(super) fn side(name: &str) -> (Option<&'static str>, &str) {
    if let Some(name) = name.strip_suffix("_heavy") {
        (Some("heavy"), name)
    } else if let Some(name) = name.strip_suffix("_light") {
        (Some("light"), name)
    } else {
        (None, name)
    }
}

pub(super) fn first_line(lines: &mut Lines) -> Result<Metadata> {
    let step = lines.step()?;
    let text = match step {
        Step::Whole => std::str::from_utf8(lines.text()).ok(),
        Step::Cut(message) => return Err(Error::Invalid(format!("line 1: {message}"))),
        Step::TooLong(_) => None,
        Step::End => Some(""),
    };
    text.and_then(Metadata::parse).ok_or_else(|| {
        let start: String = String::from_utf8_lossy(lines.text()).chars().take(60).collect();
        Error::Invalid(format!(
            "line 1: an OAS data unit starts with its metadata, a JSON object in CSV quotes (\"{{\"\"Run\"\": …}}\"), and \
             this one with '{start}': fetch the data unit again and leave its first line in place"
        ))
    })
}

pub(super) fn header(lines: &mut Lines) -> Result<Vec<String>> {
    let (mut scratch, mut ends) = (String::new(), Vec::new());
    let step = lines.step()?;
    let text = match step {
        Step::Whole => std::str::from_utf8(lines.text()).ok(),
        Step::Cut(message) => return Err(Error::Invalid(format!("line 2: {message}"))),
        Step::TooLong(_) | Step::End => None,
    };
    let names: Vec<String> = text
        .and_then(|text| split(text, b',', &mut scratch, &mut ends).ok())
        .map(|names| names.map(|name| name.trim().to_string()).collect())
        .unwrap_or_default();
    if names.iter().any(|name| KNOWN.contains(&side(name).1)) {
        return Ok(names);
    }
    Err(Error::Invalid(format!(
        "line 2: the header of an OAS data unit names columns such as {}, and this one none of them",
        KNOWN.join(", ")
    )))
}

/// One chain of the rows.
pub(super) struct Side {
    pub(super) layout: Layout,
    /// `heavy` or `light`, where the layout or the metadata says.
    pub(super) chain: Option<&'static str>,
    pub(super) is_paired: bool,
}

/// The column of ours that a column of theirs feeds.
fn ours(name: &str) -> &str {
    match name {
        "Redundancy" => "duplicate_count",
        // Made by the reader, or by annotation.
        "pair_id" | "species_reported" => "attributes",
        name => name,
    }
}

pub(super) fn sides(
    names: &[String],
    schema: &SchemaRef,
    metadata: &Metadata,
) -> Result<Vec<Side>> {
    let is_paired = ["heavy", "light"]
        .iter()
        .all(|chain| names.iter().any(|name| side(name).0 == Some(*chain)));
    if !is_paired {
        return Ok(vec![Side {
            layout: Layout::new(names.to_vec(), schema, |name| Some(ours(name)))?,
            chain: metadata.chain(),
            is_paired,
        }]);
    }
    ["heavy", "light"]
        .into_iter()
        .map(|chain| {
            let names: Vec<String> = names
                .iter()
                .map(|name| match side(name) {
                    (Some(of), bare) if of == chain => bare.to_string(),
                    _ => name.clone(),
                })
                .collect();
            let layout = Layout::new(names, schema, |name| match side(name).0 {
                Some(_) => None,
                None => Some(ours(name)),
            })?;
            Ok(Side {
                layout,
                chain: Some(chain),
                is_paired,
            })
        })
        .collect()
}
