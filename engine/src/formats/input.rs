//! The way from stored bytes to plain text: gzip and zstd are undone, a byte order mark is taken off.
//!
//! A compressed stream that ends early or is damaged is a fault of the file, and what came before it
//! is good; a source that fails (a lost connection) is not, and must not look like the end of a file.
//! The two are told apart by where an error comes from: below the decoder or in it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::error::{Error, Result};

/// Bytes asked of a source at once.
const BUFFER: usize = 256 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Skippable frames (`0x184D2A50` to `0x184D2A5F`) may come first in a zstd file, as `pzstd` writes them.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// Undoes gzip (of several members too) or zstd, told by the first bytes and not by a name, and takes off a
/// UTF-8 byte order mark.
///
/// # Errors
/// Where the source cannot be read, and for UTF-16.
pub fn decompress(input: Box<dyn Read + Send>) -> Result<Box<dyn BufRead + Send>> {
    let mut input = input;
    let head = first_bytes(&mut input, 4)?;
    let stored = BufReader::with_capacity(BUFFER, Below(Cursor::new(head.clone()).chain(input)));
    let mut text: Box<dyn BufRead + Send> = if head.starts_with(GZIP) {
        let decoder = flate2::bufread::MultiGzDecoder::new(stored);
        Box::new(BufReader::with_capacity(
            BUFFER,
            Decoded::new(decoder, "gzip"),
        ))
    } else if head.starts_with(ZSTD)
        || head.get(1..) == Some(ZSTD_SKIPPABLE) && head[0] & 0xf0 == 0x50
    {
        let decoder = zstd::stream::read::Decoder::with_buffer(stored)?;
        Box::new(BufReader::with_capacity(
            BUFFER,
            Decoded::new(decoder, "zstd"),
        ))
    } else {
        Box::new(stored)
    };
    match first_bytes(&mut text, 3) {
        Ok(mark) if mark == UTF8_MARK => Ok(text),
        Ok(mark) if UTF16_MARKS.iter().any(|utf16| mark.starts_with(utf16)) => Err(Error::Invalid(
            "the text is UTF-16: save it as UTF-8 and try again".into(),
        )),
        Ok(start) => Ok(Box::new(Cursor::new(start).chain(text))),
        // Damage within the first bytes comes up again at the first line.
        Err(error) if damage(&error).is_some() => {
            let message = damage(&error).unwrap_or_default().to_string();
            Ok(Box::new(BufReader::new(Broken(message))))
        }
        Err(error) => Err(source_error(error)),
    }
}

/// What is wrong with a compressed stream, if an error says that; `None` if its source failed.
pub(super) fn damage(error: &io::Error) -> Option<&str> {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Damage>())
        .map(|damage| damage.0.as_str())
}

/// An error of a source, of the kind that the store gave it.
pub(super) fn source_error(error: io::Error) -> Error {
    let (kind, message) = (error.kind(), error.to_string());
    match error.into_inner() {
        None => io::Error::new(kind, message).into(),
        Some(inner) => match inner.downcast::<Failed>() {
            Ok(failed) => source_error(failed.0),
            Err(inner) => match inner.downcast::<object_store::Error>() {
                Ok(store) => (*store).into(),
                Err(inner) => io::Error::new(kind, inner).into(),
            },
        },
    }
}

/// Up to `count` bytes; fewer only at the end.
fn first_bytes(input: &mut dyn Read, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A fault of a compressed stream.
#[derive(Debug)]
struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// A fault of the source below a decoder.
#[derive(Debug)]
struct Failed(io::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

/// Marks the errors of a source.
struct Below<R>(R);

impl<R: Read> Read for Below<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, Failed(error)),
        })
    }
}

/// Marks the errors of a decoder that are not its source's. Once damaged, always damaged.
struct Decoded<R> {
    decoder: R,
    name: &'static str,
    damaged: Option<String>,
}

impl<R> Decoded<R> {
    fn new(decoder: R, name: &'static str) -> Self {
        Self {
            decoder,
            name,
            damaged: None,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(message) = &self.damaged {
            return Err(damage_error(message.clone()));
        }
        self.decoder.read(buffer).map_err(|error| {
            let below = error.get_ref().is_some_and(|inner| inner.is::<Failed>());
            if below || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let name = self.name;
            let message = if error.kind() == io::ErrorKind::UnexpectedEof {
                format!("the {name} stream ends early: the file is cut off; fetch it again and ingest it with --replace")
            } else {
                format!("the {name} stream is damaged ({error}): fetch the file again")
            };
            self.damaged = Some(message.clone());
            damage_error(message)
        })
    }
}

/// A stream whose first bytes are damaged already.
struct Broken(String);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(damage_error(self.0.clone()))
    }
}

fn damage_error(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damage(message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        decompress(Box::new(Cursor::new(bytes)))
            .unwrap()
            .read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn plain_gzip_and_zstd_are_told_by_content() {
        let text = ">a\nEVQ\n".repeat(1_000);
        assert_eq!(read(text.clone().into_bytes()).unwrap(), text);
        assert_eq!(read(gzip(text.as_bytes())).unwrap(), text);
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(read(packed).unwrap(), text);
    }

    #[test]
    fn every_member_of_a_gzip_file_is_read() {
        let mut two = gzip(b">a\nEVQ\n");
        two.extend(gzip(b">b\nDIQ\n"));
        assert_eq!(read(two).unwrap(), ">a\nEVQ\n>b\nDIQ\n");
    }

    #[test]
    fn frames_of_zstd_follow_each_other() {
        let mut two = zstd::encode_all(&b"ab"[..], 1).unwrap();
        two.extend(zstd::encode_all(&b"cd"[..], 1).unwrap());
        assert_eq!(read(two).unwrap(), "abcd");
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_even_below_compression() {
        assert_eq!(read(b"\xef\xbb\xbf>a".to_vec()).unwrap(), ">a");
        assert_eq!(read(gzip(b"\xef\xbb\xbf>a")).unwrap(), ">a");
    }

    #[test]
    fn very_short_files_are_read() {
        for text in ["", "a", "ab", "abc", "abcd"] {
            assert_eq!(read(text.as_bytes().to_vec()).unwrap(), text);
        }
    }

    #[test]
    fn utf_16_is_refused_with_a_remedy() {
        let error = decompress(Box::new(Cursor::new(b"\xff\xfe>\0a\0".to_vec())))
            .err()
            .unwrap();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }

    #[test]
    fn a_cut_gzip_stream_gives_what_came_before_and_then_says_so() {
        let text: String = (0..20_000).map(|i| format!("{}\n", i * 7_919)).collect();
        let packed = gzip(text.as_bytes());
        for keep in [3, 5, 11, packed.len() / 2, packed.len() - 1] {
            let mut input = decompress(Box::new(Cursor::new(packed[..keep].to_vec()))).unwrap();
            let mut got = Vec::new();
            let error = input.read_to_end(&mut got).unwrap_err();
            assert!(
                damage(&error).unwrap().contains("cut off"),
                "{keep}: {error}"
            );
            assert!(text.as_bytes().starts_with(&got));
            assert!(keep < packed.len() / 2 || !got.is_empty());
        }
    }

    #[test]
    fn a_cut_or_scrambled_zstd_stream_says_so() {
        let text: String = (0..20_000).map(|i| format!("{}\n", i * 7_919)).collect();
        // Without a checksum zstd cannot know that a literal was another.
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let mut scrambled = packed.clone();
        let middle = scrambled.len() / 2;
        scrambled[middle..middle + 64].fill(0xaa);
        for bytes in [packed[..middle].to_vec(), scrambled] {
            let error = read(bytes).err();
            assert!(error.is_some_and(|error| damage(&error).is_some()));
        }
    }

    #[test]
    fn a_failing_source_is_not_taken_for_a_damaged_file() {
        struct Fails(Cursor<Vec<u8>>);
        impl Read for Fails {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "lost")),
                    read => Ok(read),
                }
            }
        }
        for bytes in [gzip(&b"ACGT".repeat(9_000)), b"plain".to_vec()] {
            let half = bytes[..bytes.len() / 2 + 2].to_vec();
            let mut input = decompress(Box::new(Fails(Cursor::new(half)))).unwrap();
            let error = input.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(damage(&error), None, "{error}");
            assert!(source_error(error).to_string().contains("lost"));
        }
    }
}
