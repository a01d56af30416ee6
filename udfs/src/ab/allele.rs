//! `ab_allele(call)`: the allele of a germline call, tidied.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, NO_PARAMETER};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbAllele {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The allele of a germline call with its gene, as IMGT and OGRDB write it: `Homsap IGHV1-2*02 F` is `IGHV1-2*02`. What follows the star is kept (`IGHV1-69*01_C26G`). Ties as in `ab_gene`. NULL if no name gives an allele.",
    syntax_example = "ab_allele(call)",
    sql_example = r#"```sql
> SELECT ab_allele('Homsap IGHV1-2*02 F') AS one, ab_allele('IGHV3-30*18 or IGHV3-30*03') AS tied;
+------------+-------------------------+
| one        | tied                    |
+------------+-------------------------+
| IGHV1-2*02 | IGHV3-30*03,IGHV3-30*18 |
+------------+-------------------------+
```"#,
    argument(
        name = "call",
        description = "Germline call of a rearrangement, such as AIRR's `v_call`, either case."
    ),
    related_udf(name = "ab_gene"),
    related_udf(name = "ab_subgroup"),
    related_udf(name = "ab_isotype")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbAllele {
    signature: Signature,
}

impl ScalarUDFImpl for AbAllele {
    fn name(&self) -> &str {
        "ab_allele"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [call] = take_function_args(self.name(), &args.args)?;
        args::map_text(call, &NO_PARAMETER, args.number_rows, |call, ()| {
            allele(call)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn allele(call: &str) -> Option<String> {
    antibody::gene::allele(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_genes_are_read_and_others_are_not() {
        assert_eq!(allele("IGHV4-31*03").as_deref(), Some("IGHV4-31*03"));
        assert_eq!(allele("IGHV4-31"), None);
    }
}
