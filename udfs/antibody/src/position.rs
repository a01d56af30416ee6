//! A position of a numbering scheme and the order of positions along a chain.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
