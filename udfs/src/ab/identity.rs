//! `ab_identity(a, b [, region])`: how alike two V domains are.

use std::sync::Arc;

use antibody::Compared;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Texts};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbIdentity {
        signature: args::two_texts_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The share of equal residues of the first V domains of two sequences, 0–1. Residues are paired by IMGT position, insertions included (Lefranc et al. 2003), not by an alignment to each other. The denominator is the number of positions that either domain occupies; positions before the later first and after the earlier last residue do not count, so that a truncated domain is not penalised. `X` equals nothing. Domains of different chains are compared likewise. NULL where either cannot be numbered or the region holds no position to compare.",
    syntax_example = "ab_identity(a, b [, region])",
    sql_example = r#"```sql
> SELECT round(ab_identity('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCARWGGDGFYAMDYWGQGTLVTVSS'), 4) AS v, round(ab_identity('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCARWGGDGFYAMDYWGQGTLVTVSS', 'cdr3'), 4) AS cdr3;
+--------+--------+
| v      | cdr3   |
+--------+--------+
| 0.9917 | 0.9231 |
+--------+--------+
```"#,
    argument(
        name = "a",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "b",
        description = "Amino acid sequence of the other chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "region",
        description = "`v` (default), `cdrs` (all three), `cdr1`, `cdr2` or `cdr3` (IMGT), either case. Another name is an error."
    ),
    related_udf(name = "ab_align"),
    related_udf(name = "protein_identity")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbIdentity {
    signature: Signature,
}

impl ScalarUDFImpl for AbIdentity {
    fn name(&self) -> &str {
        "ab_identity"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Compared>(&args, 2)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b, region @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs two sequences", self.name()));
        };
        let region = args::named(region.first(), Compared::V)?;
        let texts = Texts::read(b)?;
        let parameter = texts.parameter()?.with(region);
        args::map_number(a, &parameter, args.number_rows, |a, (b, region)| {
            identity(a, b, region)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn identity(a: &str, b: &str, region: Compared) -> Option<f64> {
    antibody::identity(a.as_bytes(), b.as_bytes(), region)
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn a_domain_equals_itself_and_a_peptide_nothing() {
        assert_eq!(identity(VH, &VH.to_lowercase(), Compared::Cdrs), Some(1.0));
        assert_eq!(identity(VH, "PEPTIDE", Compared::V), None);
        assert_eq!(identity("PEPTIDE", VH, Compared::V), None);
    }
}
