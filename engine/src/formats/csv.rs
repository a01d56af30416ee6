//! One line of CSV: cells between commas (or tabs, or semicolons), quoted where they hold those or quotes.
//!
//! A record is a line: what instruments and databases write has no line ends within cells, and a quote that is left
//! open by mistake must not swallow the rest of a file.

/// The cells of a line, unquoted.
#[derive(Debug, Clone)]
pub(super) struct Cells<'a> {
    text: &'a str,
    ends: &'a [usize],
    next: usize,
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = *self.ends.get(self.next)?;
        let start = self
            .next
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        self.next += 1;
        Some(&self.text[start..end])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.ends.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Cells<'_> {}

/// The cells of a line, unquoted into `scratch`.
///
/// # Errors
/// A quote that is not closed, and text behind one that is.
pub(super) fn split<'a>(
    line: &str,
    separator: u8,
    scratch: &'a mut String,
    ends: &'a mut Vec<usize>,
) -> Result<Cells<'a>, &'static str> {
    scratch.clear();
    ends.clear();
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = unquote(quoted, scratch)?;
            ends.push(scratch.len());
            match rest.strip_prefix(char::from(separator)) {
                Some(next) => rest = next,
                None if rest.is_empty() => break,
                None => return Err("text follows the closing quote of a cell"),
            }
        } else {
            let end = memchr::memchr(separator, rest.as_bytes());
            scratch.push_str(&rest[..end.unwrap_or(rest.len())]);
            ends.push(scratch.len());
            match end {
                Some(end) => rest = &rest[end + 1..],
                None => break,
            }
        }
    }
    Ok(Cells {
        text: scratch,
        ends,
        next: 0,
    })
}

/// Takes a quoted cell up to its closing quote; what follows that is returned.
fn unquote<'a>(quoted: &'a str, cell: &mut String) -> Result<&'a str, &'static str> {
    let mut rest = quoted;
    loop {
        let Some(quote) = memchr::memchr(b'"', rest.as_bytes()) else {
            return Err("a quote is opened and not closed");
        };
        cell.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(line: &str) -> Result<Vec<String>, &'static str> {
        let (mut scratch, mut ends) = (String::new(), Vec::new());
        split(line, b',', &mut scratch, &mut ends).map(|cells| cells.map(str::to_string).collect())
    }

    #[test]
    fn cells_are_split_at_commas_outside_quotes() {
        for (line, expected) in [
            ("a,b,c", vec!["a", "b", "c"]),
            ("", vec![""]),
            (",", vec!["", ""]),
            ("a,,c,", vec!["a", "", "c", ""]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("\"say \"\"x\"\"\",\"\"", vec!["say \"x\"", ""]),
            (
                "\"{'1 ': 'Q', '2 ': 'V'}\",é",
                vec!["{'1 ': 'Q', '2 ': 'V'}", "é"],
            ),
            ("a\"b,c", vec!["a\"b", "c"]),
        ] {
            assert_eq!(
                cells(line),
                Ok(expected.iter().map(|c| c.to_string()).collect()),
                "{line}"
            );
        }
    }

    #[test]
    fn another_separator_leaves_commas_alone() {
        let (mut scratch, mut ends) = (String::new(), Vec::new());
        let cells = split("a,b\t\"c\td\"\t", b'\t', &mut scratch, &mut ends);
        assert_eq!(cells.map(Vec::from_iter), Ok(vec!["a,b", "c\td", ""]));
    }

    #[test]
    fn broken_quotes_are_an_error_and_swallow_nothing() {
        assert_eq!(cells("a,\"b"), Err("a quote is opened and not closed"));
        assert_eq!(
            cells("\"a\"b,c"),
            Err("text follows the closing quote of a cell")
        );
    }

    #[test]
    fn what_is_quoted_comes_back() {
        use rand::{Rng, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(3);
        let letters = ['a', '"', ',', 'é', ' ', '\''];
        for _ in 0..2_000 {
            let row: Vec<String> = (0..random.random_range(1..6))
                .map(|_| {
                    (0..random.random_range(0..6))
                        .map(|_| letters[random.random_range(0..6)])
                        .collect()
                })
                .collect();
            let quoted: Vec<String> = row
                .iter()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
                .collect();
            assert_eq!(cells(&quoted.join(",")), Ok(row));
        }
    }
}
