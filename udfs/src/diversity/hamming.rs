//! `hamming(a, b)`: at how many places two texts differ.

use std::sync::Arc;

use arrow::array::Int64Array;
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
    Arc::new(ScalarUDF::from(Hamming {
        signature: args::two_texts_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Diversity Functions"),
    description = "Hamming distance: the number of places at which two texts of equal length differ, character by character, upper and lower case apart. NULL where the lengths differ; `levenshtein(a, b)` counts insertions and deletions too.",
    syntax_example = "hamming(a, b)",
    sql_example = r#"```sql
> SELECT hamming('CARDYW', 'CAKDFW') AS two, hamming('CARDYW', 'CARW') AS lengths_differ, levenshtein('CARDYW', 'CARW') AS edits;
+-----+----------------+-------+
| two | lengths_differ | edits |
+-----+----------------+-------+
| 2   |                | 2     |
+-----+----------------+-------+
```"#,
    argument(name = "a", description = "Any text, such as a junction."),
    argument(name = "b", description = "The other text."),
    related_udf(name = "protein_identity")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hamming {
    signature: Signature,
}

impl ScalarUDFImpl for Hamming {
    fn name(&self) -> &str {
        "hamming"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b] = take_function_args(self.name(), &args.args)?;
        let texts = Texts::read(b)?;
        let b = texts.parameter()?;
        args::map(a, &b, args.number_rows, |rows| {
            let distances = rows.iter().map(|row| row.and_then(|(a, b)| distance(a, b)));
            Ok(Arc::new(distances.collect::<Int64Array>()))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn distance(a: &str, b: &str) -> Option<i64> {
    let (mut left, mut right) = (a.chars(), b.chars());
    let mut differences = 0;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(differences),
            (Some(one), Some(other)) => differences += i64::from(one != other),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_one_length_have_a_distance() {
        assert_eq!(distance("CARDYW", "CAKDFW"), Some(2));
        assert_eq!(distance("", ""), Some(0));
        assert_eq!(distance("é", "e"), Some(1));
        assert_eq!(distance("CAR", "CARD"), None);
        assert_eq!(distance("car", "CAR"), Some(3));
    }
}
