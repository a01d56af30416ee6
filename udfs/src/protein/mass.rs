//! `protein_mass(seq)`: average mass in dalton.

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, NO_PARAMETER, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ProteinMass {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Average mass in dalton of an unmodified linear polypeptide, as Biopython's ProtParam computes it: free amino acid masses less one water a peptide bond, selenocysteine `U` and pyrrolysine `O` included. Disulphide bonds and glycans are not counted. White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with an unknown residue (`X`, `B`, `Z`, `J`, an inner `*`, anything else).",
    syntax_example = "protein_mass(seq)",
    sql_example = r#"```sql
> SELECT round(protein_mass('EVQLVESGGGLVQPGG'), 3) AS mass_da;
+----------+
| mass_da  |
+----------+
| 1525.659 |
+----------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinMass {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinMass {
    fn name(&self) -> &str {
        "protein_mass"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| {
            Ok(Arc::new(masses(rows)))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn masses(rows: &[Row<'_, ()>]) -> Float64Array {
    rows.iter()
        .map(|row| row.and_then(|(seq, ())| antibody::mass::mass_da(seq.as_bytes())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_residues_and_null_have_no_mass() {
        let masses = masses(&[Some(("G", ())), Some(("GX", ())), None]);
        assert_eq!(masses, Float64Array::from(vec![Some(75.0666), None, None]));
    }
}
