//! An expensive call that computes equal inputs once: within a query, and for language models across queries.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::metrics::Count;
use sha2::{Digest as _, Sha256};

use super::memo::{Found, Memo};
use super::models::{ModelCall, Models};
use super::stored::{CallName, Index, Key};
use crate::measures;

/// How many rows a call was computed for, and for how many its result was there already.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub computed: Count,
    pub remembered: Count,
    /// Of those that the query had not computed: known from queries before it.
    pub known: Option<Count>,
}

/// Results that outlive the query.
#[derive(Debug, Clone)]
pub(super) struct Across {
    pub models: Arc<Models>,
    /// The hash of everything but the rows.
    call: Sha256,
    name: Arc<CallName>,
}

impl Across {
    /// Of a call of a model, where results are kept; `scope` is whose they are.
    pub fn of(
        call: &Arc<dyn PhysicalExpr>,
        models: Option<&Arc<Models>>,
        scope: &str,
    ) -> Option<Self> {
        let models = models.filter(|models| models.results().is_some())?;
        Self::known_by(&ModelCall::of(call)?, Some(models), scope)
    }

    /// Of a call, whether or not results are kept.
    pub fn known_by(call: &ModelCall, models: Option<&Arc<Models>>, scope: &str) -> Option<Self> {
        let id = call.id(scope);
        Some(Self {
            models: Arc::clone(models?),
            name: Arc::new(call.call_name(&id)),
            call: id,
        })
    }

    /// What the lake keeps of the call's results.
    pub async fn index(&self) -> Arc<Index> {
        match self.models.stored() {
            Some(stored) => stored.index(&self.name.id).await,
            None => Arc::default(),
        }
    }

    /// Fetches those of `keys` that the lake keeps and that are not in memory; results are of the type `of`.
    pub async fn fetch(&self, index: &Index, keys: Vec<Key>, of: &DataType) {
        let (Some(stored), Some(results)) = (self.models.stored(), self.models.results()) else {
            return;
        };
        let known = results.knows(keys.iter().map(Key::as_slice));
        let keys = keys.into_iter().zip(known);
        let unknown = keys.filter_map(|(key, is_known)| (!is_known).then_some(key));
        let stored_ones: HashSet<Key> = unknown.filter(|key| index.knows(key)).collect();
        if let Some((keys, fetched)) = stored.fetch(index, &stored_ones, of).await {
            results.remember(keys.iter().flatten(), &fetched);
        }
    }

    /// Keeps what was computed: one row of `computed` for each of `keys`.
    fn keep<'a>(
        &self,
        results: &Memo,
        keys: impl Iterator<Item = &'a Key> + Clone,
        computed: &ArrayRef,
    ) {
        results.remember(keys.clone().map(Key::as_slice), computed);
        if let Some(stored) = self.models.stored() {
            stored.add(&self.name, keys, computed);
        }
    }

    /// Whether a result is known.
    pub fn knows(&self, key: &Key) -> bool {
        let known = self.models.results();
        known.is_some_and(|results| results.knows(std::iter::once(key.as_slice())) == [true])
    }

    /// What results are known by: the bytes of the model, the function, its options, the texts.
    pub fn key(&self, row: &[u8]) -> Key {
        let mut hash = self.call.clone();
        hash.update(row);
        hash.finalize().into()
    }
}

/// A call.
#[derive(Debug)]
pub(super) struct Remembered {
    call: Arc<dyn PhysicalExpr>,
    memo: Arc<Memo>,
    across: Option<Across>,
    counts: Counts,
}

impl Remembered {
    /// `call`, whose results are kept in `memo`.
    pub fn new(
        call: Arc<dyn PhysicalExpr>,
        memo: Arc<Memo>,
        across: Option<Across>,
        counts: Counts,
    ) -> Self {
        Self {
            call,
            memo,
            across,
            counts,
        }
    }

    /// The results of rows, in their order, none of which the query has computed.
    fn results(&self, inputs: &[ArrayRef], keys: &Rows, rows: &[u32]) -> Result<ArrayRef> {
        let results = self.across.as_ref().map(|it| (it, it.models.results()));
        let Some((across, Some(results))) = results else {
            return self.compute(inputs, rows);
        };
        let hashes = rows.iter().map(|row| keys.row(*row as usize));
        let hashes: Vec<Key> = hashes.map(|key| across.key(key.data())).collect();
        let Found {
            places,
            mut chunks,
            missing,
        } = results.find(hashes.iter().map(Key::as_slice));
        self.count_known(rows.len() - missing.len(), missing.len());
        if missing.is_empty() {
            return gather(&chunks, &places);
        }
        let unknown: Vec<u32> = missing.iter().map(|index| rows[*index as usize]).collect();
        let computed = self.compute(inputs, &unknown)?;
        let of_missing = missing.iter().map(|index| &hashes[*index as usize]);
        across.keep(results, of_missing, &computed);
        if missing.len() == rows.len() {
            return Ok(computed);
        }
        chunks.push(computed);
        gather(&chunks, &places)
    }

    fn count_known(&self, hits: usize, misses: usize) {
        if let Some(known) = &self.counts.known {
            known.add(hits);
        }
        measures::cache_many("inference", true, hits);
        measures::cache_many("inference", false, misses);
    }

    /// The one result of a call whose arguments are all constant.
    fn constant(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let nothing: &[u8] = &[];
        let _guard = self.memo.one_at_a_time();
        let found = |memo: &Memo, key: &[u8]| match memo.find(std::iter::once(key)) {
            Found { places, chunks, .. } if !chunks.is_empty() => {
                let (chunk, row) = places[0];
                ScalarValue::try_from_array(&chunks[chunk], row).map(Some)
            }
            _ => Ok(None),
        };
        if let Some(value) = found(&self.memo, nothing)? {
            self.counts.remembered.add(batch.num_rows());
            return Ok(ColumnarValue::Scalar(value));
        }
        let key = self.across.as_ref().map(|across| across.key(nothing));
        let results = self.across.as_ref().and_then(|it| it.models.results());
        if let (Some(results), Some(key)) = (results, &key) {
            let known = found(results, key)?;
            self.count_known(usize::from(known.is_some()), usize::from(known.is_none()));
            if let Some(value) = known {
                let value_array = value.to_array()?;
                self.memo.remember(std::iter::once(nothing), &value_array);
                return Ok(ColumnarValue::Scalar(value));
            }
        }
        self.counts.computed.add(1);
        let value = match self.call.evaluate(batch)? {
            ColumnarValue::Scalar(value) => value,
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
        };
        let array = value.to_array()?;
        self.memo.remember(std::iter::once(nothing), &array);
        if let (Some(across), Some(results), Some(key)) = (&self.across, results, &key) {
            across.keep(results, std::iter::once(key), &array);
        }
        Ok(ColumnarValue::Scalar(value))
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
        if batch.num_rows() == 0 {
            return self.call.evaluate(batch);
        }
        if inputs.is_empty() {
            return self.constant(batch);
        }
        let keys = keys(&inputs)?;
        let Found {
            places,
            mut chunks,
            missing,
        } = self.memo.find(keys.iter().map(|key| key.data()));
        self.counts.remembered.add(batch.num_rows() - missing.len());
        if missing.is_empty() {
            return Ok(ColumnarValue::Array(gather(&chunks, &places)?));
        }
        let results = self.results(&inputs, &keys, &missing)?;
        let of_missing = missing.iter().map(|row| keys.row(*row as usize).data());
        self.memo.remember(of_missing, &results);
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
        let (across, counts) = (self.across.clone(), self.counts.clone());
        Ok(Arc::new(Self::new(call, memo, across, counts)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt_sql(f)
    }
}

/// What rows are known by.
pub(super) fn keys(inputs: &[ArrayRef]) -> Result<Rows> {
    let types = inputs
        .iter()
        .map(|input| SortField::new(input.data_type().clone()));
    let converter = RowConverter::new(types.collect())?;
    Ok(converter.convert_columns(inputs)?)
}

/// Rows of several arrays.
fn gather(chunks: &[ArrayRef], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let chunks: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&chunks, places)?)
}
