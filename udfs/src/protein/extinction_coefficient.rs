//! `protein_extinction_coefficient(seq [, cysteines])`: molar extinction coefficient at 280 nm.

use std::sync::Arc;

use antibody::composition::Cysteines;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args;

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ProteinExtinctionCoefficient {
        signature: args::text_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "Molar extinction coefficient at 280 nm in water, M⁻¹ cm⁻¹: 5500 a tryptophan, 1490 a tyrosine and 125 a cystine (Pace et al. 1995, Protein Sci 4:2411). By default all pairs of cysteines are cystines, as in a folded antibody; `'reduced'` counts none. White space, gaps (`-`, `.`) and one final `*` are ignored. NULL for an empty sequence and for one with anything but the twenty standard residues (`X`, `B`, `Z`, `J`, `U`, `O`, an inner `*`).",
    syntax_example = "protein_extinction_coefficient(seq [, cysteines])",
    sql_example = r#"```sql
> SELECT protein_extinction_coefficient('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS') AS folded, protein_extinction_coefficient('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'reduced') AS reduced;
+---------+---------+
| folded  | reduced |
+---------+---------+
| 35535.0 | 35410.0 |
+---------+---------+
```"#,
    argument(name = "seq", description = "Amino acid sequence, either case."),
    argument(
        name = "cysteines",
        description = "`cystines` (default) or `reduced`, either case. Another name is an error."
    ),
    related_udf(name = "protein_mass")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinExtinctionCoefficient {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinExtinctionCoefficient {
    fn name(&self) -> &str {
        "protein_extinction_coefficient"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Cysteines>(&args, 1)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, cysteines @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs a sequence", self.name()));
        };
        let cysteines = args::named(cysteines.first(), Cysteines::Cystines)?;
        args::map_number(seq, &cysteines, args.number_rows, coefficient)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn coefficient(seq: &str, cysteines: Cysteines) -> Option<f64> {
    antibody::composition::extinction_coefficient(seq.as_bytes(), cysteines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cystines_absorb_and_reduced_cysteines_do_not() {
        assert_eq!(coefficient("WCCC", Cysteines::Cystines), Some(5625.0));
        assert_eq!(coefficient("WCCC", Cysteines::Reduced), Some(5500.0));
        assert_eq!(coefficient("WX", Cysteines::Reduced), None);
    }
}
