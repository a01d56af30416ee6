//! Which format a file has: its content decides, its name breaks ties.

use super::{Format, all};
use crate::error::{Error, Result};

/// How many decompressed bytes [`detect`] wants to see; it takes fewer where a file is shorter.
pub const DETECT_BYTES: usize = 64 << 10;

/// The format that a file's first decompressed bytes show.
///
/// # Errors
/// An empty file, and one that no format knows.
pub fn detect(head: &[u8], file_name: &str) -> Result<&'static dyn Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if head.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Invalid(format!(
            "{file_name} is empty: there is nothing to read"
        )));
    }
    all()
        .iter()
        .copied()
        .map(|format| (format.detect(head, file_name), format))
        .filter(|(sure, _)| *sure > 0)
        // The first of equals, as in the list.
        .rev()
        .max_by_key(|(sure, _)| *sure)
        .map(|(_, format)| format)
        .ok_or_else(|| {
            Error::Invalid(format!(
                "the format of {file_name} is not known: say which it is (--input-format), one of {}",
                names()
            ))
        })
}

/// The format of this name.
///
/// # Errors
/// A name that no format has.
pub fn by_name(name: &str) -> Result<&'static dyn Format> {
    all()
        .iter()
        .copied()
        .find(|format| format.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "there is no format '{name}': name one of {}",
                names()
            ))
        })
}

fn names() -> String {
    let names: Vec<&str> = all().iter().map(|format| format.name()).collect();
    names.join(", ")
}

/// The first lines of a head; the last may be cut.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether a file's name, without what compression adds, ends in one of these.
pub(super) fn has_extension(file_name: &str, extensions: &[&str]) -> bool {
    let name = file_name.to_ascii_lowercase();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    let name = name.strip_suffix(".txt").unwrap_or(name);
    extensions.iter().any(|extension| {
        name.strip_suffix(extension)
            .is_some_and(|stem| stem.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn name(head: &str, file_name: &str) -> String {
        match detect(head.as_bytes(), file_name) {
            Ok(format) => format.name().to_string(),
            Err(error) => error.to_string(),
        }
    }

    const AIRR: &str = "sequence_id\tsequence\trev_comp\tproductive\tv_call\td_call\tj_call\n";
    const OAS: &str =
        "\"{\"\"Run\"\": \"\"R1\"\"}\"\nsequence,locus,v_call,sequence_alignment_aa\n";

    #[test]
    fn content_decides_whatever_the_name() {
        for file_name in ["x.fasta", "x.tsv", "x.csv.gz", "x", "x.json", "x.yaml"] {
            assert_eq!(name(">a\nEVQ\n", file_name), "fasta");
            assert_eq!(name("\u{feff}\r\n>a\r\nEVQ\r\n", file_name), "fasta");
            assert_eq!(name(AIRR, file_name), "airr");
            assert_eq!(name(&format!("\u{feff}{AIRR}"), file_name), "airr");
            assert_eq!(name(OAS, file_name), "oas");
            assert_eq!(name("{\"Repertoire\": []}", file_name), "airr-repertoire");
            assert_eq!(
                name("# c\nInfo:\n  v: 1\nRepertoire:\n- {}\n", file_name),
                "airr-repertoire"
            );
        }
    }

    #[test]
    fn a_table_of_data_units_without_its_first_line_is_still_theirs() {
        assert_eq!(name(OAS.split_once('\n').unwrap().1, "x.csv"), "oas");
    }

    #[test]
    fn an_unknown_file_is_told_the_formats_and_the_flag() {
        let message = name("a,b,c\n1,2,3\n", "x.csv");
        for word in [
            "x.csv",
            "fasta",
            "airr",
            "oas",
            "airr-repertoire",
            "--input-format",
        ] {
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn an_empty_file_is_called_empty() {
        assert!(name("", "x.fasta").contains("x.fasta is empty"));
        assert!(name("\u{feff}\r\n", "x.fasta").contains("is empty"));
    }

    #[test]
    fn a_format_is_found_by_its_name() {
        assert_eq!(by_name("FASTA").unwrap().name(), "fasta");
        assert!(by_name("fastq").unwrap_err().to_string().contains("oas"));
    }

    #[test]
    fn compression_does_not_hide_an_extension() {
        assert!(has_extension("a.FA.gz", &["fa"]));
        assert!(has_extension("a.fa.txt.gz", &["fa"]));
        assert!(has_extension("a.fasta.zst", &["fasta"]));
        assert!(!has_extension("fa", &["fa"]));
    }
}
