//! `protein_gravy(seq)`: mean hydropathy.

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
    Arc::new(ScalarUDF::from(ProteinGravy {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Grand average of hydropathy: the mean of Kyte & Doolittle's scale (1982, J Mol Biol 157:105), −4.5 to 4.5; positive is hydrophobic. White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`).",
    syntax_example = "protein_gravy(seq)",
    sql_example = r#"```sql
> SELECT round(protein_gravy('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS'), 3) AS gravy;
+--------+
| gravy  |
+--------+
| -0.305 |
+--------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    related_udf(name = "protein_isoelectric_point"),
    related_udf(name = "protein_instability_index")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinGravy {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinGravy {
    fn name(&self) -> &str {
        "protein_gravy"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map_number(seq, &NO_PARAMETER, args.number_rows, |seq, ()| gravy(seq))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn gravy(seq: &str) -> Option<f64> {
    antibody::composition::gravy(seq.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_residue_leaves_it_unknown() {
        assert!(gravy("PEPTIDE").is_some());
        assert_eq!(gravy("pep-tide*"), gravy("PEPTIDE"));
        for seq in ["", "PEPXTIDE", "PEPUTIDE", "PEP*TIDE"] {
            assert_eq!(gravy(seq), None, "{seq}");
        }
    }
}
