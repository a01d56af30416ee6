//! `ab_number(seq [, scheme])`: the position of every residue of the first V domain.

use std::fmt::Write;
use std::sync::Arc;

use antibody::{Domains, NumberingError, Position, Scheme};
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

use super::batch;
use crate::args::{self, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbNumber {
        signature: args::text_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Numbers the first V domain of an amino acid sequence. Returns a struct: `locus` (`IGH`, `IGK`, …), `chain` (`heavy`, `light`, …), `scheme`, `confidence` (share of the best possible alignment score, 0–1), `start` and `end` (1-based, closed, in the given sequence), `positions` (a list of `{position, residue}`, one a residue, positions as text such as `111A`), and `error`. A sequence that cannot be numbered, or not wholly, has NULL in all other fields and the reason in `error`: `empty`, `too_short` (below 60 residues), `too_long` (above 20 million), `not_amino_acids`, `no_v_domain`, `stop_codon`, `too_many_insertions` (the scheme has no codes for them), `scheme_unsupported` (T cell receptors are numbered in IMGT only). White space and gaps are no residues; unknown residues are numbered. Schemes: IMGT (Lefranc et al. 2003), Kabat (Kabat et al. 1991), Chothia (Al-Lazikani et al. 1997), Martin (Abhinandan & Martin 2008), AHo (Honegger & Plückthun 2001).",
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
    let domains = batch::first(rows);
    for (index, row) in rows.iter().enumerate() {
        match row {
            None => columns.append_null(),
            Some((seq, scheme)) => {
                let numbered = domains
                    .first(index)
                    .and_then(|domain| columns.append(&domains, domain, seq, *scheme));
                if let Err(error) = numbered {
                    columns.append_error(&error);
                }
            }
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
    /// Those of the domain at hand.
    positions: Vec<Position>,
    error: StringBuilder,
    numbered: Vec<bool>,
    valid: Vec<bool>,
}

impl Columns {
    /// Appends a domain; nothing where the scheme cannot number it.
    fn append(
        &mut self,
        domains: &Domains,
        domain: usize,
        seq: &str,
        scheme: Scheme,
    ) -> std::result::Result<(), NumberingError> {
        self.positions.clear();
        let end = domains.positions(domain, scheme, &mut self.positions)?;
        let start = domains.span(domain).start;
        let locus = domains.loci[domain];
        self.locus.append_value(locus.as_str());
        self.chain.append_value(locus.chain().as_str());
        self.scheme.append_value(scheme.as_str());
        self.confidence.append_value(domains.confidences[domain]);
        self.start.append_option(i32::try_from(start + 1).ok());
        self.end.append_option(i32::try_from(end).ok());
        self.error.append_null();
        let bytes = seq.as_bytes().get(start..end).unwrap_or_default();
        let residues = bytes.iter().filter(|byte| byte.is_ascii_alphabetic());
        for (position, residue) in self.positions.iter().zip(residues) {
            // Writing to a builder cannot fail; the value ends where the next is appended.
            let _ = write!(self.position, "{position}");
            self.position.append_value("");
            let _ = self
                .residue
                .write_char(char::from(residue.to_ascii_uppercase()));
            self.residue.append_value("");
        }
        self.lengths.push(self.positions.len());
        self.numbered.push(true);
        self.valid.push(true);
        Ok(())
    }

    fn append_error(&mut self, error: &NumberingError) {
        self.append_empty(true);
        self.error.append_value(error.code());
    }

    fn append_null(&mut self) {
        self.append_empty(false);
        self.error.append_null();
    }

    /// All but the error.
    fn append_empty(&mut self, valid: bool) {
        self.locus.append_null();
        self.chain.append_null();
        self.scheme.append_null();
        self.confidence.append_null();
        self.start.append_null();
        self.end.append_null();
        self.lengths.push(0);
        self.numbered.push(false);
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
