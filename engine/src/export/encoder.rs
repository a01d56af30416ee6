//! What every format offers the export: batches in, bytes out.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use crate::error::Result;

/// Turns batches into the bytes of one file.
pub(super) trait Encoder: Send {
    /// Adds rows.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<Notes>;
}

/// What an encoder has to say at the end.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub rows: u64,
    pub skipped: u64,
    pub warnings: Vec<String>,
}

impl Notes {
    /// Rows that are all there, with nothing to say about them.
    pub fn of_rows(rows: u64) -> Self {
        Self {
            rows,
            ..Self::default()
        }
    }
}

/// Bytes on their way from an encoder, which knows no store, to a store.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written since the last time.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the text of a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl Compression {
    /// What the end of a name asks for.
    pub(super) fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.rsplit_once('.') {
            Some((_, "gz")) => Self::Gzip,
            Some((_, "zst" | "zstd")) => Self::Zstd,
            _ => Self::None,
        }
    }

    pub(super) fn writer(self, buffer: Buffer) -> Result<Out> {
        Ok(match self {
            Self::None => Out::Plain(buffer),
            Self::Gzip => Out::Gzip(Box::new(flate2::write::GzEncoder::new(
                buffer,
                flate2::Compression::default(),
            ))),
            Self::Zstd => Out::Zstd(Box::new(zstd::stream::write::Encoder::new(
                buffer,
                zstd::DEFAULT_COMPRESSION_LEVEL,
            )?)),
        })
    }
}

/// Text, compressed or not. Flushing is left to the end: it would cost compression.
pub(super) enum Out {
    Plain(Buffer),
    Gzip(Box<flate2::write::GzEncoder<Buffer>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Buffer>>),
}

impl Out {
    /// Ends the compressed stream.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Plain(_) => {}
            Self::Gzip(encoder) => {
                encoder.finish()?;
            }
            Self::Zstd(encoder) => {
                encoder.finish()?;
            }
        }
        Ok(())
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
