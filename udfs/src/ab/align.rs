//! `ab_align(seq)`: the V domain in fixed columns.

use std::sync::Arc;

use antibody::NumberingError;
use arrow::array::{ArrayRef, ListArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use super::batch;
use super::number::{position_field, position_fields};
use crate::args::{self, NO_PARAMETER, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbAlign {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Lays the first V domain out in fixed columns, so that domains can be compared column by column. Returns a struct: `aligned`, text of 152 characters, `-` where a column is empty; `unplaced`, a list of `{position, residue}` for residues that have no column (empty for nearly all domains); `chain`; and `error`, the reason where the sequence cannot be numbered, as in `ab_number`, with NULL in the other fields. The columns are IMGT's positions (Lefranc et al. 2003) in this order and never change: 1–111, 111A–111L, 112L–112A, 112–128, the insertions of CDR3 that the canonical alignment of KA-Search has (Olsen et al. 2023, Sci Rep 13:11612). Where nothing is unplaced, `aligned` is the lake's `imgt_aligned_aa`.",
    syntax_example = "ab_align(seq)",
    sql_example = r#"```sql
> SELECT substr(a['aligned'], 105, 37) AS cdr3_columns, a['unplaced'] AS unplaced, a['chain'] AS chain
  FROM (SELECT ab_align('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS') AS a);
+---------------------------------------+----------+-------+
| cdr3_columns                          | unplaced | chain |
+---------------------------------------+----------+-------+
| SRWGGDG------------------------FYAMDY | []       | heavy |
+---------------------------------------+----------+-------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    related_udf(name = "ab_number"),
    related_udf(name = "ab_identity")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbAlign {
    signature: Signature,
}

impl ScalarUDFImpl for AbAlign {
    fn name(&self) -> &str {
        "ab_align"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| {
            Ok(Arc::new(alignments(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("aligned", DataType::Utf8, true),
        Field::new("unplaced", DataType::List(position_field()), true),
        Field::new("chain", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
    ])
}

fn alignments(rows: &[Row<'_, ()>]) -> Result<StructArray> {
    let mut aligned = StringBuilder::new();
    let mut position = StringBuilder::new();
    let mut residue = StringBuilder::new();
    let mut lengths = Vec::with_capacity(rows.len());
    let mut chain = StringBuilder::new();
    let mut error = StringBuilder::new();
    let mut numbered = Vec::with_capacity(rows.len());
    let domains = batch::first(rows);
    let mut positions = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let found = row.map(|(seq, ())| {
            let domain = domains.first(index)?;
            let aligned = domains.aligned(domain, seq.as_bytes(), &mut positions)?;
            Ok((aligned, domains.loci[domain].chain()))
        });
        let found: Option<std::result::Result<_, NumberingError>> = found;
        let (domain, failed) = match found {
            None => (None, None),
            Some(Ok(domain)) => (Some(domain), None),
            Some(Err(failed)) => (None, Some(failed)),
        };
        error.append_option(failed.map(|error| error.code()));
        chain.append_option(domain.as_ref().map(|(_, chain)| chain.as_str()));
        aligned.append_option(domain.as_ref().map(|(aligned, _)| aligned.text.as_str()));
        numbered.push(domain.is_some());
        let unplaced = domain.map_or_else(Vec::new, |(aligned, _)| aligned.unplaced);
        for (place, letter) in &unplaced {
            position.append_value(place.to_string());
            residue.append_value(char::from(*letter).to_string());
        }
        lengths.push(unplaced.len());
    }
    let unplaced = StructArray::try_new(
        position_fields(),
        vec![Arc::new(position.finish()), Arc::new(residue.finish())],
        None,
    )?;
    let unplaced = ListArray::try_new(
        position_field(),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(unplaced),
        Some(NullBuffer::from(numbered)),
    )?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(aligned.finish()),
        Arc::new(unplaced),
        Arc::new(chain.finish()),
        Arc::new(error.finish()),
    ];
    let valid: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<_>>().into();
    Ok(StructArray::try_new(fields(), columns, Some(valid))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn a_row_has_columns_or_a_reason() {
        let vh = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
        let found = alignments(&[Some((vh, ())), Some(("PEPTIDE", ())), None]).unwrap();
        let aligned = found.column(0).as_string::<i32>();
        assert_eq!(aligned.value(0).len(), antibody::ALIGNED_COLUMNS);
        assert_eq!(aligned.value(0).replace('-', ""), vh);
        let unplaced = found.column(1).as_list::<i32>();
        assert_eq!(unplaced.value(0).len(), 0);
        assert!(unplaced.is_valid(0) && unplaced.is_null(1));
        assert_eq!(found.column(3).as_string::<i32>().value(1), "too_short");
        assert!(found.is_null(2));
    }
}
