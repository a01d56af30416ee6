//! `ab_mutate(seq, mutations [, scheme])`: the sequence with substitutions.

use std::sync::Arc;

use antibody::Scheme;
use arrow::array::{ArrayRef, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Parameter, Row, Texts};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbMutate {
        signature: args::two_texts_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The sequence with substitutions made in it, separated by commas: `S31A` puts alanine in the place of the serine at 31. Without a scheme numbers are 1-based indices in the given sequence; with one they are positions of the first V domain (`P52aA` is 52A). All refer to the sequence as given, whose other residues stay as they are written; an empty list changes nothing. Returns a struct of text: `sequence`, and `error`, of which one is NULL. Errors are values, so that one row does not fail a query; they begin with a stable word: `wrong_wild_type: S31A, but 31 is T`, `no_residue` (nothing stands there), `bad_mutation` (text that is no substitution), `mutated_twice`, or why the sequence cannot be numbered, as in `ab_number`.",
    syntax_example = "ab_mutate(seq, mutations [, scheme])",
    sql_example = r#"```sql
> SELECT ab_mutate('PEPTIDE', 'P1A,E7Q')['sequence'] AS seq, ab_mutate('PEPTIDE', 'S1A')['error'] AS error;
+---------+----------------------------------+
| seq     | error                            |
+---------+----------------------------------+
| AEPTIDQ | wrong_wild_type: S1A, but 1 is P |
+---------+----------------------------------+
> SELECT ab_residue(ab_mutate('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'S105A', 'imgt')['sequence'], '105') AS imgt_105;
+----------+
| imgt_105 |
+----------+
| A        |
+----------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "mutations",
        description = "Substitutions such as `'S31A'` or `'T28D,N100aQ'`, either case."
    ),
    argument(
        name = "scheme",
        description = "`imgt`, `kabat`, `chothia`, `martin` or `aho`, either case; left out, numbers are indices. Another name is an error."
    ),
    related_udf(name = "ab_residue"),
    related_udf(name = "ab_index")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbMutate {
    signature: Signature,
}

impl ScalarUDFImpl for AbMutate {
    fn name(&self) -> &str {
        "ab_mutate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Scheme>(&args, 2)?;
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Struct(fields()),
            true,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, mutations, scheme @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!(
                "{} needs a sequence and mutations",
                self.name()
            ));
        };
        let scheme = match scheme.first() {
            None => Parameter::Constant(Some(None)),
            Some(scheme) => args::required::<Scheme>(scheme)?.map(Some),
        };
        let texts = Texts::read(mutations)?;
        let parameter = texts.parameter()?.with(scheme);
        args::map(seq, &parameter, args.number_rows, |rows| {
            Ok(Arc::new(mutants(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("sequence", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
    ])
}

fn mutants(rows: &[Row<'_, (&str, Option<Scheme>)>]) -> Result<StructArray> {
    let mut sequences = StringBuilder::new();
    let mut errors = StringBuilder::new();
    for row in rows {
        let mutant = row.map(|(seq, (mutations, scheme))| mutant(seq, mutations, scheme));
        let (sequence, error) = match mutant {
            None => (None, None),
            Some(Ok(sequence)) => (Some(sequence), None),
            Some(Err(error)) => (None, Some(error)),
        };
        sequences.append_option(sequence);
        errors.append_option(error);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(sequences.finish()), Arc::new(errors.finish())];
    let valid: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<_>>().into();
    Ok(StructArray::try_new(fields(), columns, Some(valid))?)
}

fn mutant(
    seq: &str,
    mutations: &str,
    scheme: Option<Scheme>,
) -> std::result::Result<String, String> {
    let mutated = antibody::mutate(seq.as_bytes(), mutations, scheme);
    let mutated = mutated.map_err(|error| format!("{}: {error}", error.code()))?;
    // Letters took the places of letters, so that this cannot fail.
    String::from_utf8(mutated).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn a_row_has_a_sequence_or_an_error_and_null_has_neither() {
        let rows = [
            Some(("PEPTIDE", ("P1A", None))),
            Some(("PEPTIDE", ("A1P", None))),
            Some(("PEPTIDE", ("P1A", Some(Scheme::Kabat)))),
            None,
        ];
        let made = mutants(&rows).unwrap();
        let text = |column: usize| {
            let column = made.column(column).as_string::<i32>();
            (0..4).map(|row| column.is_valid(row)).collect::<Vec<_>>()
        };
        assert_eq!(text(0), [true, false, false, false]);
        assert_eq!(text(1), [false, true, true, false]);
        assert!(made.is_null(3));
    }
}
