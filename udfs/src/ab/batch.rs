//! Rows on the batch kernel: a column is aligned once, whatever is asked of it, and residues go to Arrow without a copy between.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use antibody::{Domains, Region, first_domains};
use arrow::array::{ArrayRef, StringBuilder};

use crate::args::Row;

/// The sequences of rows; empty where a row is NULL.
pub(super) fn sequences<'a, P>(rows: &[Row<'a, P>]) -> Vec<&'a [u8]> {
    let text = |row: &Row<'a, P>| row.as_ref().map_or("", |(seq, _)| seq);
    rows.iter().map(|row| text(row).as_bytes()).collect()
}

/// The first V domain of each row's sequence.
pub(super) fn first<P>(rows: &[Row<'_, P>]) -> Rc<Domains> {
    first_domains(&sequences(rows))
}

/// A region (IMGT) of each row's first V domain.
pub(super) fn region(rows: &[Row<'_, ()>], region: Region) -> ArrayRef {
    let domains = first(rows);
    let mut builder = StringBuilder::with_capacity(rows.len(), 16 * rows.len());
    for (index, row) in rows.iter().enumerate() {
        let range = domains.first(index).ok();
        let range = range.and_then(|domain| domains.region(domain, region));
        append(&mut builder, row.map_or("", |(seq, ())| seq), range);
    }
    Arc::new(builder.finish())
}

/// A word about each row's first V domain.
pub(super) fn word(
    rows: &[Row<'_, ()>],
    word: impl Fn(&Domains, usize) -> &'static str,
) -> ArrayRef {
    let domains = first(rows);
    let mut builder = StringBuilder::with_capacity(rows.len(), 5 * rows.len());
    for index in 0..rows.len() {
        let domain = domains.first(index).ok();
        builder.append_option(domain.map(|domain| word(&domains, domain)));
    }
    Arc::new(builder.finish())
}

/// Appends the residues of a part of a sequence, upper case, without gaps; NULL where there is no part.
pub(super) fn append(builder: &mut StringBuilder, seq: &str, range: Option<Range<usize>>) {
    let Some(part) = range.and_then(|range| seq.get(range)) else {
        builder.append_null();
        return;
    };
    if part.bytes().all(|byte| byte.is_ascii_uppercase()) {
        builder.append_value(part);
        return;
    }
    let letters = part.chars().filter(char::is_ascii_alphabetic);
    let residues: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
    builder.append_value(residues);
}

/// The one row of a test.
#[cfg(test)]
pub(super) fn only(array: &ArrayRef) -> Option<&str> {
    use arrow::array::{Array, AsArray};

    let texts = array.as_string::<i32>();
    (texts.len() == 1 && texts.is_valid(0)).then(|| texts.value(0))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn residues_come_out_in_upper_case_without_gaps_and_nulls_stay() {
        let gapped = format!("mk {}-{}", &VH[..100].to_lowercase(), &VH[100..]);
        let rows = [
            Some((VH, ())),
            None,
            Some((gapped.as_str(), ())),
            Some(("PEPTIDE", ())),
        ];
        let found = region(&rows, Region::Cdr3);
        let found: Vec<_> = found.as_string::<i32>().iter().collect();
        assert_eq!(
            found,
            [Some("SRWGGDGFYAMDY"), None, Some("SRWGGDGFYAMDY"), None]
        );
        let chains = word(&rows, |domains, domain| {
            domains.loci[domain].chain().as_str()
        });
        assert!(chains.is_null(1) && chains.is_null(3));
        assert_eq!(chains.as_string::<i32>().value(2), "heavy");
    }
}
