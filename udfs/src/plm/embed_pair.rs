//! `plm_embed_pair(heavy, light, model [, pooling])`: two chains as one vector.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::Pooling;

use super::embed::{pooled, vector_array, vector_type};
use super::operation::{Input, Job, Operation, Outcome, one_pass};
use super::words::Words;

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The embeddings of a heavy and a light chain, one behind the other: a list of twice as many numbers as the model has dimensions. Models of single chains, as all of them here, see each chain by itself: the vector does **not** model the pairing. NULL where the model cannot read one of them; `try_plm_embed_pair` says which and why.",
    syntax_example = "plm_embed_pair(heavy, light, model [, pooling])",
    sql_example = r#"```sql
> SELECT arrow_typeof(plm_embed_pair('EVQLVESGGGLVQPGG', 'DIQMTQSPSSLSASVG', 'antiberty')) AS embedding;
+----------------------------------------+
| embedding                              |
+----------------------------------------+
| FixedSizeList(1024 x non-null Float32) |
+----------------------------------------+
```"#,
    argument(
        name = "heavy",
        description = "Amino acid sequence of the heavy chain, either case."
    ),
    argument(
        name = "light",
        description = "Amino acid sequence of the light chain, either case."
    ),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    argument(
        name = "pooling",
        description = "`mean` (default) or `cls`, as in `plm_embed`."
    ),
    related_udf(name = "plm_embed"),
    related_udf(name = "try_plm_embed_pair")
)]
#[derive(Debug)]
pub(super) struct EmbedPair;

const POOLING: Words = Words {
    name: "pooling",
    known: &["mean", "cls"],
};

impl Operation for EmbedPair {
    fn name(&self) -> &'static str {
        "plm_embed_pair"
    }

    fn texts(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [Words] {
        &[POOLING]
    }

    fn value_type(&self, dimension: usize, _: &[&'static str]) -> DataType {
        vector_type(2 * dimension)
    }

    fn tokens(&self, residues: u64, _: &[&'static str]) -> u64 {
        one_pass(residues) + 2
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let pooling = match job.words {
            ["cls"] => Pooling::Cls,
            _ => Pooling::Mean,
        };
        let (.., of_heavy) = job.checked(inputs.iter().map(|input| input.text));
        let (.., of_light) = job.checked(inputs.iter().map(|input| input.second));
        let named = |chain: &str, reason: &Option<String>| {
            let (code, words) = reason.as_ref()?.split_once(": ")?;
            Some(format!("{code}: {chain} chain: {words}"))
        };
        let reasons: Vec<Option<String>> = of_heavy
            .iter()
            .zip(&of_light)
            .map(|(heavy, light)| named("heavy", heavy).or_else(|| named("light", light)))
            .collect();
        // Chains of several pairs are computed once.
        let mut sequences: Vec<&[u8]> = Vec::new();
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let mut pairs = Vec::with_capacity(inputs.len());
        for (input, reason) in inputs.iter().zip(&reasons) {
            if reason.is_some() {
                pairs.push(None);
                continue;
            }
            let [heavy, light] = [input.text, input.second].map(|text| {
                *known.entry(text.as_bytes()).or_insert_with(|| {
                    sequences.push(text.as_bytes());
                    sequences.len() - 1
                })
            });
            pairs.push(Some((heavy, light)));
        }
        let width = job.model.description().dimension;
        let vectors = pooled(job, &sequences, pooling)?;
        let vector = |at: usize| &vectors[at * width..(at + 1) * width];
        let mut rows = Vec::with_capacity(2 * width * inputs.len());
        for pair in &pairs {
            match pair {
                None => rows.resize(rows.len() + 2 * width, 0.0),
                Some((heavy, light)) => {
                    rows.extend_from_slice(vector(*heavy));
                    rows.extend_from_slice(vector(*light));
                }
            }
        }
        let is_valid: Vec<bool> = pairs.iter().map(Option::is_some).collect();
        let values = vector_array(rows, 2 * width, Some(is_valid.into()))?;
        Ok(Outcome { values, reasons })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn refused(&self) -> (&'static str, &'static str) {
        ("'EVQLV', ''", "empty: light chain: the sequence is empty")
    }
}
