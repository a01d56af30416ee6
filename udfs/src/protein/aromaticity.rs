//! `protein_aromaticity(seq)`: the share of aromatic residues.

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
    Arc::new(ScalarUDF::from(ProteinAromaticity {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "The share of phenylalanine, tryptophan and tyrosine, 0–1 (Lobry & Gautier 1994, Nucleic Acids Res 22:3174). White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`).",
    syntax_example = "protein_aromaticity(seq)",
    sql_example = r#"```sql
> SELECT round(protein_aromaticity('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS'), 3) AS aromaticity;
+-------------+
| aromaticity |
+-------------+
| 0.133       |
+-------------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    related_udf(name = "protein_isoelectric_point"),
    related_udf(name = "protein_gravy")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinAromaticity {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinAromaticity {
    fn name(&self) -> &str {
        "protein_aromaticity"
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
            aromaticity(seq)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn aromaticity(seq: &str) -> Option<f64> {
    antibody::composition::aromaticity(seq.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_residue_leaves_it_unknown() {
        assert!(aromaticity("PEPTIDE").is_some());
        assert_eq!(aromaticity("pep-tide*"), aromaticity("PEPTIDE"));
        for seq in ["", "PEPXTIDE", "PEPUTIDE", "PEP*TIDE"] {
            assert_eq!(aromaticity(seq), None, "{seq}");
        }
    }
}
