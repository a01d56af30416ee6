//! Which characters a sequence may hold, and how to say where one is not.

/// What a character may stand for.
const AMINO_ACID: u8 = 1;
const NUCLEOTIDE: u8 = 2;
/// An amino acid, or a mark that annotation programs put where a frame shifts.
const ANNOTATED: u8 = 4;

/// Letters (unknown residues too), stops and gaps are amino acids; IUPAC codes and gaps are nucleotides.
static LETTERS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut letter = 0;
    while letter < 26 {
        table[b'A' as usize + letter] = AMINO_ACID | ANNOTATED;
        table[b'a' as usize + letter] = AMINO_ACID | ANNOTATED;
        letter += 1;
    }
    let codes = b"ACGTUNRYKMSWBDHV";
    let mut code = 0;
    while code < codes.len() {
        table[codes[code] as usize] |= NUCLEOTIDE;
        table[codes[code].to_ascii_lowercase() as usize] |= NUCLEOTIDE;
        code += 1;
    }
    table[b'*' as usize] = AMINO_ACID | ANNOTATED;
    table[b'-' as usize] = AMINO_ACID | NUCLEOTIDE | ANNOTATED;
    table[b'.' as usize] = AMINO_ACID | NUCLEOTIDE | ANNOTATED;
    table[b'_' as usize] = ANNOTATED;
    table[b'#' as usize] = ANNOTATED;
    table[b'~' as usize] = ANNOTATED;
    table
};

/// The first character that is no amino acid, with its 1-based position.
pub(super) fn not_amino_acid(sequence: &[u8]) -> Option<Stranger> {
    find(sequence, AMINO_ACID)
}

/// The first character that is no nucleotide, with its 1-based position.
pub(super) fn not_nucleotide(sequence: &[u8]) -> Option<Stranger> {
    find(sequence, NUCLEOTIDE)
}

/// The first character that is neither an amino acid nor a mark of a frameshift (`_`, `#`, `~`).
pub(super) fn not_annotated(sequence: &[u8]) -> Option<Stranger> {
    find(sequence, ANNOTATED)
}

/// A character that does not belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stranger {
    character: char,
    position: usize,
}

impl std::fmt::Display for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (character, position) = (self.character, self.position);
        match character {
            char::REPLACEMENT_CHARACTER => {
                write!(f, "a byte at position {position} that is not valid UTF-8")
            }
            _ if character.is_control() => {
                write!(f, "{character:?} at position {position}")
            }
            _ => write!(f, "'{character}' at position {position}"),
        }
    }
}

fn find(sequence: &[u8], kind: u8) -> Option<Stranger> {
    let offset = sequence
        .iter()
        .position(|byte| LETTERS[usize::from(*byte)] & kind == 0)?;
    let rest = &sequence[offset..sequence.len().min(offset + 4)];
    let character = String::from_utf8_lossy(rest)
        .chars()
        .next()
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(Stranger {
        character,
        position: offset + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(found: Option<Stranger>) -> String {
        found.map(|f| f.to_string()).unwrap_or_default()
    }

    #[test]
    fn unusual_residues_in_either_case_are_residues() {
        assert_eq!(not_amino_acid(b"ACDEFGHIKLMNPQRSTVWYxX*-.BZJUObzjuo"), None);
        assert_eq!(not_nucleotide(b"ACGTUNRYKMSWBDHVacgtunrykmswbdhv-."), None);
    }

    #[test]
    fn what_does_not_belong_is_named_with_its_position() {
        assert_eq!(say(not_amino_acid(b"EVQ1L")), "'1' at position 4");
        assert_eq!(say(not_amino_acid("EVé".as_bytes())), "'é' at position 3");
        assert_eq!(say(not_amino_acid(b"E\0V")), "'\\0' at position 2");
        assert_eq!(say(not_nucleotide(b"ACE")), "'E' at position 3");
        assert_eq!(
            say(not_amino_acid(b"EV\xff")),
            "a byte at position 3 that is not valid UTF-8"
        );
    }
}
