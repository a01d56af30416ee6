//! `ab_gene(call)`: the germline gene of a call.

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
    Arc::new(ScalarUDF::from(AbGene {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "The gene of a germline call, without its allele: `IGHV4-31*03` is `IGHV4-31`, upper case. V, D, J and C genes of all seven loci are read, in IMGT's, OGRDB's and IMGT/HighV-QUEST's writing (`Homsap IGHV1-2*02 F`). Tied calls are separated by commas, semicolons or ` or `: the gene if all share it, else the sorted list of genes joined by commas. The lake's `v_gene` and `j_gene` are made by the same rule. NULL if no gene is named.",
    syntax_example = "ab_gene(call)",
    sql_example = r#"```sql
> SELECT ab_gene('IGHV1-2*02,IGHV1-2*04') AS shared, ab_gene('Homsap IGHV3-33*01 F, or Homsap IGHV3-30*18 F') AS tied;
+---------+-------------------+
| shared  | tied              |
+---------+-------------------+
| IGHV1-2 | IGHV3-30,IGHV3-33 |
+---------+-------------------+
```"#,
    argument(
        name = "call",
        description = "Germline call of a rearrangement, such as AIRR's `v_call`, either case."
    ),
    related_udf(name = "ab_subgroup"),
    related_udf(name = "ab_allele"),
    related_udf(name = "ab_isotype")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbGene {
    signature: Signature,
}

impl ScalarUDFImpl for AbGene {
    fn name(&self) -> &str {
        "ab_gene"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [call] = take_function_args(self.name(), &args.args)?;
        args::map_text(call, &NO_PARAMETER, args.number_rows, |call, ()| gene(call))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn gene(call: &str) -> Option<String> {
    antibody::gene::gene(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_genes_are_read_and_others_are_not() {
        assert_eq!(gene("IGHV4-31*03").as_deref(), Some("IGHV4-31"));
        assert_eq!(gene("clone 5"), None);
    }
}
