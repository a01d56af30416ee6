//! A position of a numbering scheme and the order of positions along a chain.

use std::fmt;
use std::str::FromStr;

use crate::scheme::Scheme;

/// A position such as `111A`: a number and, for insertions, a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The number, from 1.
    pub number: u16,
    /// The insertion code, an ASCII capital letter.
    pub insertion: Option<u8>,
}

impl Position {
    /// A position without an insertion code.
    pub const fn new(number: u16) -> Self {
        Self {
            number,
            insertion: None,
        }
    }

    /// A position with an insertion code.
    pub const fn inserted(number: u16, code: u8) -> Self {
        Self {
            number,
            insertion: Some(code),
        }
    }

    /// A key by which positions of `scheme` sort in the order of the chain.
    ///
    /// Insertions follow their position (`52, 52A, 52B`), except that IMGT's `33`, `61` and `112` are preceded by theirs in
    /// reverse (`112B, 112A, 112`), because IMGT fills a loop from both sides.
    pub fn order(self, scheme: Scheme) -> (u16, i16) {
        let code = self
            .insertion
            .map_or(0, |letter| i16::from(letter) - i16::from(b'A') + 1);
        let reversed = scheme == Scheme::Imgt && matches!(self.number, 33 | 61 | 112);
        (self.number, if reversed { -code } else { code })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.insertion {
            None => write!(f, "{}", self.number),
            Some(letter) => write!(f, "{}{}", self.number, char::from(letter)),
        }
    }
}

/// Text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no position: a number and, for an insertion, a letter, such as 105 or 111A")]
pub struct UnknownPosition {
    /// What was given.
    pub text: String,
}

impl FromStr for Position {
    type Err = UnknownPosition;

    /// White space around it is ignored; the letter may be in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownPosition {
            text: text.to_owned(),
        };
        let trimmed = text.trim();
        let (digits, insertion) = match trimmed.as_bytes().last() {
            Some(letter) if letter.is_ascii_alphabetic() => (
                &trimmed[..trimmed.len() - 1],
                Some(letter.to_ascii_uppercase()),
            ),
            _ => (trimmed, None),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits
            .parse()
            .ok()
            .filter(|number| is_number && *number > 0);
        Ok(Self {
            number: number.ok_or_else(unknown)?,
            insertion,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        assert_eq!("105".parse(), Ok(Position::new(105)));
        assert_eq!(" 111a ".parse(), Ok(Position::inserted(111, b'A')));
        for text in [
            "", "A", "0", "-1", "+5", "105.2", "111AB", "70000", "é", "1é",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn imgt_insertions_at_112_come_before_it_in_reverse() {
        let order = |number, code| {
            Position {
                number,
                insertion: code,
            }
            .order(Scheme::Imgt)
        };
        assert!(order(111, None) < order(111, Some(b'A')));
        assert!(order(111, Some(b'B')) < order(112, Some(b'B')));
        assert!(order(112, Some(b'B')) < order(112, Some(b'A')));
        assert!(order(112, Some(b'A')) < order(112, None));
        assert!(
            Position::new(100).order(Scheme::Kabat)
                < Position::inserted(100, b'A').order(Scheme::Kabat)
        );
    }
}
