//! An input's identity: SHA-256 over its content, its reader and the options that change rows.

use std::io::{Cursor, Read};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use udfs::antibody::hash::hex;

use super::discover::Input;
use super::{Alphabet, IngestOptions};
use crate::error::{Error, Result};
use crate::formats::{self, DETECT_BYTES, Format};

/// Bytes hashed at a time.
const CHUNK: usize = 1 << 20;

/// An input that is known well enough to be looked up in the ledger.
#[derive(Debug)]
pub struct Identified {
    /// The input.
    pub input: Input,
    /// How it is read.
    pub format: &'static dyn Format,
    /// SHA-256 (hex) of content, reader, its version, `options` and the content of a companion.
    pub id: String,
    /// SHA-256 (hex) of the stored bytes.
    pub content: String,
    /// The same of the file that is read with it.
    pub companion_content: Option<String>,
    /// Options that change rows (JSON).
    pub options: String,
}

/// Hashes an input and finds its format.
///
/// # Errors
/// An input that cannot be read or is of no known format.
pub async fn identify(input: Input, options: &IngestOptions) -> Result<Identified> {
    let handle = Handle::current();
    let format = options.format.clone();
    let row_options = row_options(options);
    tokio::task::spawn_blocking(move || {
        let url = input.url.clone();
        identify_blocking(input, format, row_options, &handle).map_err(|error| error.at(&url))
    })
    .await
    .map_err(|error| Error::Internal(format!("hashing stopped: {error}")))?
}

fn identify_blocking(
    mut input: Input,
    format: Option<String>,
    options: String,
    handle: &Handle,
) -> Result<Identified> {
    let (content, head) = digest(&input, handle)?;
    let format = match format {
        Some(name) => formats::by_name(&name)?,
        None => formats::detect(&plain_head(head)?, input.file_name())?,
    };
    // Its name may have promised another format than its content.
    let names = format.companions(input.file_name());
    input.companion = input
        .companion
        .filter(|companion| names.iter().any(|name| name == companion.file_name()));
    let companion_content = match &input.companion {
        Some(companion) => Some(digest(companion, handle)?.0),
        None => None,
    };
    let version = format.version().to_string();
    let mut parts = vec![content.as_str(), format.name(), &version, &options];
    parts.extend(companion_content.as_deref());
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    Ok(Identified {
        id: hex(&hash.finalize()),
        input,
        format,
        content,
        companion_content,
        options,
    })
}

/// SHA-256 (hex) of the stored bytes, and the first of them.
fn digest(input: &Input, handle: &Handle) -> Result<(String, Vec<u8>)> {
    let mut stored = input.open(handle)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; CHUNK];
    let mut head = Vec::new();
    loop {
        let count = stored.read(&mut buffer)?;
        if count == 0 {
            return Ok((hex(&hash.finalize()), head));
        }
        hash.update(&buffer[..count]);
        if head.len() < DETECT_BYTES {
            head.extend_from_slice(&buffer[..count]);
        }
    }
}

/// The first bytes of an input, decompressed; a stream that is cut off shows what came before.
fn plain_head(stored: Vec<u8>) -> Result<Vec<u8>> {
    let mut text = formats::decompress(Box::new(Cursor::new(stored)))?;
    let mut head = vec![0_u8; DETECT_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match text.read(&mut head[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// The options that change rows, in a fixed order.
fn row_options(options: &IngestOptions) -> String {
    let alphabet = match options.alphabet {
        Alphabet::Auto => None,
        Alphabet::Nucleotide => Some("nucleotide"),
        Alphabet::AminoAcid => Some("amino_acid"),
    };
    let mut all = json!({
        "alphabet": alphabet,
        "repertoire_id": options.repertoire_id,
        "sample_id": options.sample_id,
        "species": options.species,
        "study_id": options.study_id,
        "subject_id": options.subject_id,
    });
    // Only where there are any, so that the identity of other inputs stays what it was.
    if !options.columns.is_empty() {
        let mut columns = options.columns.clone();
        columns.sort_unstable();
        all["columns"] = json!(columns);
    }
    all.to_string()
}
