//! `ab_cdr_lengths(seq [, definition])`: residues in each CDR.

use std::ops::Range;
use std::sync::Arc;

use antibody::{Definition, NumberingError};
use arrow::array::{ArrayRef, Int32Builder, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
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
    Arc::new(ScalarUDF::from(AbCdrLengths {
        signature: args::text_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The lengths of the CDRs of the first V domain. Returns a struct: `cdr1_length`, `cdr2_length`, `cdr3_length` (residues; NULL where the domain does not hold the CDR whole), `scheme` and `definition` (what was counted), `error`. A sequence that cannot be numbered in the definition's scheme has NULL in the other fields and the reason in `error`, as in `ab_number`; where that is `too_many_insertions`, the IMGT lengths may still be had. Definitions as in `ab_regions`.",
    syntax_example = "ab_cdr_lengths(seq [, definition])",
    sql_example = r#"```sql
> SELECT ab_cdr_lengths('DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK') AS imgt;
+-------------------------------------------------------------------------------------------+
| imgt                                                                                      |
+-------------------------------------------------------------------------------------------+
| {cdr1_length: 6, cdr2_length: 3, cdr3_length: 9, scheme: imgt, definition: imgt, error: } |
+-------------------------------------------------------------------------------------------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "definition",
        description = "`imgt` (default), `kabat`, `chothia`, `chothia_wide`, `abm`, `contact`, `north` or `aho`, either case. Another name is an error."
    ),
    related_udf(name = "ab_regions")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbCdrLengths {
    signature: Signature,
}

impl ScalarUDFImpl for AbCdrLengths {
    fn name(&self) -> &str {
        "ab_cdr_lengths"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Definition>(&args, 1)?;
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Struct(fields()),
            true,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, definition @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs a sequence", self.name()));
        };
        let definition = args::named(definition.first(), Definition::Imgt)?;
        args::map(seq, &definition, args.number_rows, |rows| {
            Ok(Arc::new(lengths(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("cdr1_length", DataType::Int32, true),
        Field::new("cdr2_length", DataType::Int32, true),
        Field::new("cdr3_length", DataType::Int32, true),
        Field::new("scheme", DataType::Utf8, true),
        Field::new("definition", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
    ])
}

fn lengths(rows: &[Row<'_, Definition>]) -> Result<StructArray> {
    let mut lengths: [Int32Builder; 3] = Default::default();
    let mut texts: [StringBuilder; 3] = Default::default();
    let domains = batch::first(rows);
    let mut positions = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let found = row.map(|(seq, definition)| {
            let domain = domains.first(index)?;
            let ranges = domains.regions(domain, seq.as_bytes(), definition, &mut positions)?;
            let [_, cdr1, _, cdr2, _, cdr3, _] = ranges;
            let lengths = [cdr1, cdr2, cdr3].map(|cdr| cdr.map(|range| residues(seq, range)));
            Ok::<_, NumberingError>((definition, lengths))
        });
        let (found, error) = match found {
            None => (None, None),
            Some(Ok(found)) => (Some(found), None),
            Some(Err(error)) => (None, Some(error.code())),
        };
        let counted = found.map_or([None; 3], |(_, lengths)| lengths);
        for (builder, length) in lengths.iter_mut().zip(counted) {
            builder.append_option(length);
        }
        let definition = found.map(|(definition, _)| definition);
        let named = [
            definition.map(|definition| definition.scheme().as_str()),
            definition.map(Definition::as_str),
            error,
        ];
        for (builder, text) in texts.iter_mut().zip(named) {
            builder.append_option(text);
        }
    }
    let lengths = lengths
        .iter_mut()
        .map(|builder| Arc::new(builder.finish()) as ArrayRef);
    let texts = texts
        .iter_mut()
        .map(|builder| Arc::new(builder.finish()) as ArrayRef);
    let columns = lengths.chain(texts).collect();
    let valid: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<_>>().into();
    Ok(StructArray::try_new(fields(), columns, Some(valid))?)
}

/// How many residues a part of a sequence has; gaps are none.
fn residues(seq: &str, range: Range<usize>) -> i32 {
    let bytes = seq.as_bytes().get(range).unwrap_or_default();
    let residues = bytes.iter().filter(|byte| byte.is_ascii_alphabetic());
    i32::try_from(residues.count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn lengths_depend_on_the_definition() {
        let vh = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
        let rows = [
            Some((vh, Definition::Imgt)),
            Some((vh, Definition::North)),
            Some(("PEPTIDE", Definition::North)),
            None,
        ];
        let found = lengths(&rows).unwrap();
        let cdr1 = found.column(0).as_primitive::<Int32Type>();
        let cdr1: Vec<_> = cdr1.iter().collect();
        assert_eq!(cdr1, [Some(8), Some(13), None, None]);
        let schemes: Vec<_> = found.column(3).as_string::<i32>().iter().collect();
        assert_eq!(schemes, [Some("imgt"), Some("aho"), None, None]);
        assert!(found.is_valid(2) && found.is_null(3));
    }
}
