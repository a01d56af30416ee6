//! `dna_reverse_complement(seq)`: the other strand.

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
    Arc::new(ScalarUDF::from(DnaReverseComplement {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Nucleotide Functions"),
    description = "Reverse complement of a nucleotide sequence. IUPAC ambiguity codes are complemented (NC-IUB 1984) and case is kept; `A` gives `U` in a sequence with `U` and without `T`, else `T`. Gaps, white space and bytes that are no nucleotides stay themselves.",
    syntax_example = "dna_reverse_complement(seq)",
    sql_example = r#"```sql
> SELECT dna_reverse_complement('ATGCRN') AS reverse;
+---------+
| reverse |
+---------+
| NYGCAT  |
+---------+
```"#,
    argument(name = "seq", description = "Nucleotide sequence, either case."),
    related_udf(name = "dna_translate")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct DnaReverseComplement {
    signature: Signature,
}

impl ScalarUDFImpl for DnaReverseComplement {
    fn name(&self) -> &str {
        "dna_reverse_complement"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map_text(seq, &NO_PARAMETER, args.number_rows, |seq, ()| {
            reverse_complement(seq)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Reverses characters, not bytes, so that text that is no sequence stays text.
fn reverse_complement(seq: &str) -> Option<String> {
    if seq.is_ascii() {
        return String::from_utf8(antibody::nucleotide::reverse_complement(seq.as_bytes())).ok();
    }
    let ascii: String = seq.chars().rev().collect();
    let complement = |letter: char| match u8::try_from(letter) {
        Ok(byte) if byte.is_ascii() => antibody::nucleotide::reverse_complement(&[byte])
            .first()
            .map_or(letter, |byte| char::from(*byte)),
        _ => letter,
    };
    Some(ascii.chars().map(complement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_reversed_is_the_sequence_itself() {
        let twice = reverse_complement("acgtnRYK-").and_then(|once| reverse_complement(&once));
        assert_eq!(twice.as_deref(), Some("acgtnRYK-"));
        assert_eq!(reverse_complement("AéC").as_deref(), Some("GéT"));
    }
}
