//! An expensive call that computes equal inputs once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::metrics::Count;

use super::memo::{Found, Memo};

/// How many rows a call was computed for, and for how many its result was there already.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub computed: Count,
    pub remembered: Count,
}

/// A call.
#[derive(Debug)]
pub(super) struct Remembered {
    call: Arc<dyn PhysicalExpr>,
    memo: Arc<Memo>,
    counts: Counts,
}

impl Remembered {
    /// `call`, whose results are kept in `memo`.
    pub fn new(call: Arc<dyn PhysicalExpr>, memo: Arc<Memo>, counts: Counts) -> Self {
        Self { call, memo, counts }
    }

    /// The call for rows of its arguments.
    fn compute(&self, inputs: &[ArrayRef], rows: &[u32]) -> Result<ArrayRef> {
        self.counts.computed.add(rows.len());
        let rows = UInt32Array::from(rows.to_vec());
        let mut inputs = inputs.iter();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut arguments: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for argument in self.call.children() {
            if argument.is::<Literal>() {
                arguments.push(Arc::clone(argument));
                continue;
            }
            let Some(input) = inputs.next() else {
                break;
            };
            let name = format!("argument_{}", columns.len());
            arguments.push(Arc::new(Column::new(&name, columns.len())));
            fields.push(Field::new(name, input.data_type().clone(), true));
            columns.push(take(input, &rows, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        let call = Arc::clone(&self.call).with_new_children(arguments)?;
        call.evaluate(&batch)?.into_array(batch.num_rows())
    }
}

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

impl PartialEq for Remembered {
    fn eq(&self, other: &Self) -> bool {
        self.call.eq(&other.call)
    }
}

impl Eq for Remembered {}

impl Hash for Remembered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.hash(state);
    }
}

impl PhysicalExpr for Remembered {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.call.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        // What is constant is a part of the call.
        let inputs = self
            .call
            .children()
            .into_iter()
            .filter(|argument| !argument.is::<Literal>());
        let inputs = inputs.map(|argument| argument.evaluate(batch)?.into_array(batch.num_rows()));
        let inputs: Vec<ArrayRef> = inputs.collect::<Result<_>>()?;
        if inputs.is_empty() || batch.num_rows() == 0 {
            return self.call.evaluate(batch);
        }
        let types = inputs
            .iter()
            .map(|input| SortField::new(input.data_type().clone()));
        let converter = RowConverter::new(types.collect())?;
        let keys = converter.convert_columns(&inputs)?;
        let Found {
            places,
            mut chunks,
            missing,
        } = self.memo.find(keys.iter());
        self.counts.remembered.add(batch.num_rows() - missing.len());
        if missing.is_empty() {
            return Ok(ColumnarValue::Array(gather(&chunks, &places)?));
        }
        let results = self.compute(&inputs, &missing)?;
        self.memo
            .remember(missing.iter().map(|row| keys.row(*row as usize)), &results);
        if missing.len() == batch.num_rows() {
            return Ok(ColumnarValue::Array(results));
        }
        chunks.push(results);
        Ok(ColumnarValue::Array(gather(&chunks, &places)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.call]
    }

    /// CASE gives its branches other batches, with their columns elsewhere.
    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let call = children.pop().unwrap_or_else(|| Arc::clone(&self.call));
        let memo = Arc::clone(&self.memo);
        Ok(Arc::new(Self::new(call, memo, self.counts.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt_sql(f)
    }
}

/// Rows of several arrays.
fn gather(chunks: &[ArrayRef], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let chunks: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&chunks, places)?)
}
