//! What AIRR says about the fields of a Rearrangement (schema v2.0): their types, and cells that fit them.

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::export::cells::is_text;
use crate::formats::{AIRR_REQUIRED, AIRR_SUBSTANCE};

/// What AIRR says about the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Integer,
    Number,
}

/// Type of a field of AIRR's schema (v2.0, Rearrangement); custom columns are text.
pub(super) fn kind(name: &str) -> Kind {
    match name {
        "rev_comp" | "productive" | "vj_in_frame" | "stop_codon" | "complete_vdj"
        | "v_frameshift" | "j_frameshift" => return Kind::Flag,
        "consensus_count" | "duplicate_count" | "umi_count" | "d_frame" | "d2_frame"
        | "junction_length" | "junction_aa_length" | "np1_length" | "np2_length" | "np3_length"
        | "n1_length" | "n2_length" | "n3_length" | "p3v_length" | "p5d_length" | "p3d_length"
        | "p5d2_length" | "p3d2_length" | "p5j_length" => return Kind::Integer,
        _ => {}
    }
    let Some((part, what)) = name.split_once('_') else {
        return Kind::Text;
    };
    match (part, what) {
        ("v" | "d" | "d2" | "j" | "c", "score" | "identity" | "support") => Kind::Number,
        (
            "v" | "d" | "d2" | "j" | "c",
            "sequence_start" | "sequence_end" | "germline_start" | "germline_end"
            | "alignment_start" | "alignment_end",
        )
        | ("cdr1" | "cdr2" | "cdr3" | "fwr1" | "fwr2" | "fwr3" | "fwr4", "start" | "end") => {
            Kind::Integer
        }
        _ => Kind::Text,
    }
}

/// Refuses a column of a type that AIRR does not have there.
///
/// # Errors
/// `Invalid`, with the cast that helps.
pub(super) fn check_kind(name: &str, data_type: &DataType) -> Result<()> {
    let is_null = *data_type == DataType::Null;
    let (fits, wanted) = match kind(name) {
        Kind::Flag => (*data_type == DataType::Boolean, "BOOLEAN"),
        Kind::Integer => (data_type.is_integer(), "BIGINT"),
        Kind::Number => (data_type.is_numeric(), "DOUBLE"),
        Kind::Text if AIRR_REQUIRED.contains(&name) || AIRR_SUBSTANCE.contains(&name) => {
            (is_text(data_type), "VARCHAR")
        }
        Kind::Text => (true, ""),
    };
    match fits || is_null {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "FORMAT airr: column {name} is {data_type}, and AIRR has {wanted} there; write CAST({name} AS {wanted}) AS {name}"
        ))),
    }
}

/// A cell of the source as AIRR wants it; `None` where it is not what the column says.
pub(super) fn fit(kind: Kind, text: &str) -> Option<&str> {
    let plain = text.trim();
    match kind {
        Kind::Text => Some(text),
        Kind::Flag => match plain {
            "T" | "t" | "true" | "True" | "TRUE" | "1" => Some("T"),
            "F" | "f" | "false" | "False" | "FALSE" | "0" => Some("F"),
            _ => None,
        },
        Kind::Integer => {
            // Data frames turn counts into 12.0.
            let whole = plain.split_once('.').map_or(plain, |(whole, fraction)| {
                match fraction.bytes().all(|digit| digit == b'0') {
                    true => whole,
                    false => plain,
                }
            });
            whole.parse::<i64>().is_ok().then_some(whole)
        }
        Kind::Number => plain
            .parse::<f64>()
            .is_ok_and(f64::is_finite)
            .then_some(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_attributes_are_made_what_airr_says() {
        assert_eq!(fit(Kind::Flag, "true"), Some("T"));
        assert_eq!(fit(Kind::Flag, "perhaps"), None);
        assert_eq!(fit(Kind::Integer, "12.0"), Some("12"));
        assert_eq!(fit(Kind::Integer, "12.5"), None);
        assert_eq!(fit(Kind::Number, " 1e-9 "), Some("1e-9"));
        assert_eq!(fit(Kind::Number, "NA"), None);
        assert_eq!(fit(Kind::Text, " x "), Some(" x "));
    }

    #[test]
    fn kinds_are_those_of_the_standard() {
        for (name, expected) in [
            ("productive", Kind::Flag),
            ("v_sequence_start", Kind::Integer),
            ("d2_alignment_end", Kind::Integer),
            ("fwr4_end", Kind::Integer),
            ("junction_length", Kind::Integer),
            ("c_support", Kind::Number),
            ("v_call", Kind::Text),
            ("v_sequence_alignment", Kind::Text),
            ("my_start", Kind::Text),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
