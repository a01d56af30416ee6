//! Files that are read together with another: found beside it, and not ingested once more on their own.

use std::collections::HashMap;

use super::discover::Input;
use super::{IngestOptions, InputSummary};
use crate::error::Result;
use crate::formats;

/// Gives each input the file beside it that its format reads with it. What is said of inputs that are no more in the list
/// comes back: those that are read with another one, and those whose neighbour's store does not answer.
///
/// # Errors
/// A format that is not known.
pub async fn attach(inputs: &mut Vec<Input>, options: &IngestOptions) -> Result<Vec<InputSummary>> {
    let formats = match &options.format {
        Some(name) => vec![formats::by_name(name)?],
        None => formats::all().to_vec(),
    };
    let mut summaries = Vec::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    let mut kept = Vec::with_capacity(inputs.len());
    for mut input in inputs.drain(..) {
        let names = formats
            .iter()
            .flat_map(|format| format.companions(input.file_name()));
        match first(&input, names).await {
            Ok(companion) => {
                if let Some(companion) = &companion {
                    let owner = input.file_name().to_string();
                    taken.entry(companion.url.clone()).or_insert(owner);
                }
                input.companion = companion.map(Box::new);
                kept.push(input);
            }
            Err(error) => summaries.push(InputSummary::failed(&input.url, &error)),
        }
    }
    for input in kept {
        match taken.get(&input.url) {
            Some(owner) => summaries.push(InputSummary::companion(&input.url, owner)),
            None => inputs.push(input),
        }
    }
    Ok(summaries)
}

/// The first of these that is there.
async fn first(input: &Input, names: impl Iterator<Item = String>) -> Result<Option<Input>> {
    for name in names {
        if let Some(found) = input.beside(&name).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
