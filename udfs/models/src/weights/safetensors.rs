//! Headers of a `.safetensors` file, which say where each tensor lies.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use safetensors::{Dtype, tensor::Metadata};

use super::{Entry, Stored};
use crate::ModelError;

/// The most bytes of a header: the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

pub(super) fn headers(
    path: &Path,
    file: &mut File,
    length: u64,
) -> Result<HashMap<String, Entry>, ModelError> {
    let mut buffer = vec![0; 8];
    file.read_exact(&mut buffer)
        .map_err(|_| ModelError::weights(path, "cut off: no header of safetensors"))?;
    let header = buffer
        .iter()
        .rev()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    if header > MAX_HEADER_BYTES || header > length - 8 {
        return Err(ModelError::weights(
            path,
            format!("cut off, or no safetensors: a header of {header} bytes in a file of {length}"),
        ));
    }
    buffer.resize(header as usize, 0);
    file.read_exact(&mut buffer)
        .map_err(|source| ModelError::file(path, source))?;
    // Made from its text, the header is checked: tensors follow each other without gaps, each as long as its shape says.
    let metadata: Metadata = serde_json::from_slice(&buffer).map_err(|error| {
        ModelError::weights(path, format!("no valid header of safetensors: {error}"))
    })?;
    let start = 8 + header;
    let end = start + metadata.data_len() as u64;
    if end != length {
        return Err(ModelError::weights(
            path,
            format!("cut off or damaged: {length} bytes, but the header tells of {end}"),
        ));
    }
    let entries = metadata.tensors().into_iter().map(|(name, info)| {
        let stored = match info.dtype {
            Dtype::F32 => Stored::F32,
            Dtype::F16 => Stored::F16,
            Dtype::BF16 => Stored::Bf16,
            other => Stored::Other((other.bitsize() / 8) as u8),
        };
        let entry = Entry {
            stored,
            shape: info.shape.clone(),
            offset: start + info.data_offsets.0 as u64,
        };
        (name, entry)
    });
    Ok(entries.collect())
}
