//! `protein_charge(seq, ph)`: net charge at a pH.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::args;

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ProteinCharge {
        signature: args::text_and_number_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Net charge at a pH, in elementary charges, by the Henderson–Hasselbalch equation with the pKs of Bjellqvist et al. (1993, Electrophoresis 14:1023), as Biopython's ProtParam computes it: all residues unfolded, all cysteines free, termini by their residue. White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`). NULL also for a pH that is not finite.",
    syntax_example = "protein_charge(seq, ph)",
    sql_example = r#"```sql
> SELECT round(protein_charge('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 7.4), 3) AS charge;
+--------+
| charge |
+--------+
| 0.628  |
+--------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(name = "ph", description = "The pH, any number."),
    related_udf(name = "protein_isoelectric_point")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinCharge {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinCharge {
    fn name(&self) -> &str {
        "protein_charge"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, ph] = take_function_args(self.name(), &args.args)?;
        let ph = args::number(ph)?;
        args::map_number(seq, &ph, args.number_rows, charge)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn charge(seq: &str, ph: f64) -> Option<f64> {
    antibody::charge::charge(seq.as_bytes(), ph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acids_are_negative_and_bases_positive() {
        assert!(charge("DDE", 7.0).is_some_and(|charge| charge < -2.0));
        assert!(charge("KKR", 7.0).is_some_and(|charge| charge > 2.0));
        assert_eq!(charge("KXR", 7.0), None);
    }
}
