//! Spans of time and sizes as people write them in a job's header: `6h`, `1h 30m`, `256 MB`.

use std::time::Duration;

/// Longest span, seconds: sums with it stay within what clocks can show.
const LONGEST_S: u64 = 36_500 * 86_400;

/// `90s`, `30m`, `6h`, `2d`, `1w`, or several of them.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a span of time: write 90s, 30m, 6h, 2d or 1h 30m");
    let mut seconds: u64 = 0;
    let mut number = String::new();
    let mut is_empty = true;
    for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        is_empty = false;
        seconds = count
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .filter(|sum| *sum <= LONGEST_S)
            .ok_or_else(|| format!("'{text}' is longer than a hundred years"))?;
    }
    match number.is_empty() && !is_empty {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(wrong()),
    }
}

/// `256 MB`, `1 GiB`, or a number of bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size: write 256 MB, 1 GiB or a number of bytes");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn spans_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("6h", 21_600),
            ("1h 30m", 5_400),
            ("2d", 172_800),
        ] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for wrong in ["", "6", "h", "6 parsecs", "-1h", "1h30", "99999999999w"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, size) in [("256 MB", 256_000_000), ("1GiB", 1 << 30), ("17", 17)] {
            assert_eq!(bytes(text).unwrap(), size, "{text}");
        }
        for wrong in ["", "MB", "0", "0 MB", "1.5 GB", "-1", "3 apples"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
