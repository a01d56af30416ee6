//! `ab_residue(seq, position [, scheme])`: which residue stands at a position.

use std::sync::Arc;

use antibody::{Position, Scheme};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args;

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbResidue {
        signature: args::two_texts_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The residue, upper case, at a position of the first V domain. NULL where the position is empty, where the scheme has no such position, and where the sequence cannot be numbered; `ab_number(seq, scheme)['error']` says why.",
    syntax_example = "ab_residue(seq, position [, scheme])",
    sql_example = r#"```sql
> SELECT ab_residue('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', '105') AS imgt_105, ab_residue('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', '52A', 'kabat') AS kabat_52a;
+----------+-----------+
| imgt_105 | kabat_52a |
+----------+-----------+
| S        | P         |
+----------+-----------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "position",
        description = "Position in the scheme, a number and for insertions a letter: `'105'`, `'111A'`. Other text is an error."
    ),
    argument(
        name = "scheme",
        description = "`imgt` (default), `kabat`, `chothia`, `martin` or `aho`, either case. Another name is an error."
    ),
    related_udf(name = "ab_index"),
    related_udf(name = "ab_number"),
    related_udf(name = "ab_mutate")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbResidue {
    signature: Signature,
}

impl ScalarUDFImpl for AbResidue {
    fn name(&self) -> &str {
        "ab_residue"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Position>(&args, 1)?;
        args::check_named::<Scheme>(&args, 2)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, position, scheme @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!(
                "{} needs a sequence and a position",
                self.name()
            ));
        };
        let scheme = args::named(scheme.first(), Scheme::Imgt)?;
        let site = args::required::<Position>(position)?.with(scheme);
        args::map_text(seq, &site, args.number_rows, |seq, (position, scheme)| {
            residue(seq, position, scheme)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn residue(seq: &str, position: Position, scheme: Scheme) -> Option<String> {
    let found = antibody::residue_at(seq.as_bytes(), position, scheme);
    Some(char::from(found.ok()??).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn an_empty_position_has_none() {
        let at = |number| residue(VH, Position::new(number), Scheme::Imgt);
        assert_eq!(at(104).as_deref(), Some("C"));
        assert_eq!(at(10), None);
        assert_eq!(residue("PEPTIDE", Position::new(1), Scheme::Imgt), None);
    }
}
