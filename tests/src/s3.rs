//! A real S3 server over HTTP on the loopback: s3s-fs in a temporary folder, behind a layer that
//! makes conditional PUTs atomic, counts requests and injects faults.
//!
//! s3s-fs checks `If-None-Match` and writes in two steps, so of two racing PUTs both may succeed;
//! every conditional PUT therefore runs under one mutex. The body is received before the mutex is
//! taken: a client that stops in the middle holds up nobody.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engine::config::Config;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connection;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::faults::{Answer, Fault, Faults, Rule, Seen};

/// The bucket every server has.
pub const BUCKET: &str = "lake";
/// The only access key that is let in.
pub const ACCESS_KEY: &str = "PARATOPETESTKEY";
/// Its secret.
pub const SECRET_KEY: &str = "not-a-secret-of-anybody";
/// Region that clients must name.
pub const REGION: &str = "us-east-1";

/// A running server. Dropping it ends it and removes its data.
pub struct S3Server {
    address: SocketAddr,
    faults: Arc<Faults>,
    folder: TempDir,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// Starts a server on a free port, with one empty bucket.
    pub fn start() -> Self {
        Self::with_atomic_puts(true)
    }

    /// A server whose conditional PUTs race, to show what the mutex is for.
    pub fn start_without_atomic_puts() -> Self {
        Self::with_atomic_puts(false)
    }

    fn with_atomic_puts(atomic: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let faults = Arc::new(Faults::default());
        let front = Front {
            s3: service.build(),
            faults: Arc::clone(&faults),
            conditional: atomic.then(|| Arc::new(Mutex::new(()))),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3-server")
            .enable_all()
            .build()
            .expect("a runtime");
        // Bound without `block_on`: a server may be started within another runtime.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        drop(entered);
        runtime.spawn(serve(listener, front));
        Self {
            address,
            faults,
            folder,
            runtime: Some(runtime),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// URL of a folder in the bucket.
    pub fn url(&self, folder: &str) -> String {
        format!("s3://{BUCKET}/{folder}")
    }

    /// The configuration of this process for a lake in a folder of its bucket.
    pub fn config(&self, folder: &str) -> Config {
        let mut config = Config::default();
        config.lake.url = self.url(folder);
        config.storage.endpoint = Some(self.endpoint());
        config.storage.region = Some(REGION.into());
        config.storage.access_key_id = Some(ACCESS_KEY.into());
        config.storage.secret_access_key = Some(SECRET_KEY.into());
        config.storage.allow_http = true;
        config
    }

    /// Environment that lets `paratope` use this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("PARATOPE__STORAGE__ENDPOINT", self.endpoint().as_str()),
            ("PARATOPE__STORAGE__REGION", REGION),
            ("PARATOPE__STORAGE__ACCESS_KEY_ID", ACCESS_KEY),
            ("PARATOPE__STORAGE__SECRET_ACCESS_KEY", SECRET_KEY),
            ("PARATOPE__STORAGE__ALLOW_HTTP", "true"),
        ]
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .into()
    }

    /// A client of the bucket.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.store_with_secret(SECRET_KEY)
    }

    /// A client that signs with `secret`.
    pub fn store_with_secret(&self, secret: &str) -> Arc<dyn ObjectStore> {
        let store = AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_bucket_name(BUCKET)
            .with_region(REGION)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(secret)
            .with_allow_http(true)
            .build()
            .expect("a client");
        Arc::new(store)
    }

    /// Rules and requests of this server.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Adds a fault.
    pub fn inject(&self, rule: Rule) {
        self.faults.add(rule);
    }

    /// How often each operation was asked for.
    pub fn operations(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.faults.seen() {
            *counts.entry(operation(&request)).or_default() += 1;
        }
        counts
    }

    /// The bucket's folder on the local disk.
    pub fn bucket_folder(&self) -> std::path::PathBuf {
        self.folder.path().join(BUCKET)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not `shutdown_timeout`: a server may be dropped within another runtime.
            runtime.shutdown_background();
        }
    }
}

/// The S3 operation of a request, as far as tests tell operations apart.
fn operation(request: &Seen) -> String {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let has_key = path.trim_matches('/').contains('/');
    let name = match request.method.as_str() {
        "GET" if has_key => "GetObject",
        "GET" => "ListObjects",
        "HEAD" if has_key => "HeadObject",
        "HEAD" => "HeadBucket",
        "PUT" if query.contains("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "DELETE" => "DeleteObject",
        "POST" if query.contains("delete") => "DeleteObjects",
        "POST" if query.contains("uploadId") => "CompleteMultipartUpload",
        "POST" => "CreateMultipartUpload",
        other => other,
    };
    name.to_string()
}

async fn serve(listener: tokio::net::TcpListener, front: Front) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let front = front.clone();
        tokio::spawn(async move {
            let server = Connection::new(TokioExecutor::new());
            // An error is a client that went away or a fault that closed the connection.
            let _ = server.serve_connection(TokioIo::new(socket), front).await;
        });
    }
}

/// What stands between the network and s3s.
#[derive(Clone)]
struct Front {
    s3: S3Service,
    faults: Arc<Faults>,
    conditional: Option<Arc<Mutex<()>>>,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<Response<Body>, Failed>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move {
            let method = request.method().as_str().to_string();
            let path = request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string);
            let class = request.headers().get("x-amz-storage-class");
            let storage_class = class.and_then(|class| class.to_str().ok().map(str::to_string));
            let fault = front.faults.next(&method, &path);
            let answer = front.answer(request, fault).await;
            front.faults.record(Seen {
                method,
                path,
                status: answer.as_ref().ok().map(|answer| answer.status().as_u16()),
                storage_class,
            });
            answer
        })
    }
}

impl Front {
    async fn answer(
        &self,
        request: Request<Incoming>,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, Failed> {
        let (parts, body) = request.into_parts();
        let body = collect(Body::from(body)).await?;
        let request = Request::from_parts(parts, Body::from(body));
        match fault {
            None => self.carry_out(request).await,
            Some(Fault::Stall(wait)) => {
                tokio::time::sleep(wait).await;
                self.carry_out(request).await
            }
            Some(Fault::Instead(answer)) => replaced(answer),
            Some(Fault::AfterApply(answer)) => {
                let applied = self.carry_out(request).await?;
                if applied.status().is_success() {
                    replaced(answer)
                } else {
                    Ok(applied)
                }
            }
        }
    }

    async fn carry_out(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let headers = request.headers();
        let conditional = headers.contains_key("if-none-match") || headers.contains_key("if-match");
        let _guard = match (&self.conditional, conditional && request.method() != "GET") {
            (Some(mutex), true) => Some(mutex.lock().await),
            _ => None,
        };
        Ok(self.s3.call(request).await?)
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Failed> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}

fn replaced(answer: Answer) -> Result<Response<Body>, Failed> {
    match answer {
        Answer::Close => Err("the test closes this connection".into()),
        Answer::Status(status) => {
            let code = match status {
                409 => "ConditionalRequestConflict",
                412 => "PreconditionFailed",
                503 => "SlowDown",
                _ => "InternalError",
            };
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected by the test</Message></Error>"
            );
            // A success without a tag would not be taken for one.
            let answer = Response::builder()
                .status(status)
                .header("etag", "\"injected\"");
            Ok(answer.body(Body::from(body))?)
        }
    }
}
