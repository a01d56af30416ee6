//! Headers of a `.bin` that PyTorch wrote: a zip archive of one pickle and, uncompressed, the numbers of each storage.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use zip::{CompressionMethod, ZipArchive};

use super::{Entry, pickle};
use crate::ModelError;

/// The pickle of a model of a billion parameters has less than 1 MiB.
const MAX_PICKLE_BYTES: u64 = 64 << 20;

pub(super) fn headers(
    path: &Path,
    file: File,
    length: u64,
) -> Result<HashMap<String, Entry>, ModelError> {
    let mut archive = ZipArchive::new(file).map_err(|error| {
        let reason = format!(
            "cut off, or not written by torch.save of PyTorch 1.6 or newer ({error}); save the weights as model.safetensors"
        );
        ModelError::weights(path, reason)
    })?;
    let root = archive
        .file_names()
        .find_map(|name| name.ok()?.strip_suffix("data.pkl").map(str::to_owned))
        .ok_or_else(|| {
            ModelError::weights(path, "holds no data.pkl: torch.save did not write it")
        })?;
    let damaged =
        |error: zip::result::ZipError| ModelError::weights(path, format!("damaged: {error}"));
    let mut order = String::new();
    if let Ok(entry) = archive.by_name(&format!("{root}byteorder")) {
        entry
            .take(16)
            .read_to_string(&mut order)
            .map_err(|source| ModelError::file(path, source))?;
    }
    if !matches!(order.trim(), "" | "little") {
        return Err(ModelError::weights(
            path,
            format!("numbers are stored in the byte order '{order}', only little is read"),
        ));
    }
    let mut bytes = Vec::new();
    let entry = archive
        .by_name(&format!("{root}data.pkl"))
        .map_err(damaged)?;
    if entry.size() > MAX_PICKLE_BYTES {
        return Err(ModelError::weights(
            path,
            "its pickle is too large for a description of tensors",
        ));
    }
    entry
        .take(MAX_PICKLE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| ModelError::file(path, source))?;
    let mut tensors = HashMap::new();
    for (name, tensor) in pickle::tensors(&bytes).map_err(|refusal| refusal.at(path))? {
        let entry = archive
            .by_name(&format!("{root}data/{}", tensor.storage))
            .map_err(|error| ModelError::tensor(path, &name, format!("has no storage: {error}")))?;
        let start = match (entry.compression(), entry.data_start()) {
            (CompressionMethod::Stored, Some(start)) => start,
            _ => {
                return Err(ModelError::tensor(
                    path,
                    &name,
                    "is compressed, which torch.save never does",
                ));
            }
        };
        let described = Entry {
            stored: tensor.stored,
            shape: tensor.shape,
            offset: 0,
        };
        let each = tensor.stored.bytes();
        let first = tensor.offset.checked_mul(each);
        let end = described
            .numbers()
            .and_then(|numbers| numbers.checked_add(tensor.offset)?.checked_mul(each));
        match (first, end) {
            (Some(first), Some(end))
                if end <= entry.size() && start.saturating_add(entry.size()) <= length =>
            {
                let offset = start + first;
                tensors.insert(
                    name,
                    Entry {
                        offset,
                        ..described
                    },
                );
            }
            _ => {
                return Err(ModelError::tensor(
                    path,
                    &name,
                    "reaches beyond its storage: cut off or damaged",
                ));
            }
        }
    }
    Ok(tensors)
}
