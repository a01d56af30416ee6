//! `ab_index(seq, position [, scheme])`: where in the sequence a position is.

use std::sync::Arc;

use antibody::{Position, Scheme};
use arrow::array::Int32Array;
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
    Arc::new(ScalarUDF::from(AbIndex {
        signature: args::two_texts_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The 1-based index, in the given sequence, of the residue at a position of the first V domain: a leader and gaps count. NULL where the position is empty, where the scheme has no such position, and where the sequence cannot be numbered; `ab_number(seq, scheme)['error']` says why.",
    syntax_example = "ab_index(seq, position [, scheme])",
    sql_example = r#"```sql
> SELECT ab_index('MKEVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', '105') AS i, substr('MKEVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', ab_index('MKEVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', '105'), 13) AS cdr3_aa;
+----+---------------+
| i  | cdr3_aa       |
+----+---------------+
| 99 | SRWGGDGFYAMDY |
+----+---------------+
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
    related_udf(name = "ab_residue"),
    related_udf(name = "ab_number"),
    related_udf(name = "ab_mutate")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbIndex {
    signature: Signature,
}

impl ScalarUDFImpl for AbIndex {
    fn name(&self) -> &str {
        "ab_index"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Position>(&args, 1)?;
        args::check_named::<Scheme>(&args, 2)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Int32, true)))
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
        args::map(seq, &site, args.number_rows, |rows| {
            let indices = rows
                .iter()
                .map(|row| row.and_then(|(seq, (position, scheme))| index(seq, position, scheme)));
            Ok(Arc::new(indices.collect::<Int32Array>()))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn index(seq: &str, position: Position, scheme: Scheme) -> Option<i32> {
    let found = antibody::index_at(seq.as_bytes(), position, scheme);
    i32::try_from(found.ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn what_stands_before_the_domain_counts() {
        let cysteine = Position::new(104);
        assert_eq!(index(VH, cysteine, Scheme::Imgt), Some(96));
        assert_eq!(index(&format!("M-K{VH}"), cysteine, Scheme::Imgt), Some(99));
        assert_eq!(index(VH, Position::new(10), Scheme::Imgt), None);
    }
}
