//! `dna_translate(seq [, frame])`: the protein that a nucleotide sequence encodes.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Parameter};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(DnaTranslate {
        signature: args::text_and_integer_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Nucleotide Functions"),
    description = "Translates a nucleotide sequence by the standard genetic code (NCBI table 1). Stops are `*`. A codon with IUPAC ambiguity codes is translated if all codons it stands for agree, else it is `X`, as is one with bytes that are no nucleotides. A codon of three gaps (`-` or `.`) is `-`, one with some gaps `X`; white space is skipped. An incomplete last codon is dropped. `U` is `T`.",
    syntax_example = "dna_translate(seq [, frame])",
    sql_example = r#"```sql
> SELECT dna_translate('GAGGTNCARTAA') AS aa, dna_translate('GAGGTNCARTAA', 2) AS frame_2;
+------+---------+
| aa   | frame_2 |
+------+---------+
| EVQ* | RXX     |
+------+---------+
```"#,
    argument(
        name = "seq",
        description = "Nucleotide sequence, DNA or RNA, either case."
    ),
    argument(
        name = "frame",
        description = "1 (default), 2 or 3: where the first codon begins. Another number is an error."
    ),
    related_udf(name = "dna_reverse_complement")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct DnaTranslate {
    signature: Signature,
}

impl ScalarUDFImpl for DnaTranslate {
    fn name(&self) -> &str {
        "dna_translate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(Some(ScalarValue::Int64(Some(number)))) = args.scalar_arguments.get(1) {
            frame(*number)?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, number @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs a sequence", self.name()));
        };
        let frames = match args::integer(number.first(), 1)? {
            Parameter::Constant(number) => Parameter::Constant(number.map(frame).transpose()?),
            Parameter::Rows(numbers) => {
                let frames = numbers
                    .into_iter()
                    .map(|number| number.map(frame).transpose());
                Parameter::Rows(frames.collect::<Result<_>>()?)
            }
        };
        args::map_text(seq, &frames, args.number_rows, |seq, frame| {
            Some(antibody::nucleotide::translate(seq.as_bytes(), frame))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn frame(number: i64) -> Result<usize> {
    match number {
        1 => Ok(1),
        2 => Ok(2),
        3 => Ok(3),
        other => exec_err!("dna_translate: the frame is 1, 2 or 3, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_one_two_and_three() {
        assert_eq!((1..=3).filter_map(|number| frame(number).ok()).count(), 3);
        assert!(frame(0).is_err() && frame(4).is_err() && frame(-1).is_err());
    }
}
