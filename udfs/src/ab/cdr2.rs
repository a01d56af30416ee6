//! `ab_cdr2(seq)`: IMGT CDR2 of the first V domain.

use std::sync::Arc;

use antibody::Region;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use super::batch;
use crate::args::{self, NO_PARAMETER};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbCdr2 {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "CDR2 of a V domain: the residues at IMGT positions 56–65 (Lefranc et al. 2003). Of several V domains the first counts. NULL if the sequence has no V domain or does not hold the whole region; `ab_number(seq)['error']` says why a sequence has no V domain.",
    syntax_example = "ab_cdr2(seq)",
    sql_example = r#"```sql
> SELECT ab_cdr2('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS') AS cdr2_aa;
+----------+
| cdr2_aa  |
+----------+
| IYPTNGYT |
+----------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    related_udf(name = "ab_cdr1"),
    related_udf(name = "ab_cdr3"),
    related_udf(name = "ab_junction"),
    related_udf(name = "ab_regions")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbCdr2 {
    signature: Signature,
}

impl ScalarUDFImpl for AbCdr2 {
    fn name(&self) -> &str {
        "ab_cdr2"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| {
            Ok(batch::region(rows, Region::Cdr2))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    fn found(seq: &str) -> Option<String> {
        batch::only(&batch::region(&[Some((seq, ()))], Region::Cdr2)).map(str::to_owned)
    }

    #[test]
    fn it_is_read_from_the_whole_chain_and_not_from_fragments() {
        assert_eq!(found(VH).as_deref(), Some("IYPTNGYT"));
        assert_eq!(found("IYPTNGYT").as_deref(), None);
    }
}
