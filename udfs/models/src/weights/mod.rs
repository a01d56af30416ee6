//! Tensors of a file of weights: found by their headers, checked, and read one at a time.
//!
//! Files are read rather than mapped: every weight is packed anew for the processor, so a mapping would only double the memory, and a
//! file that is cut off while it is mapped ends the process.

mod pickle;
mod pytorch;
mod safetensors;

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{MAX_WEIGHT_BYTES, ModelError, config::Expected};

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    F32,
    F16,
    Bf16,
    /// A type that no weight has; the tensor may be there but not be asked for.
    Other(u8),
}

impl Stored {
    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(bytes) => u64::from(bytes),
        }
    }
}

/// Where a tensor lies in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub stored: Stored,
    pub shape: Vec<usize>,
    pub offset: u64,
}

impl Entry {
    /// Numbers in the tensor; None beyond 2⁶⁴.
    fn numbers(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1u64, |product, side| product.checked_mul(*side as u64))
    }
}

/// An open file of weights.
pub(crate) struct Weights {
    path: PathBuf,
    tensors: HashMap<String, Entry>,
}

impl Weights {
    /// Opens `model.safetensors` of a folder, or else its `pytorch_model.bin`, and reads the headers.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let names = ["model.safetensors", "pytorch_model.bin"];
        let found = names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.exists());
        let Some(path) = found else {
            return Err(ModelError::File {
                path: folder.to_owned(),
                source: std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    format!("neither {} nor {} is in this folder", names[0], names[1]),
                ),
            });
        };
        let mut file = File::open(&path).map_err(|source| ModelError::file(&path, source))?;
        let length = file
            .metadata()
            .map_err(|source| ModelError::file(&path, source))?
            .len();
        if length > MAX_WEIGHT_BYTES {
            return Err(ModelError::TooLarge {
                path,
                bytes: length,
                limit: MAX_WEIGHT_BYTES,
            });
        }
        let tensors = if path
            .extension()
            .is_some_and(|ending| ending == "safetensors")
        {
            safetensors::headers(&path, &mut file, length)?
        } else {
            pytorch::headers(&path, file, length)?
        };
        Ok(Self { path, tensors })
    }

    /// Checks that every tensor is there in its shape. Returns the numbers in them, and their bytes.
    pub fn check(&self, expected: &[Expected]) -> Result<(u64, u64), ModelError> {
        let (mut numbers, mut bytes) = (0u64, 0u64);
        for Expected { name, shape } in expected {
            let entry = self.entry(name)?;
            if entry.shape != *shape {
                let reason = format!(
                    "has the shape {:?}, but the configuration asks for {shape:?}",
                    entry.shape
                );
                return Err(ModelError::tensor(&self.path, name, reason));
            }
            if let Stored::Other(_) = entry.stored {
                return Err(ModelError::tensor(
                    &self.path,
                    name,
                    "is stored in a type that is not read (float32, float16 and bfloat16 are)",
                ));
            }
            let count = entry.numbers().unwrap_or(u64::MAX);
            numbers = numbers.saturating_add(count);
            bytes = bytes.saturating_add(count.saturating_mul(entry.stored.bytes()));
        }
        Ok((numbers, bytes))
    }

    /// Opens the file once more, to read tensors from it.
    pub fn reader(&self) -> Result<Reader<'_>, ModelError> {
        let file = File::open(&self.path).map_err(|source| ModelError::file(&self.path, source))?;
        Ok(Reader {
            weights: self,
            file,
            bytes: Vec::new(),
        })
    }

    fn entry(&self, name: &str) -> Result<&Entry, ModelError> {
        self.tensors
            .get(name)
            .ok_or_else(|| ModelError::tensor(&self.path, name, "is missing"))
    }
}

/// Reads tensors one at a time.
pub(crate) struct Reader<'a> {
    weights: &'a Weights,
    file: File,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    /// The numbers of a tensor, row by row.
    pub fn floats(&mut self, name: &str) -> Result<Vec<f32>, ModelError> {
        let path = &self.weights.path;
        let entry = self.weights.entry(name)?;
        let length = entry
            .numbers()
            .unwrap_or(u64::MAX)
            .saturating_mul(entry.stored.bytes());
        if length > MAX_WEIGHT_BYTES {
            return Err(ModelError::tensor(path, name, "is too large"));
        }
        self.bytes.resize(length as usize, 0);
        self.file
            .seek(SeekFrom::Start(entry.offset))
            .and_then(|_| self.file.read_exact(&mut self.bytes))
            .map_err(|source| ModelError::file(path, source))?;
        let halves = || self.bytes.as_chunks::<2>().0.iter();
        let numbers: Vec<f32> = match entry.stored {
            Stored::F32 => {
                let (quads, _) = self.bytes.as_chunks::<4>();
                quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect()
            }
            Stored::F16 => halves()
                .map(|half| half::f16::from_le_bytes(*half).to_f32())
                .collect(),
            Stored::Bf16 => halves()
                .map(|half| half::bf16::from_le_bytes(*half).to_f32())
                .collect(),
            Stored::Other(_) => {
                return Err(ModelError::tensor(
                    path,
                    name,
                    "is stored in a type that is not read",
                ));
            }
        };
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(ModelError::tensor(
                path,
                name,
                "holds numbers that are not finite",
            ));
        }
        Ok(numbers)
    }
}
