//! A query whose node goes away is sent again to those that are left, as long as none of its rows was given.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan, execute_stream};
use datafusion_distributed::DistributedExec;
use futures::{StreamExt as _, stream};
use tonic::{Code, Status};
use url::Url;

use super::cluster::Cluster;
use crate::error::{Error, is_of_store};
use crate::inference;
use crate::queries;
use crate::tables::sink;

/// How often a query is sent again.
const AGAIN: usize = 2;
/// What messages of lost connections have in common, in lower case, where they come from another node and only their text
/// is left.
const LOST: [&str; 11] = [
    "transport error",
    "connect error",
    "connection error",
    "connection reset",
    "connection closed",
    "broken pipe",
    "body from connection",
    "h2 protocol error",
    "operation was canceled",
    "waiting for the plan",
    "cannot be reached",
];

/// Whether nodes compute a part of a plan.
pub(crate) fn is_distributed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<DistributedExec>()
}

/// The rows of a distributed plan.
struct Run {
    state: Arc<SessionState>,
    logical: LogicalPlan,
    context: Arc<TaskContext>,
    rows: SendableRecordBatchStream,
    /// Those that could be given work when it began.
    nodes: Vec<Url>,
    again: usize,
    gave_rows: bool,
    /// What a plan that writes has told, which is of use as a whole only: where it begins again, other files are written.
    held: Option<VecDeque<RecordBatch>>,
}

/// Starts a distributed plan; `logical` is what it was made of.
///
/// # Errors
/// DataFusion's.
pub(crate) fn run(
    state: &Arc<SessionState>,
    logical: &LogicalPlan,
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> DFResult<SendableRecordBatchStream> {
    let rows = execute_stream(physical, Arc::clone(&context))?;
    let schema = rows.schema();
    let run = Run {
        state: Arc::clone(state),
        logical: logical.clone(),
        context,
        rows,
        nodes: ready(state),
        again: AGAIN,
        gave_rows: false,
        held: sink::is_sink(logical).then(VecDeque::new),
    };
    let rows = stream::unfold(Some(run), |run| async move {
        let mut run = run?;
        loop {
            match run.rows.next().await {
                Some(Ok(batch)) => match &mut run.held {
                    Some(held) => held.push_back(batch),
                    None => {
                        run.gave_rows |= batch.num_rows() > 0;
                        return Some((Ok(batch), Some(run)));
                    }
                },
                Some(Err(error)) => match run.recover(error).await {
                    Ok(()) => {}
                    Err(error) => return Some((Err(error), None)),
                },
                None => {
                    let held = run.held.as_mut()?.pop_front()?;
                    run.rows = Box::pin(EmptyRecordBatchStream::new(held.schema()));
                    return Some((Ok(held), Some(run)));
                }
            }
        }
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

impl Run {
    /// Begins again where that can be done and may help.
    async fn recover(&mut self, error: DataFusionError) -> DFResult<()> {
        let cause = cause(&error);
        if matches!(cause, Cause::Query) {
            return Err(error);
        }
        if let Some(cluster) = self.state.config().get_extension::<Cluster>() {
            cluster.ask_ready().await;
        }
        let ready = ready(&self.state);
        let gone = self.nodes.iter().find(|node| !ready.contains(node));
        let reason = match (cause, gone) {
            (Cause::Lost(reason), _) => reason,
            (_, Some(node)) => format!("{node}: {}", error.strip_backtrace()),
            (_, None) => return Err(error),
        };
        let given_up = |why: &str| {
            let text =
                format!("a node was lost while it computed ({reason}) {why}; send the query again");
            Err(Error::Unavailable(text).into())
        };
        if self.gave_rows {
            return given_up("and rows were given already");
        }
        if self.again == 0 {
            return given_up("again and again");
        }
        self.again -= 1;
        if let Some(query) = queries::current() {
            query.note_sent_again(&reason);
        }
        tracing::warn!(
            reason,
            "a node was lost: the query is sent to those that are left"
        );
        self.nodes = ready;
        if let Some(held) = &mut self.held {
            held.clear();
        }
        let physical = inference::planned(&self.state, &self.logical).await?;
        self.rows = execute_stream(physical, Arc::clone(&self.context))?;
        Ok(())
    }
}

/// Nodes that can be given work.
fn ready(state: &SessionState) -> Vec<Url> {
    let cluster = state.config().get_extension::<Cluster>();
    cluster.map(|cluster| cluster.ready()).unwrap_or_default()
}

/// What an error tells of the nodes.
enum Cause {
    /// The query fails wherever it is computed.
    Query,
    /// A node or the way to it is gone; why.
    Lost(String),
    /// Either.
    Unknown,
}

fn cause(error: &DataFusionError) -> Cause {
    let by_text = |message: &str| match has_trace(message) {
        // It fails for all nodes, and was asked again already.
        _ if is_of_store(message) => Cause::Query,
        true => Cause::Lost(message.to_string()),
        false => Cause::Unknown,
    };
    match error.find_root() {
        DataFusionError::External(inner) => {
            if let Some(status) = inner.downcast_ref::<Status>() {
                let is_lost = matches!(
                    status.code(),
                    Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded
                );
                return match is_lost {
                    true => Cause::Lost(status.message().to_string()),
                    false => by_text(status.message()),
                };
            }
            match inner.downcast_ref::<Error>() {
                Some(Error::Unavailable(message)) => Cause::Lost(message.clone()),
                Some(_) => Cause::Query,
                None => by_text(&inner.to_string()),
            }
        }
        other => by_text(&other.strip_backtrace()),
    }
}

fn has_trace(message: &str) -> bool {
    let message = message.to_lowercase();
    LOST.iter().any(|trace| message.contains(trace))
}
