//! A node's side: plans come, and are carried out with the node's own lake, memory and functions.

use std::sync::Arc;

use datafusion::error::Result as DFResult;
use datafusion::execution::{FunctionRegistry as _, SessionState};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DistributedExt as _, Worker, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
    WorkerQueryContext,
};

use super::channels::Channels;
use super::slices::SliceCodec;
use crate::error::Result;
use crate::export::encode::EncodeCodec;
use crate::inference::{InferenceCodec, Models, Whose};
use crate::session::Sessions;
use crate::storage::IoThreads;
use crate::tables::sink::SinkCodec;
use crate::tables::with_counted_readers;

/// Nodes work together only where this is equal.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What carries out plans that come from the cluster. They reach the lake of `sessions` and nothing else.
///
/// # Errors
/// A token that no header can hold; a runtime that cannot be built.
pub fn worker(sessions: &Sessions, io: IoThreads) -> Result<Worker> {
    let token = sessions.config().cluster.token.as_deref();
    let channels = Arc::new(Channels::new(io, token)?);
    let runtime = sessions.lake_runtime()?;
    let models = sessions.models().map(Arc::clone);
    let library = sessions.library();
    Ok(
        Worker::from_session_builder(move |query: WorkerQueryContext| {
            let (channels, models) = (Arc::clone(&channels), models.clone());
            let library = Arc::clone(&library);
            async move { session(query, &channels, models, &library) }
        })
        .with_runtime_env(runtime)
        .with_version(VERSION),
    )
}

/// Operators that are not DataFusion's are written and read where plans travel.
pub(super) fn read_our_operators(config: &mut SessionConfig) {
    config.set_distributed_user_codec(InferenceCodec);
    config.set_distributed_user_codec(SinkCodec);
    config.set_distributed_user_codec(EncodeCodec);
    config.set_distributed_user_codec(SliceCodec);
}

fn session(
    query: WorkerQueryContext,
    channels: &Arc<Channels>,
    models: Option<Arc<Models>>,
    library: &Arc<dyn udfs::plm::Models>,
) -> DFResult<SessionState> {
    let mut builder = query.builder;
    if let Some(config) = builder.config() {
        read_our_operators(config);
        if let Some(models) = models {
            config.set_extension(models);
        }
    }
    let mut state = builder
        .with_distributed_channel_resolver(Arc::clone(channels) as Arc<_>)
        .with_distributed_option_extension_from_headers::<Whose>(&query.headers)?
        .with_distributed_worker_plan_rewrite_handler(|event: WorkerPlanRewriteEvent<'_>| {
            with_counted_readers(event.plan).map(WorkerPlanRewriteEventResponse::new)
        })
        .build();
    let faster = udfs::vector::functions();
    for function in faster.into_iter().chain(udfs::all(library)) {
        state.register_udf(function)?;
    }
    for function in udfs::aggregates() {
        state.register_udaf(function)?;
    }
    Ok(state)
}
