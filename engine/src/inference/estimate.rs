//! What a query would send through language models, before anything is spent: the rows that their calls would see are read,
//! equal ones counted once, those whose results are known told apart; and how long the rest takes, by a short trial.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::TryStreamExt as _;
use tokio::task::JoinSet;
use udfs::models::{Model, Pooling, Reduction, Scoring};

use super::calls::is_expensive_physical;
use super::exec::InferenceExec;
use super::models::{ModelCall, Models};
use super::planner::physical_plan;
use super::remembered::{Across, keys};
use super::shares::each_text;
use super::stored::Index;
use super::whose::Whose;
use crate::error::Error;

/// Time of the trial of one model.
const TRIAL: Duration = Duration::from_millis(500);
/// The longest sequence that a trial masks position by position: the tokens are its square.
const MASKED_RESIDUES: usize = 96;

/// What one call would send through its model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimate {
    /// The function.
    pub function: String,
    /// The model, `name@version`.
    pub model: String,
    /// What is known of its rows; none where they are found out by another call of a model.
    pub counts: Option<Counted>,
    /// How long the tokens that are left take on this machine, seconds.
    pub seconds: Option<f64>,
}

/// Rows of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// Those with a text.
    pub rows: u64,
    /// Different ones.
    pub distinct: u64,
    /// Of these, those whose results are known.
    pub known: u64,
    /// Residues of all different ones.
    pub residues: u64,
    /// Tokens of all different ones.
    pub tokens: u64,
    /// Tokens of those whose results are not known.
    pub left: u64,
}

/// What a query would send through models, call by call.
///
/// # Errors
/// The query's own; more different rows than fit into memory.
pub(crate) async fn estimate(
    state: &SessionState,
    plan: &LogicalPlan,
    context: Arc<TaskContext>,
) -> Result<Vec<Estimate>> {
    let mut estimates = measured(state, plan, context).await?;
    let Some(models) = Models::of(state.config()) else {
        return Ok(Vec::new());
    };
    let threads = state.config().target_partitions().max(1);
    let mut speeds: HashMap<(String, Scoring), f64> = HashMap::new();
    for (call, estimate) in &mut estimates {
        let (Some(pin), Some(counts)) = (call.pin(), estimate.counts) else {
            continue;
        };
        if counts.left == 0 {
            estimate.seconds = Some(0.0);
            continue;
        }
        let residues = counts.residues.div_ceil(counts.distinct.max(1));
        // Copies of a sequence share a part of their work, so that their tokens are cheaper.
        let scoring = match call.tokens(residues) >= 2 * residues.max(4) {
            true => Scoring::Exact,
            false => Scoring::SinglePass,
        };
        let speed = match speeds.get(&(pin.digest.clone(), scoring)) {
            Some(speed) => *speed,
            None => {
                let model = models.model(&pin).await?;
                let tokens = models.config().batch_tokens;
                let speed = trial(&model, residues, scoring, tokens, threads).await;
                speeds.insert((pin.digest.clone(), scoring), speed);
                speed
            }
        };
        estimate.seconds = Some(counts.left as f64 / speed);
    }
    Ok(estimates
        .into_iter()
        .map(|(_, estimate)| estimate)
        .collect())
}

/// Refuses a query of `user` that would send more tokens through models than one may, or than are left to the user.
///
/// # Errors
/// `Exhausted`; the query's own.
pub(crate) async fn admit(
    state: &SessionState,
    plan: &LogicalPlan,
    context: &Arc<TaskContext>,
    user: &str,
) -> Result<()> {
    let Some(models) = Models::of(state.config()) else {
        return Ok(());
    };
    let config = models.config();
    let (of_query, of_user) = (
        config.max_inference_tokens,
        config.max_inference_tokens_per_user,
    );
    if of_query.or(of_user).is_none() {
        return Ok(());
    }
    let measured = measured(state, plan, Arc::clone(context)).await?;
    let counts = measured.iter().filter_map(|(_, estimate)| estimate.counts);
    let left: u64 = counts.map(|counts| counts.left).sum();
    if let Some(limit) = of_query.filter(|limit| left > *limit) {
        return Err(Error::Exhausted(format!(
            "the query would send {left} tokens through language models, and one may send {limit} (models.max_inference_tokens); \
             EXPLAIN INFERENCE tells what they are: ask for fewer rows, or for single_pass where exact is not needed"
        ))
        .into());
    }
    let Some(limit) = of_user else {
        return Ok(());
    };
    let granted = models.spent().grant(user, left, limit, Instant::now());
    granted.map_err(|gone| {
        Error::Exhausted(format!(
            "the query would send {left} tokens through language models, and of the {limit} that a user may send in 24 hours \
             {gone} are gone (models.max_inference_tokens_per_user); EXPLAIN INFERENCE tells what they are"
        ))
        .into()
    })
}

/// The calls of a query with what is known of their rows.
async fn measured(
    state: &SessionState,
    plan: &LogicalPlan,
    context: Arc<TaskContext>,
) -> Result<Vec<(ModelCall, Estimate)>> {
    let optimized = udfs::plm::without_computing(|| state.optimize(plan))?;
    let local = physical_plan(&optimized, state).await?;
    let mut operators = Vec::new();
    operators_of(&local, &mut operators)?;
    let models = Models::of(context.session_config());
    let mut measured = Vec::new();
    for operator in operators {
        let counts = match operator.is_measurable {
            true => count(&operator, models.as_ref(), &context).await?,
            false => vec![None; operator.calls.len()],
        };
        for (call, counts) in operator.calls.into_iter().zip(counts) {
            let estimate = Estimate {
                function: call.name(),
                model: call.model(),
                counts,
                seconds: None,
            };
            measured.push((call, estimate));
        }
    }
    Ok(measured)
}

/// An operator that computes calls of models.
struct Operator {
    input: Arc<dyn ExecutionPlan>,
    calls: Vec<ModelCall>,
    /// Whether its rows are known without asking a model.
    is_measurable: bool,
}

/// Those of a plan, from below; tells whether there is any.
fn operators_of(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Operator>) -> Result<bool> {
    let mut is_above = false;
    for child in plan.children() {
        is_above |= operators_of(child, found)?;
    }
    let Some(inference) = plan.downcast_ref::<InferenceExec>() else {
        return Ok(is_above);
    };
    let mut calls = inference.model_calls()?;
    calls.dedup_by(|a, b| a.is_same(b));
    if calls.is_empty() {
        return Ok(is_above);
    }
    found.push(Operator {
        input: Arc::clone(inference.projection().input()),
        calls,
        is_measurable: !is_above,
    });
    Ok(true)
}

/// What is known of each call of an operator.
async fn count(
    operator: &Operator,
    models: Option<&Arc<Models>>,
    context: &Arc<TaskContext>,
) -> Result<Vec<Option<Counted>>> {
    let scope = Whose::scope(context.session_config());
    let mut counters: Vec<Counter> = Vec::with_capacity(operator.calls.len());
    for call in &operator.calls {
        counters.push(Counter::new(call, models, scope).await);
    }
    let memory = MemoryConsumer::new("EXPLAIN INFERENCE").register(context.memory_pool());
    let mut rows = execute_stream(Arc::clone(&operator.input), Arc::clone(context))?;
    while let Some(batch) = rows.try_next().await? {
        for counter in &mut counters {
            let more = counter.add(&batch)?;
            memory.try_grow(more)?;
        }
    }
    Ok(counters.into_iter().map(|counter| counter.counts).collect())
}

/// Counts the rows of a call.
struct Counter<'a> {
    call: &'a ModelCall,
    texts: Vec<Arc<dyn PhysicalExpr>>,
    across: Option<Across>,
    stored: Arc<Index>,
    seen: HashSet<[u8; 32]>,
    counts: Option<Counted>,
}

impl<'a> Counter<'a> {
    async fn new(call: &'a ModelCall, models: Option<&Arc<Models>>, scope: &str) -> Self {
        let texts = call.texts();
        let is_known = !texts.iter().any(is_expensive_physical);
        let across = Across::known_by(call, models, scope);
        let stored = match &across {
            Some(across) => across.index().await,
            None => Arc::default(),
        };
        Self {
            call,
            across,
            stored,
            texts,
            seen: HashSet::new(),
            counts: is_known.then(Counted::default),
        }
    }

    /// Adds the rows of a batch; tells how much memory they take.
    fn add(&mut self, batch: &RecordBatch) -> Result<usize> {
        let (Some(counts), Some(across)) = (&mut self.counts, &self.across) else {
            return Ok(0);
        };
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        let mut residues = vec![Some(0_u64); batch.num_rows()];
        let mut inputs: Vec<ArrayRef> = Vec::new();
        for text in &self.texts {
            let values = text.evaluate(batch)?.into_array(batch.num_rows())?;
            each_text(&values, |row, text| {
                let length = text.map(|text| text.len() as u64);
                residues[row] = residues[row].zip(length).map(|(sum, length)| sum + length);
            });
            if !text.is::<Literal>() {
                inputs.push(values);
            }
        }
        let keys = match inputs.is_empty() {
            true => None,
            false => Some(keys(&inputs)?),
        };
        let before = self.seen.len();
        for (row, residues) in residues.into_iter().enumerate() {
            let Some(residues) = residues else {
                continue;
            };
            counts.rows += 1;
            let key = match &keys {
                Some(keys) => across.key(keys.row(row).data()),
                None => across.key(&[]),
            };
            if !self.seen.insert(key) {
                continue;
            }
            let tokens = self.call.tokens(residues);
            counts.distinct += 1;
            counts.residues += residues;
            counts.tokens += tokens;
            match across.knows(&key) || self.stored.knows(&key) {
                true => counts.known += 1,
                false => counts.left += tokens,
            }
        }
        // A hash, and what the set has beside it.
        Ok(48 * (self.seen.len() - before))
    }
}

/// Tokens that all threads together compute in a second, with sequences of so many residues: each once, or each position of
/// theirs masked.
async fn trial(
    model: &Arc<Model>,
    residues: u64,
    scoring: Scoring,
    batch_tokens: usize,
    threads: usize,
) -> f64 {
    let longest = match scoring {
        Scoring::Exact => MASKED_RESIDUES,
        Scoring::SinglePass => 512,
    };
    let longest = model
        .description()
        .max_residues
        .unwrap_or(longest)
        .min(longest);
    let residues = usize::try_from(residues)
        .unwrap_or(longest)
        .clamp(1, longest);
    let letters = udfs::models::ALPHABET.bytes().cycle().take(residues);
    let sequence: Arc<[u8]> = letters.collect();
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for _ in 0..threads {
        let (model, sequence) = (Arc::clone(model), Arc::clone(&sequence));
        tasks.spawn_blocking(move || {
            let one_pass = model.tokens(sequence.len());
            let at_once = (batch_tokens / one_pass).max(1);
            let batch: Vec<&[u8]> = vec![&sequence; at_once];
            let (mut vectors, mut scores, mut computed) = (Vec::new(), Vec::new(), 0);
            while start.elapsed() < TRIAL {
                let tokens = match scoring {
                    Scoring::Exact => model
                        .pseudo_log_likelihood(&batch[..1], scoring, Reduction::Mean, &mut scores)
                        .map(|()| one_pass * sequence.len()),
                    Scoring::SinglePass => {
                        vectors.clear();
                        let embedded = model.embed(&batch, Pooling::Mean, &mut vectors);
                        embedded.map(|()| one_pass * at_once)
                    }
                };
                match tokens {
                    Ok(tokens) => computed += tokens,
                    Err(_) => break,
                }
            }
            computed
        });
    }
    let computed: usize = tasks.join_all().await.into_iter().sum();
    computed.max(1) as f64 / start.elapsed().as_secs_f64()
}
