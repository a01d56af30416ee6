//! `ab_number(seq [, scheme])`: the position of every residue of the first V domain.

use std::fmt::Write;
use std::sync::Arc;

use antibody::{Numbering, NumberingError, Scheme, numberer};
use arrow::array::{
    Array, ArrayRef, Float32Builder, Int32Builder, ListArray, StringBuilder, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbNumber {
        signature: args::text_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Numbers the first V domain of an amino acid sequence. Returns a struct: `locus` (`IGH`, `IGK`, …), `chain` (`heavy`, `light`, …), `scheme`, `confidence` (share of the best possible alignment score, 0–1), `start` and `end` (1-based, closed, in the given sequence), `positions` (a list of `{position, residue}`, one a residue, positions as text such as `111A`), and `error`. A sequence that cannot be numbered, or not wholly, has NULL in all other fields and the reason in `error`: `empty`, `too_short` (below 60 residues), `too_long` (above 10,000), `not_amino_acids`, `no_v_domain`, `stop_codon`, `too_many_insertions` (the scheme has no codes for them), `scheme_unsupported` (T cell receptors are numbered in IMGT only). White space and gaps are no residues; unknown residues are numbered. Schemes: IMGT (Lefranc et al. 2003), Kabat (Kabat et al. 1991), Chothia (Al-Lazikani et al. 1997), Martin (Abhinandan & Martin 2008), AHo (Honegger & Plückthun 2001).",
    syntax_example = "ab_number(seq [, scheme])",
    sql_example = r#"```sql
> SELECT n['locus'] AS locus, n['start'] AS "start", n['end'] AS "end", n['positions'][30] AS thirtieth
  FROM (SELECT ab_number('MKEVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'imgt') AS n);
+-------+-------+-----+----------------------------+
| locus | start | end | thirtieth                  |
+-------+-------+-----+----------------------------+
| IGH   | 3     | 122 | {position: 35, residue: K} |
+-------+-------+-----+----------------------------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "scheme",
        description = "`imgt` (default), `kabat`, `chothia`, `martin` or `aho`, either case. Another name is an error."
    ),
    related_udf(name = "ab_regions"),
    related_udf(name = "ab_domains")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbNumber {
    signature: Signature,
}

impl ScalarUDFImpl for AbNumber {
    fn name(&self) -> &str {
        "ab_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Scheme>(&args, 1)?;
        let data_type = DataType::Struct(fields());
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, scheme @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs a sequence", self.name()));
        };
        let scheme = args::named(scheme.first(), Scheme::Imgt)?;
        args::map(seq, &scheme, args.number_rows, |rows| {
            Ok(Arc::new(numberings(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("locus", DataType::Utf8, true),
        Field::new("chain", DataType::Utf8, true),
        Field::new("scheme", DataType::Utf8, true),
        Field::new("confidence", DataType::Float32, true),
        Field::new("start", DataType::Int32, true),
        Field::new("end", DataType::Int32, true),
        Field::new("positions", DataType::List(position_field()), true),
        Field::new("error", DataType::Utf8, true),
    ])
}

/// An item of a list of positions.
pub(super) fn position_field() -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(position_fields()),
        true,
    ))
}

/// A position and its residue.
pub(super) fn position_fields() -> Fields {
    Fields::from(vec![
        Field::new("position", DataType::Utf8, true),
        Field::new("residue", DataType::Utf8, true),
    ])
}

fn numberings(rows: &[Row<'_, Scheme>]) -> Result<StructArray> {
    let mut columns = Columns::default();
    for row in rows {
        match row {
            None => columns.append(None, None, false),
            Some((seq, scheme)) => match numberer().number(seq.as_bytes(), *scheme) {
                Ok(numbering) => columns.append(Some((seq, &numbering)), None, true),
                Err(error) => columns.append(None, Some(&error), true),
            },
        }
    }
    columns.finish()
}

/// The result under construction.
#[derive(Default)]
struct Columns {
    locus: StringBuilder,
    chain: StringBuilder,
    scheme: StringBuilder,
    confidence: Float32Builder,
    start: Int32Builder,
    end: Int32Builder,
    position: StringBuilder,
    residue: StringBuilder,
    lengths: Vec<usize>,
    error: StringBuilder,
    numbered: Vec<bool>,
    valid: Vec<bool>,
}

impl Columns {
    fn append(
        &mut self,
        numbered: Option<(&str, &Numbering)>,
        error: Option<&NumberingError>,
        valid: bool,
    ) {
        let numbering = numbered.map(|(_, numbering)| numbering);
        let locus = numbering.map(|numbering| numbering.locus);
        self.locus.append_option(locus.map(|locus| locus.as_str()));
        self.chain
            .append_option(locus.map(|locus| locus.chain().as_str()));
        self.scheme
            .append_option(numbering.map(|numbering| numbering.scheme.as_str()));
        self.confidence
            .append_option(numbering.map(|numbering| numbering.confidence));
        self.start
            .append_option(numbering.and_then(|numbering| i32::try_from(numbering.start).ok()));
        self.end
            .append_option(numbering.and_then(|numbering| i32::try_from(numbering.end).ok()));
        self.error.append_option(error.map(NumberingError::code));
        let mut residues = 0;
        if let Some((seq, numbering)) = numbered {
            for (position, residue) in numbering.residues(seq.as_bytes()) {
                // Writing to a builder cannot fail; the value ends where the next is appended.
                let _ = write!(self.position, "{position}");
                self.position.append_value("");
                let _ = self.residue.write_char(char::from(residue));
                self.residue.append_value("");
                residues += 1;
            }
        }
        self.lengths.push(residues);
        self.numbered.push(numbered.is_some());
        self.valid.push(valid);
    }

    fn finish(mut self) -> Result<StructArray> {
        let positions = StructArray::try_new(
            position_fields(),
            vec![
                Arc::new(self.position.finish()),
                Arc::new(self.residue.finish()),
            ],
            None,
        )?;
        let positions = ListArray::try_new(
            position_field(),
            OffsetBuffer::from_lengths(self.lengths),
            Arc::new(positions),
            Some(NullBuffer::from(self.numbered)),
        )?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.locus.finish()),
            Arc::new(self.chain.finish()),
            Arc::new(self.scheme.finish()),
            Arc::new(self.confidence.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.end.finish()),
            Arc::new(positions),
            Arc::new(self.error.finish()),
        ];
        let valid = NullBuffer::from(self.valid);
        let result = StructArray::try_new(fields(), columns, Some(valid))?;
        debug_assert_eq!(result.data_type(), &DataType::Struct(fields()));
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn a_reason_is_given_only_where_a_sequence_is_not_numbered() {
        let vh = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
        let rows = [
            Some((vh, Scheme::Kabat)),
            Some(("PEPTIDE", Scheme::Imgt)),
            None,
        ];
        let numbered = numberings(&rows).unwrap();
        let valid: Vec<bool> = (0..3).map(|row| numbered.is_valid(row)).collect();
        assert_eq!(valid, [true, true, false]);
        let errors: Vec<_> = numbered.column(7).as_string::<i32>().iter().collect();
        assert_eq!(errors, [None, Some("too_short"), None]);
        let positions = numbered.column(6).as_list::<i32>();
        assert_eq!(positions.value(0).len(), vh.len());
        assert!(positions.is_null(1) && positions.is_null(2));
    }
}
