//! What every call to a node passes: it must come from the cluster, and it computes on threads that compute.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use engine::Lake;
use engine::distributed::{
    CACHED_HEADER, DEVICES_HEADER, DRAINING, LAKE_HEADER, TASKS_HEADER, TOKEN_HEADER,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use ring::digest::{SHA256, digest};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// A call that begins a task; the others belong to one.
const BEGIN: &str = "/CoordinatorChannel";
/// Calls of clients.
const FLIGHT: &str = "/arrow.flight.protocol.FlightService/";
/// The call that asks whether a node can be given work.
const INFO: &str = "/GetWorkerInfo";

/// What the gates of a node share.
#[derive(Debug)]
pub struct Keeper {
    token: Option<String>,
    cpu: Handle,
    lake: Arc<Lake>,
    /// Devices that compute language models.
    devices: usize,
    drains: AtomicBool,
    tasks: AtomicUsize,
    ended: Notify,
}

impl Keeper {
    /// Of a node on `lake`. Lets in who has the token, or everybody where there is none.
    pub fn new(token: Option<String>, cpu: Handle, lake: Arc<Lake>) -> Arc<Self> {
        Arc::new(Self {
            token,
            cpu,
            devices: lake.models().devices(),
            lake,
            drains: AtomicBool::new(false),
            tasks: AtomicUsize::new(0),
            ended: Notify::new(),
        })
    }

    /// Takes no new tasks any more.
    pub fn drain(&self) {
        self.drains.store(true, Ordering::SeqCst);
    }

    /// Whether new tasks are refused.
    pub fn drains(&self) -> bool {
        self.drains.load(Ordering::SeqCst)
    }

    /// Tasks under way.
    pub fn tasks(&self) -> usize {
        self.tasks.load(Ordering::SeqCst)
    }

    /// Waits until no task is under way.
    pub async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.tasks() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// What there is to do, for whoever asks whether there may be more.
    fn tell(&self, headers: &mut HeaderMap) {
        let cached = self.lake.storage().cached_bytes();
        headers.insert(TASKS_HEADER, HeaderValue::from(self.tasks()));
        headers.insert(CACHED_HEADER, HeaderValue::from(cached));
        headers.insert(DEVICES_HEADER, HeaderValue::from(self.devices));
        if let Ok(lake) = HeaderValue::from_str(self.lake.storage().name()) {
            headers.insert(LAKE_HEADER, lake);
        }
    }

    fn refusal(&self, request: &Request<Body>) -> Option<Status> {
        let path = request.uri().path();
        // Clients have no token of the cluster: what they may fetch, their ticket says.
        if path.starts_with(FLIGHT) {
            return None;
        }
        let given = request.headers().get(TOKEN_HEADER);
        let given = given.map(HeaderValue::as_bytes);
        if let Err(refused) = check_token(self.token.as_deref(), given) {
            return Some(refused);
        }
        let is_new = path.ends_with(BEGIN) || path.ends_with(INFO);
        (is_new && self.drains())
            .then(|| Status::unavailable(format!("this node is {DRAINING}; send the query again")))
    }
}

/// Whether a call comes from the cluster.
///
/// # Errors
/// `UNAUTHENTICATED` where it does not.
pub fn check_token(token: Option<&str>, given: Option<&[u8]>) -> Result<(), Status> {
    let Some(token) = token else {
        return Ok(());
    };
    // Digests, so that the time of a comparison tells nothing.
    let digested = |bytes: &[u8]| digest(&SHA256, bytes);
    match digested(given.unwrap_or_default()).as_ref() == digested(token.as_bytes()).as_ref() {
        true => Ok(()),
        false => Err(Status::unauthenticated(
            "only nodes of the cluster may call this: cluster.token is missing or another",
        )),
    }
}

/// A task under way.
struct Task(Arc<Keeper>);

impl Task {
    fn begin(keeper: &Arc<Keeper>) -> Self {
        keeper.tasks.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(keeper))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}

/// The service behind the gate.
#[derive(Debug, Clone)]
pub struct Gate<S> {
    inner: S,
    keeper: Arc<Keeper>,
}

impl<S> Gate<S> {
    /// Puts a gate before a service.
    pub fn before(inner: S, keeper: &Arc<Keeper>) -> Self {
        Self {
            inner,
            keeper: Arc::clone(keeper),
        }
    }
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(status) = self.keeper.refusal(&request) {
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let is_asked = request.uri().path().ends_with(INFO);
        let keeper = Arc::clone(&self.keeper);
        let path = request.uri().path();
        let task =
            (path.ends_with(BEGIN) || path.starts_with(FLIGHT)).then(|| Task::begin(&self.keeper));
        // The one that was asked whether it is ready is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        // datafusion-distributed spawns the streams of a plan where the call is handled.
        let work = self
            .keeper
            .cpu
            .spawn(async move { inner.call(request).await });
        Box::pin(async move {
            let mut response = match work.await {
                Ok(done) => done?,
                Err(_) => {
                    Status::internal("a defect of paratope; the node's log has more").into_http()
                }
            };
            if is_asked {
                keeper.tell(response.headers_mut());
            }
            Ok(match task {
                None => response,
                Some(task) => response.map(|body| Body::new(Held { body, _task: task })),
            })
        })
    }
}

/// The answer of a task, which is under way until the answer has ended.
struct Held {
    body: Body,
    _task: Task,
}

impl http_body::Body for Held {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
