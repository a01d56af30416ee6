//! What calls of language models have in a process: the models, results that are known across queries, and limits. Sessions
//! and tasks carry it in their configuration.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::prelude::SessionConfig;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use udfs::antibody::hash::hex;
use udfs::models::Model;
use udfs::plm::{Function, Pin, Work};

use super::memo::Memo;
use super::spent::Spent;
use super::stored::{CallName, StoredResults};
use crate::config::ModelsConfig;
use crate::lake::Lake;
use crate::models::Library;

/// What calls of models have in a process.
#[derive(Debug)]
pub(crate) struct Models {
    library: Arc<Library>,
    results: Memo,
    stored: Option<StoredResults>,
    spent: Spent,
    config: ModelsConfig,
}

impl Models {
    /// Over the models of a lake.
    pub fn new(lake: &Arc<Lake>, config: &ModelsConfig) -> Self {
        // Its limit is its own: what a query may hold is about the query's own data.
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        Self {
            library: Arc::clone(lake.models()),
            results: Memo::new(config.cache_bytes, &pool),
            stored: (config.share_results && config.cache_bytes > 0)
                .then(|| StoredResults::new(lake, config.cache_bytes)),
            spent: Spent::default(),
            config: config.clone(),
        }
    }

    /// Those of a session or task, where there are any.
    pub fn of(config: &SessionConfig) -> Option<Arc<Self>> {
        config.get_extension()
    }

    /// Results that are known across queries; none where they are not kept.
    pub fn results(&self) -> Option<&Memo> {
        (self.config.cache_bytes > 0).then_some(&self.results)
    }

    /// Results that are kept in the lake; none where they are not.
    pub(super) fn stored(&self) -> Option<&StoredResults> {
        self.stored.as_ref()
    }

    /// Writes the results that are to be kept in the lake and are not yet.
    pub async fn save(&self) {
        if let Some(stored) = &self.stored {
            stored.save().await;
        }
    }

    /// A model in memory.
    pub async fn model(&self, pin: &Pin) -> Result<Arc<Model>> {
        Ok(self.library.ready(pin).await?)
    }

    /// What users had computed.
    pub(super) fn spent(&self) -> &Spent {
        &self.spent
    }

    /// Limits.
    pub fn config(&self) -> &ModelsConfig {
        &self.config
    }

    /// What the calls of one operator compute within, once their models are in memory, and how long that took.
    pub async fn work(&self, pins: HashSet<Pin>) -> Result<(Work, Duration)> {
        let start = Instant::now();
        let mut models = Vec::with_capacity(pins.len());
        for pin in pins {
            let model = self.model(&pin).await?;
            models.push((pin, model));
        }
        let work = Work::new(self.config.batch_tokens).with_models(models);
        Ok((work, start.elapsed()))
    }
}

/// A call of a model.
#[derive(Debug, Clone)]
pub(crate) struct ModelCall {
    expression: Arc<dyn PhysicalExpr>,
    texts: usize,
    constants: Vec<ScalarValue>,
}

impl ModelCall {
    /// The call that an expression is.
    pub fn of(expression: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
        let texts = function(call)?.texts();
        let constants = call.args().iter().skip(texts);
        let constants = constants.map(|argument| {
            let literal = argument.downcast_ref::<Literal>()?;
            Some(literal.value().clone())
        });
        Some(Self {
            expression: Arc::clone(expression),
            texts,
            constants: constants.collect::<Option<_>>()?,
        })
    }

    fn function(&self) -> Option<&Function> {
        function(self.expression.downcast_ref::<ScalarFunctionExpr>()?)
    }

    /// The function's name.
    pub fn name(&self) -> String {
        let call = self.expression.downcast_ref::<ScalarFunctionExpr>();
        call.map_or_else(String::new, |call| call.name().to_string())
    }

    /// Whether another is the same call.
    pub fn is_same(&self, other: &Self) -> bool {
        self.expression.eq(&other.expression)
    }

    /// Whether all its rows are the same.
    pub fn is_constant(&self) -> bool {
        let texts = self.texts();
        texts.iter().all(|text| text.is::<Literal>())
    }

    /// Its texts, by row.
    pub fn texts(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let arguments = self.expression.children().into_iter();
        arguments.take(self.texts).map(Arc::clone).collect()
    }

    /// What it gives.
    pub fn value_type(&self) -> Option<DataType> {
        let call = self.expression.downcast_ref::<ScalarFunctionExpr>()?;
        Some(call.return_type().clone())
    }

    /// Its model.
    pub fn pin(&self) -> Option<Pin> {
        self.function()?.pin(&self.constants).ok()
    }

    /// Tokens that a row costs whose texts have so many residues together.
    pub fn tokens(&self, residues: u64) -> u64 {
        let tokens = self
            .function()
            .map(|it| it.tokens(residues, &self.constants));
        tokens.and_then(Result::ok).unwrap_or(residues)
    }

    /// The name of its model, `name@version`.
    pub fn model(&self) -> String {
        let pin = self.pin();
        pin.map_or_else(String::new, |pin| format!("{}@{}", pin.name, pin.version))
    }

    /// How the lake names it, which keeps its results; `id` is [`Self::id`].
    pub(super) fn call_name(&self, id: &Sha256) -> CallName {
        CallName {
            id: hex(&id.clone().finalize()),
            function: self.name(),
            model: self.model(),
        }
    }

    /// What is the same of calls that give the same for the same rows, to those who may know it: the function, and whatever is
    /// constant.
    pub fn id(&self, scope: &str) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(format!("{scope}\n"));
        if let Some(call) = self.expression.downcast_ref::<ScalarFunctionExpr>() {
            hash.update(call.name());
            hash.update(format!("\n{}\n", call.return_type()));
            for argument in call.args() {
                if let Some(literal) = argument.downcast_ref::<Literal>() {
                    hash.update(format!("{:?}\n", literal.value()));
                }
            }
        }
        hash
    }
}

fn function(call: &ScalarFunctionExpr) -> Option<&Function> {
    call.fun().inner().downcast_ref::<Function>()
}
