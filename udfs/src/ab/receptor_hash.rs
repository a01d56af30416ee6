//! `ab_receptor_hash(heavy, light)`: AIRR's identity of a receptor.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Texts};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbReceptorHash {
        signature: args::two_texts_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "AIRR's `receptor_hash` (AIRR Standards 1.4 to 1.6, Receptor Schema, experimental): SHA-256, in lower-case hexadecimal, of the upper-case mature V domains of both chains joined, heavy, beta or delta first. The domains are cut out of the sequences (IMGT 1–128, light chains 1–127), so that leaders and constant regions make no difference, nor does the order of the arguments; a truncated domain does. NULL where a sequence has no V domain or the two make no receptor (heavy with light, beta with alpha, delta with gamma).",
    syntax_example = "ab_receptor_hash(heavy, light)",
    sql_example = r#"```sql
> SELECT ab_receptor_hash('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK') = encode(sha256('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSSDIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK'), 'hex') AS same;
+------+
| same |
+------+
| true |
+------+
```"#,
    argument(
        name = "heavy",
        description = "Amino acid sequence of the heavy, beta or delta chain, either case."
    ),
    argument(
        name = "light",
        description = "Amino acid sequence of the light, alpha or gamma chain, either case."
    ),
    related_udf(name = "protein_hash")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbReceptorHash {
    signature: Signature,
}

impl ScalarUDFImpl for AbReceptorHash {
    fn name(&self) -> &str {
        "ab_receptor_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [heavy, light] = take_function_args(self.name(), &args.args)?;
        let texts = Texts::read(light)?;
        let light = texts.parameter()?;
        args::map_text(heavy, &light, args.number_rows, receptor_hash)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn receptor_hash(heavy: &str, light: &str) -> Option<String> {
    antibody::receptor_hash(heavy.as_bytes(), light.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_definition() {
        let (vh, vl) = (
            "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
            "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK",
        );
        // sha256sum of both joined.
        let expected = "d6b77d582481f5ac2e958298fa48e309a0e60aabdcfc3b325a8d3433f433cbd5";
        assert_eq!(receptor_hash(vh, vl).as_deref(), Some(expected));
        assert_eq!(receptor_hash(vh, vh), None);
    }
}
