//! How far an operator is with its calls of language models: what they compute within, what was counted, and a stop when
//! nobody waits for them any longer. Without such calls it does nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time,
};
use futures::{Stream, StreamExt as _, stream};
use udfs::plm::{self, Work};

use super::models::{ModelCall, Models};
use super::remembered::{Across, keys};
use super::shares::Shares;
use super::stored::{Index, Key};
use crate::measures;

/// Rows of a batch where results are lists as long as the sequences: those of a whole batch could take gigabytes.
const ROWS_OF_LISTS: usize = 64;

/// How far an operator is, in one partition.
pub(super) struct Progress {
    calls: Vec<ModelCall>,
    models: Option<Arc<Models>>,
    /// Calls of which the lake keeps results.
    stored: Vec<Stored>,
    work: Arc<Work>,
    counters: Option<Counters>,
    /// Since when it computes.
    since: Instant,
}

/// A call of which the lake keeps results, and its texts.
struct Stored {
    across: Across,
    index: Arc<Index>,
    texts: Vec<Arc<dyn PhysicalExpr>>,
    value_type: DataType,
}

/// Somebody waits for the results.
pub(super) struct Waiting(Arc<Work>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct Counters {
    sequences: Count,
    tokens: Count,
    speed: Gauge,
    batches: Count,
    load: Time,
}

impl Stored {
    /// Of a call of which anything is kept; not of one whose texts a model gives.
    async fn of(call: &ModelCall, models: &Arc<Models>, scope: &str) -> Option<Self> {
        let texts = call.texts();
        if texts.iter().any(asks_model) {
            return None;
        }
        let across = Across::known_by(call, Some(models), scope)?;
        let index = across.index().await;
        (index.len() > 0).then_some(Self {
            across,
            index,
            texts,
            value_type: call.value_type()?,
        })
    }

    async fn fetch(&self, batch: &RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        // A text that cannot be computed may be in a branch that no row takes.
        if let Ok(keys) = self.keys(batch) {
            self.across.fetch(&self.index, keys, &self.value_type).await;
        }
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<Key>> {
        let texts = self.texts.iter().filter(|text| !text.is::<Literal>());
        let inputs = texts.map(|text| text.evaluate(batch)?.into_array(batch.num_rows()));
        let inputs: Vec<ArrayRef> = inputs.collect::<Result<_>>()?;
        if inputs.is_empty() {
            return Ok(vec![self.across.key(&[])]);
        }
        let rows = keys(&inputs)?;
        Ok(rows.iter().map(|row| self.across.key(row.data())).collect())
    }
}

fn asks_model(text: &Arc<dyn PhysicalExpr>) -> bool {
    text.exists(|part| Ok(ModelCall::of(part).is_some()))
        .unwrap_or(true)
}

impl Progress {
    /// Of an operator with these calls.
    pub fn new(calls: Vec<ModelCall>, metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        let counters = (!calls.is_empty()).then(|| Counters {
            sequences: counter("sequences"),
            tokens: counter("tokens"),
            speed: MetricBuilder::new(metrics).gauge("tokens_per_s", partition),
            batches: counter("micro_batches"),
            load: MetricBuilder::new(metrics).subset_time("model_load", partition),
        });
        Self {
            calls,
            models: None,
            stored: Vec::new(),
            work: Arc::default(),
            counters,
            since: Instant::now(),
        }
    }

    /// The same, its models in memory; `scope` is whose results it may know.
    pub async fn begin(mut self, models: Option<&Arc<Models>>, scope: &str) -> Result<Self> {
        if let Some(models) = models {
            self.models = Some(Arc::clone(models));
            if models.stored().is_some() {
                for call in &self.calls {
                    self.stored.extend(Stored::of(call, models, scope).await);
                }
            }
            let pins = self.calls.iter().filter_map(ModelCall::pin).collect();
            let (work, elapsed) = models.work(pins).await?;
            self.work = Arc::new(work);
            self.note_load(elapsed);
            self.since = Instant::now();
        }
        Ok(self)
    }

    /// Has in memory what the lake keeps of the results of a batch.
    pub async fn fetch(&self, batch: &RecordBatch) {
        for call in &self.stored {
            call.fetch(batch).await;
        }
    }

    /// Has the lake keep what was computed, where that is much or was long ago: a batch may take hours.
    pub async fn save_if_due(&self) {
        if let Some(stored) = self.models.as_ref().and_then(|models| models.stored()) {
            stored.save_if_due().await;
        }
    }

    /// Has the lake keep what was computed.
    pub async fn end(&self) {
        if let Some(models) = &self.models {
            models.save().await;
        }
    }

    fn note_load(&self, elapsed: Duration) {
        if let Some(counters) = &self.counters {
            counters.load.add_duration(elapsed);
        }
    }

    /// Batches of a size whose results fit into memory.
    pub fn pieces(
        &self,
        input: SendableRecordBatchStream,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let is_list = |call: &ModelCall| match call.value_type() {
            Some(DataType::Struct(fields)) => matches!(fields[0].data_type(), DataType::List(_)),
            other => matches!(other, Some(DataType::List(_))),
        };
        let most = match self.calls.iter().any(is_list) {
            true => ROWS_OF_LISTS,
            false => usize::MAX,
        };
        input.flat_map(move |batch| {
            let pieces: Vec<Result<RecordBatch>> = match batch {
                Ok(batch) if batch.num_rows() > most => (0..batch.num_rows())
                    .step_by(most)
                    .map(|start| Ok(batch.slice(start, most.min(batch.num_rows() - start))))
                    .collect(),
                other => vec![other],
            };
            stream::iter(pieces)
        })
    }

    /// How the rows of a batch are shared out.
    pub fn shares(&self, batch: RecordBatch) -> Shares {
        Shares::new(batch, &self.calls, self.work.batch_tokens())
    }

    /// What stops it when it is dropped. Whoever waits for the results holds it, and the tasks that compute them do not.
    pub fn waiting(&self) -> Waiting {
        Waiting(Arc::clone(&self.work))
    }

    /// Computes a share.
    pub fn compute<T>(&self, share: impl FnOnce() -> T) -> T {
        let Some(counters) = &self.counters else {
            return share();
        };
        let computed = plm::within(&self.work, share);
        let counts = self.work.take();
        let add = |counter: &Count, count: u64| counter.add(usize::try_from(count).unwrap_or(0));
        add(&counters.sequences, counts.sequences);
        add(&counters.tokens, counts.tokens);
        add(&counters.batches, counts.batches);
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        counters
            .speed
            .set((counters.tokens.value() as f64 / seconds) as usize);
        measures::inference(counts);
        computed
    }
}
