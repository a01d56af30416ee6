//! `protein_instability_index(seq)`: how likely a protein is to be short-lived.

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
    Arc::new(ScalarUDF::from(ProteinInstabilityIndex {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Instability index from the weights of neighbouring residues (Guruprasad, Reddy & Pandit 1990, Protein Eng 4:155); above 40 a protein counts as unstable. As Biopython's ProtParam computes it. White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`).",
    syntax_example = "protein_instability_index(seq)",
    sql_example = r#"```sql
> SELECT round(protein_instability_index('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS'), 3) AS instability_index;
+-------------------+
| instability_index |
+-------------------+
| 32.655            |
+-------------------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    related_udf(name = "protein_isoelectric_point"),
    related_udf(name = "protein_gravy")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinInstabilityIndex {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinInstabilityIndex {
    fn name(&self) -> &str {
        "protein_instability_index"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map_number(seq, &NO_PARAMETER, args.number_rows, |seq, ()| {
            instability_index(seq)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn instability_index(seq: &str) -> Option<f64> {
    antibody::instability::instability_index(seq.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_residue_leaves_it_unknown() {
        assert!(instability_index("PEPTIDE").is_some());
        assert_eq!(instability_index("pep-tide*"), instability_index("PEPTIDE"));
        for seq in ["", "PEPXTIDE", "PEPUTIDE", "PEP*TIDE"] {
            assert_eq!(instability_index(seq), None, "{seq}");
        }
    }
}
