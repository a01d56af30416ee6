//! `protein_hash(seq)`: the hash by which results are keyed.

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
    Arc::new(ScalarUDF::from(ProteinHash {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "SHA-256, in lower-case hexadecimal, of the sequence in upper case without white space, gaps (`-`, `.`) and one final `*`: the lake's `sequence_hash` and `v_domain_hash`. NULL if nothing is left to hash.",
    syntax_example = "protein_hash(seq)",
    sql_example = r#"```sql
> SELECT protein_hash('evqlves*') = protein_hash('EVQ-LVES') AS same;
+------+
| same |
+------+
| true |
+------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinHash {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinHash {
    fn name(&self) -> &str {
        "protein_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map_text(seq, &NO_PARAMETER, args.number_rows, |seq, ()| hash(seq))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn hash(seq: &str) -> Option<String> {
    antibody::hash::sequence_hash(seq.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_stop_is_no_residue() {
        assert_eq!(hash("EVQ*"), hash("evq"));
        assert_eq!(hash("*"), None);
    }
}
