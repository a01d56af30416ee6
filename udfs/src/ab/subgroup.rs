//! `ab_subgroup(call)`: the subgroup (family) of a germline call.

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
    Arc::new(ScalarUDF::from(AbSubgroup {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The subgroup, also called family, of the V, D or J gene of a germline call: its segment and first number. `IGHV4-31*03` is `IGHV4`, `IGKV1D-39` is `IGKV1`, `TRAV29/DV5` is `TRAV29`. Ties as in `ab_gene`. NULL if no gene with a subgroup is named: constant genes have none, nor have the provisional names of OGRDB (`IGHV0-2QX3*00`).",
    syntax_example = "ab_subgroup(call)",
    sql_example = r#"```sql
> SELECT ab_subgroup('IGKV1D-39*01,IGKV1-39*01') AS shared, ab_subgroup('IGHV3-30*18,IGHV1-2*02') AS tied;
+--------+-------------+
| shared | tied        |
+--------+-------------+
| IGKV1  | IGHV1,IGHV3 |
+--------+-------------+
```"#,
    argument(
        name = "call",
        description = "Germline call of a rearrangement, such as AIRR's `v_call`, either case."
    ),
    related_udf(name = "ab_gene"),
    related_udf(name = "ab_allele"),
    related_udf(name = "ab_isotype")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbSubgroup {
    signature: Signature,
}

impl ScalarUDFImpl for AbSubgroup {
    fn name(&self) -> &str {
        "ab_subgroup"
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
            subgroup(call)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn subgroup(call: &str) -> Option<String> {
    antibody::gene::subgroup(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_genes_are_read_and_others_are_not() {
        assert_eq!(subgroup("IGHV4-31*03").as_deref(), Some("IGHV4"));
        assert_eq!(subgroup("IGHG1*01"), None);
    }
}
