//! Plans spread over tasks; the lines that these log carry the id of their statement too.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tracing::{Instrument as _, Span};

type Anything = Box<dyn Any + Send>;

/// Takes the span of whoever starts a task into the task.
struct Follow;

impl JoinSetTracer for Follow {
    fn trace_future(&self, work: BoxFuture<'static, Anything>) -> BoxFuture<'static, Anything> {
        work.in_current_span().boxed()
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Anything + Send>,
    ) -> Box<dyn FnOnce() -> Anything + Send> {
        let span = Span::current();
        Box::new(move || span.in_scope(work))
    }
}

/// From now on tasks of plans log in the span of their statement. Once in a process; more often does no harm.
pub fn follow_tasks() {
    let _ = set_join_set_tracer(&Follow);
}
