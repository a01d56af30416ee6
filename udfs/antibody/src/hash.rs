//! The identity of a polypeptide: a hash that does not see case, line breaks, gaps or a final stop.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The sequence that is hashed: upper case, without white space, gaps (`-`, `.`) and one `*` at its end.
pub fn canonical(seq: &[u8]) -> Cow<'_, [u8]> {
    if seq.iter().all(|byte| is_plain(*byte)) {
        return Cow::Borrowed(seq.strip_suffix(b"*").unwrap_or(seq));
    }
    let mut residues: Vec<u8> = seq
        .iter()
        .filter(|byte| !is_skipped(**byte))
        .map(u8::to_ascii_uppercase)
        .collect();
    if residues.last() == Some(&b'*') {
        residues.pop();
    }
    Cow::Owned(residues)
}

/// SHA-256 of [`canonical`], 64 lower-case hexadecimal digits. `None` if nothing is left to hash.
pub fn sequence_hash(seq: &[u8]) -> Option<String> {
    let residues = canonical(seq);
    if residues.is_empty() {
        return None;
    }
    Some(hex(&Sha256::digest(&residues)))
}

/// Bytes as lower-case hexadecimal digits, two each.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut hex = String::with_capacity(2 * bytes.len());
    hex.extend(digits.map(|digit| char::from(DIGITS[usize::from(digit)])));
    hex
}

fn is_skipped(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'-' | b'.' | 0x0b)
}

fn is_plain(byte: u8) -> bool {
    !byte.is_ascii_lowercase() && !is_skipped(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_space_gaps_and_one_final_stop_do_not_change_the_hash() {
        let plain = sequence_hash(b"EVQLV");
        for same in [
            b"evqlv".as_slice(),
            b"EVQLV*",
            b"EV-QL.V",
            b" EVQ\nLV* \r\n",
            b"E V Q L V",
        ] {
            assert_eq!(
                sequence_hash(same),
                plain,
                "{}",
                String::from_utf8_lossy(same)
            );
        }
        assert_ne!(sequence_hash(b"EVQLV**"), plain);
        assert_ne!(sequence_hash(b"EVQ*LV"), plain);
    }

    #[test]
    fn the_hash_is_sha_256_in_hexadecimal() {
        assert_eq!(
            sequence_hash(b"abc").as_deref(),
            Some("b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78")
        );
    }

    #[test]
    fn nothing_has_no_hash() {
        assert_eq!(sequence_hash(b""), None);
        assert_eq!(sequence_hash(b" -*\n"), None);
    }

    #[test]
    fn a_plain_sequence_is_not_copied() {
        assert!(matches!(canonical(b"EVQLV*"), Cow::Borrowed(b"EVQLV")));
    }
}
