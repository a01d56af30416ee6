//! `protein_identity(a, b)`: how alike two polypeptides are.

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
    Arc::new(ScalarUDF::from(ProteinIdentity {
        signature: args::two_texts_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Protein Functions"),
    description = "The share of identical residues of two polypeptides, 0–1, by global alignment (Needleman & Wunsch 1970, J Mol Biol 48:443; affine gaps after Gotoh 1982, J Mol Biol 162:705) with BLOSUM62, gap opening 10 and extension 0.5, end gaps without cost: the defaults of EMBOSS needle. The denominator is the length of the alignment, end gaps included. Of equally good alignments the one with most identities, then the shortest, counts, so that the order of the arguments makes no difference. `X` equals nothing. White space, gaps and one final `*` are ignored. NULL where a sequence is empty, longer than 10,000 residues or holds anything but letters and `*`. V domains are better compared by `ab_identity`.",
    syntax_example = "protein_identity(a, b)",
    sql_example = r#"```sql
> SELECT protein_identity('HEAGAWGHEE', 'HEAGAWGHEK') AS substituted, protein_identity('HEAGAWGHEE', 'HEAGA') AS fragment;
+-------------+----------+
| substituted | fragment |
+-------------+----------+
| 0.9         | 0.5      |
+-------------+----------+
```"#,
    argument(name = "a", description = "Amino acid sequence, either case."),
    argument(
        name = "b",
        description = "The other amino acid sequence, either case."
    ),
    related_udf(name = "ab_identity"),
    related_udf(name = "hamming")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProteinIdentity {
    signature: Signature,
}

impl ScalarUDFImpl for ProteinIdentity {
    fn name(&self) -> &str {
        "protein_identity"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b] = take_function_args(self.name(), &args.args)?;
        let texts = Texts::read(b)?;
        let b = texts.parameter()?;
        args::map_number(a, &b, args.number_rows, identity)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn identity(a: &str, b: &str) -> Option<f64> {
    antibody::pairwise::identity(a.as_bytes(), b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protein_equals_itself_in_either_case() {
        assert_eq!(identity("PEPTIDE", "pep-tide*"), Some(1.0));
        assert_eq!(identity("PEPTIDE", ""), None);
        assert_eq!(identity("PEPT1DE", "PEPTIDE"), None);
    }
}
