//! `protein_isoelectric_point(seq)`: the pH without net charge.

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
    Arc::new(ScalarUDF::from(ProteinIsoelectricPoint {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Isoelectric point: the pH at which `protein_charge` is 0, sought between 4.05 and 12, as Biopython's ProtParam does; a protein whose point lies beyond has that end. All residues count as unfolded, all cysteines as free (Bjellqvist et al. 1993, Electrophoresis 14:1023). White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`).",
    syntax_example = "protein_isoelectric_point(seq)",
    sql_example = r#"```sql
> SELECT round(protein_isoelectric_point('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS'), 2) AS isoelectric_point;
+-------------------+
| isoelectric_point |
+-------------------+
| 8.03              |
+-------------------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    related_udf(name = "protein_charge")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinIsoelectricPoint {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinIsoelectricPoint {
    fn name(&self) -> &str {
        "protein_isoelectric_point"
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
            isoelectric_point(seq)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn isoelectric_point(seq: &str) -> Option<f64> {
    antibody::charge::isoelectric_point(seq.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_residue_leaves_it_unknown() {
        assert!(isoelectric_point("PEPTIDE").is_some());
        assert_eq!(isoelectric_point("pep-tide*"), isoelectric_point("PEPTIDE"));
        for seq in ["", "PEPXTIDE", "PEPUTIDE", "PEP*TIDE"] {
            assert_eq!(isoelectric_point(seq), None, "{seq}");
        }
    }
}
