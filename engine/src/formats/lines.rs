//! Lines of any length in bounded memory.

use std::io::BufRead;

use super::input::{damage, source_error};
use crate::error::Result;

/// A buffer that one long line has stretched beyond this is given back before the next.
const KEEP: usize = 1 << 20;
/// What is kept of a line that is too long: enough for the text of a reject.
const HEAD: usize = 16 << 10;

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole line, in [`Lines::text`] without its end.
    Whole,
    /// A line of so many bytes, more than the limit; its beginning is in [`Lines::text`].
    TooLong(u64),
    /// The stream is damaged here, and ends; [`Lines::text`] has what there was of the line.
    Cut(String),
    /// The end.
    End,
}

/// Reads lines that end with `\n` or `\r\n`; the last may lack its end.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    source_file: String,
    text: Vec<u8>,
    number: u64,
    limit: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(input: Box<dyn BufRead + Send>, source_file: &str, limit: usize) -> Self {
        Self {
            input,
            source_file: source_file.to_string(),
            text: Vec::new(),
            number: 0,
            limit,
            ended: false,
        }
    }

    /// The line that the last step came to.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Its number, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Goes to the next line.
    ///
    /// # Errors
    /// Where the source fails.
    pub(super) fn step(&mut self) -> Result<Step> {
        self.text.clear();
        if self.text.capacity() > KEEP {
            self.text.shrink_to(KEEP);
        }
        if self.ended {
            return Ok(Step::End);
        }
        self.number += 1;
        let mut bytes = 0u64;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    return match damage(&error) {
                        Some(message) => Ok(Step::Cut(message.to_string())),
                        None => Err(source_error(error)
                            .context(format!("{}, line {}", self.source_file, self.number))),
                    };
                }
            };
            if chunk.is_empty() {
                self.ended = true;
                if bytes == 0 {
                    self.number -= 1;
                    return Ok(Step::End);
                }
                break;
            }
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            bytes += part.len() as u64 + u64::from(end.is_some());
            let room = self.limit.saturating_add(1).saturating_sub(self.text.len());
            self.text.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                bytes -= 1;
                break;
            }
        }
        if self.text.last() == Some(&b'\r') && bytes == self.text.len() as u64 {
            self.text.pop();
            bytes -= 1;
        }
        if bytes > self.limit as u64 {
            self.text.truncate(HEAD);
            return Ok(Step::TooLong(bytes));
        }
        Ok(Step::Whole)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::io::{BufReader, Cursor};

    use super::*;

    fn lines(text: &[u8], limit: usize, buffer: usize) -> Vec<(Step, String, u64)> {
        let input = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
        let mut lines = Lines::new(Box::new(input), "x", limit);
        let mut all = Vec::new();
        loop {
            let step = lines.step().unwrap();
            if step == Step::End {
                assert_eq!(lines.step().unwrap(), Step::End);
                return all;
            }
            let text = String::from_utf8(lines.text().to_vec()).unwrap();
            all.push((step, text, lines.number()));
        }
    }

    #[test]
    fn ends_of_lines_are_equal_whatever_the_buffer() {
        for buffer in 1..12 {
            for text in [
                &b"ab\ncd\n\nef"[..],
                b"ab\r\ncd\r\n\r\nef\r\n",
                b"ab\ncd\r\n\nef\n",
            ] {
                let got: Vec<String> = lines(text, 100, buffer).into_iter().map(|l| l.1).collect();
                assert_eq!(got, ["ab", "cd", "", "ef"], "{buffer} {text:?}");
            }
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_measured_and_the_next_is_whole() {
        for buffer in [1, 3, 64] {
            let got = lines(b"abcde\nfghij\r\nabcdef\nxy", 5, buffer);
            assert_eq!(got[0], (Step::Whole, "abcde".into(), 1));
            assert_eq!(got[1], (Step::Whole, "fghij".into(), 2));
            assert_eq!(got[2].0, Step::TooLong(6));
            assert_eq!(got[3], (Step::Whole, "xy".into(), 4));
        }
    }

    #[test]
    fn a_line_of_fifty_million_characters_is_not_held() {
        let long = std::iter::repeat_n(b'A', 50_000_000);
        let mut text: Vec<u8> = long.collect();
        text.extend_from_slice(b"\nnext\n");
        let mut lines = Lines::new(Box::new(Cursor::new(text)), "x", 1_000);
        assert_eq!(lines.step().unwrap(), Step::TooLong(50_000_000));
        assert!(lines.text.capacity() < 10_000);
        assert_eq!(lines.step().unwrap(), Step::Whole);
        assert_eq!(lines.text(), b"next");
    }

    #[test]
    fn nothing_has_no_lines() {
        assert_eq!(lines(b"", 10, 8), []);
        assert_eq!(lines(b"\n", 10, 8), [(Step::Whole, String::new(), 1)]);
    }
}
