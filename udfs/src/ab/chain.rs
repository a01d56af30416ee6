//! `ab_chain(seq)`: what kind of chain the first V domain belongs to.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use super::batch;
use crate::args::{self, NO_PARAMETER, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbChain {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Chain of a V domain: `heavy` (nanobodies included), `light`, or of T cell receptors `alpha`, `beta`, `gamma`, `delta`, by the consensus that the domain aligns to best. Of several V domains the first counts. NULL if there is none.",
    syntax_example = "ab_chain(seq)",
    sql_example = r#"```sql
> SELECT ab_chain('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS') AS chain;
+-------+
| chain |
+-------+
| heavy |
+-------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    related_udf(name = "ab_number"),
    related_udf(name = "ab_domains")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbChain {
    signature: Signature,
}

impl ScalarUDFImpl for AbChain {
    fn name(&self) -> &str {
        "ab_chain"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| Ok(words(rows)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn words(rows: &[Row<'_, ()>]) -> ArrayRef {
    batch::word(rows, |domains, domain| {
        domains.loci[domain].chain().as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    fn found(seq: &str) -> Option<String> {
        batch::only(&words(&[Some((seq, ()))])).map(str::to_owned)
    }

    #[test]
    fn a_v_domain_has_one_and_a_peptide_none() {
        assert_eq!(found(VH).as_deref(), Some("heavy"));
        assert_eq!(found("GFNIKDTY").as_deref(), None);
    }
}
