//! `ab_isotype(c_call)`: the isotype that a constant gene encodes.

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
    Arc::new(ScalarUDF::from(AbIsotype {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The isotype of a heavy chain from its constant gene: `IgM`, `IgD`, `IgG`, `IgA` or `IgE`. Reads gene names (`IGHG1*03`, `IGHG`) and plain ones (`IgG1`); the subclass is `ab_gene(c_call)`. Ties as in `ab_gene`: `IGHG1,IGHG2` is `IgG`. NULL for light chains, T cell receptors and anything else.",
    syntax_example = "ab_isotype(c_call)",
    sql_example = r#"```sql
> SELECT ab_isotype('IGHG1*03,IGHG2*01') AS shared, ab_isotype('IGHM,IGHD') AS tied, ab_isotype('IGKC') AS light;
+--------+---------+-------+
| shared | tied    | light |
+--------+---------+-------+
| IgG    | IgD,IgM |       |
+--------+---------+-------+
```"#,
    argument(
        name = "c_call",
        description = "Germline call of a rearrangement, such as AIRR's `c_call`, either case."
    ),
    related_udf(name = "ab_gene"),
    related_udf(name = "ab_subgroup"),
    related_udf(name = "ab_allele")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbIsotype {
    signature: Signature,
}

impl ScalarUDFImpl for AbIsotype {
    fn name(&self) -> &str {
        "ab_isotype"
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
            isotype(call)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn isotype(call: &str) -> Option<String> {
    antibody::gene::isotype(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_genes_are_read_and_others_are_not() {
        assert_eq!(isotype("IGHG1*01").as_deref(), Some("IgG"));
        assert_eq!(isotype("IGKC"), None);
    }
}
