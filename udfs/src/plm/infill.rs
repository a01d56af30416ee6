//! `plm_infill(seq, model)`: masked residues, filled in.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;
use models::ModelError;

use super::operation::{Input, Job, Operation, Outcome, of_model, one_pass, reason};

#[user_doc(
    doc_section(label = "Protein Language Model Functions"),
    description = "The sequence with each masked residue replaced by the amino acid that the model finds likeliest, all masks at once (as `fill_masks` of the package `antiberty`). A mask is `_`, `*`, `<mask>` or `[MASK]`; what is not masked stays as it was written. NULL where the model cannot read the sequence; `try_plm_infill` says why.",
    syntax_example = "plm_infill(seq, model)",
    sql_example = r#"```sql
> SELECT length(plm_infill('EV_LVESGG', 'antiberty')) AS residues, plm_infill('EVQLV', 'antiberty') AS unmasked;
+----------+----------+
| residues | unmasked |
+----------+----------+
| 9        | EVQLV    |
+----------+----------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence with masks, either case."
    ),
    argument(
        name = "model",
        description = "A model of the lake, a constant: `'antiberty'`, `'antiberty@0.1.3'`. SHOW MODELS lists them."
    ),
    related_udf(name = "plm_residue_log_probs"),
    related_udf(name = "try_plm_infill")
)]
#[derive(Debug)]
pub(super) struct Infill;

impl Operation for Infill {
    fn name(&self) -> &'static str {
        "plm_infill"
    }

    fn value_type(&self, _: usize, _: &[&'static str]) -> DataType {
        DataType::Utf8
    }

    fn tokens(&self, residues: u64, _: &[&'static str]) -> u64 {
        one_pass(residues)
    }

    fn compute(&self, job: &Job<'_>, inputs: &[Input<'_>]) -> Result<Outcome> {
        let (mut values, mut reasons) = (Vec::new(), Vec::new());
        for input in inputs {
            job.work.check()?;
            match job.model.infill(input.text.as_bytes()) {
                Ok(filled) => {
                    job.work.count_batch(job.model.tokens(filled.len()));
                    values.push(Some(String::from_utf8_lossy(&filled).into_owned()));
                    reasons.push(None);
                }
                Err(ModelError::Sequence { source, .. }) => {
                    values.push(None);
                    reasons.push(Some(reason(&source)));
                }
                Err(error) => return Err(of_model(error)),
            }
        }
        Ok(Outcome {
            values: Arc::new(StringArray::from(values)),
            reasons,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
