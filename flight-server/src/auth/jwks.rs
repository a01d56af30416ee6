//! Where the keys of an issuer come from: a file, or a URL that is read again from time to time.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::storage::redact;
use engine::{Error, Result};
use url::Url;

use super::key_set::KeySet;
use crate::watched::Watched;

/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Largest answer that is read, bytes.
const LARGEST: usize = 1 << 20;
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How often a URL is read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Keys are fresh for so long.
    pub fresh: Duration,
    /// Least time between two requests, whatever tokens name.
    pub between: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(300),
            between: Duration::from_secs(30),
        }
    }
}

/// Where keys come from.
pub enum KeySource {
    /// A file.
    File(Watched<KeySet>),
    /// A URL.
    Remote(Arc<Remote>),
}

impl KeySource {
    /// A file, or an `https://` URL.
    ///
    /// # Errors
    /// A file that holds no keys; a URL that anybody between here and there could answer. Whether a URL answers is not
    /// found out here: a server must start while its issuer is down.
    pub fn open(place: &str) -> Result<Self> {
        match Url::parse(place) {
            Ok(url) if url.scheme() == "https" => {
                let client = reqwest::Client::builder()
                    .https_only(true)
                    .timeout(ANSWER)
                    .redirect(reqwest::redirect::Policy::limited(3))
                    .build()
                    .map_err(|error| Error::Internal(format!("HTTP client: {error}")))?;
                Ok(Self::Remote(Remote::new(url, client, Pace::default())))
            }
            Ok(url) if url.scheme() == "http" => Err(Error::Invalid(format!(
                "server.auth.jwks {}: keys that come over plain HTTP may be anybody's; use https:// or a file",
                redact(&url)
            ))),
            Ok(url) if url.scheme() == "file" => {
                let path = url.to_file_path().map_err(|()| {
                    Error::Invalid(format!("server.auth.jwks {url} is no path of this machine"))
                })?;
                Self::file(&path, LOOK)
            }
            _ => Self::file(Path::new(place), LOOK),
        }
    }

    /// A file that is looked at once in `every`.
    ///
    /// # Errors
    /// A file that holds no keys.
    pub fn file(path: &Path, every: Duration) -> Result<Self> {
        let file = path.to_path_buf();
        let read = move || {
            let keys = std::fs::read(&file).map_err(Error::from);
            keys.and_then(|json| KeySet::parse(&json))
                .map_err(|error| error.context(format!("server.auth.jwks {}", file.display())))
        };
        Watched::open(vec![path.to_path_buf()], every, read).map(Self::File)
    }

    /// The keys. Stale ones of a URL are good while new ones are on their way.
    pub async fn current(&self) -> Arc<KeySet> {
        match self {
            Self::File(file) => file.current().await,
            Self::Remote(remote) => remote.current().await,
        }
    }

    /// The keys after another look, where one is allowed: a token names a key that is not known.
    pub async fn renewed(&self) -> Arc<KeySet> {
        match self {
            Self::File(file) => file.current().await,
            Self::Remote(remote) => remote.renewed().await,
        }
    }
}

/// Keys behind a URL.
pub struct Remote {
    url: Url,
    client: reqwest::Client,
    pace: Pace,
    state: Mutex<State>,
    /// One request at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Arc<KeySet>,
    read: Option<Instant>,
    asked: Option<Instant>,
}

impl Remote {
    /// Nothing is read yet.
    pub fn new(url: Url, client: reqwest::Client, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            url,
            client,
            pace,
            state: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    async fn current(self: &Arc<Self>) -> Arc<KeySet> {
        let fresh = self
            .state()
            .read
            .map(|read| read.elapsed() < self.pace.fresh);
        match fresh {
            Some(true) => self.known(),
            // The answer may take seconds, and nobody has to wait for it.
            Some(false) => {
                if self.may_ask() {
                    let remote = Arc::clone(self);
                    tokio::spawn(async move { remote.renewed().await });
                }
                self.known()
            }
            None => self.renewed().await,
        }
    }

    async fn renewed(&self) -> Arc<KeySet> {
        let turn = self.asking.lock().await;
        if self.may_ask() {
            self.state().asked = Some(Instant::now());
            match self.ask().await {
                Ok(keys) => {
                    let mut state = self.state();
                    state.keys = Arc::new(keys);
                    state.read = Some(Instant::now());
                }
                Err(error) => {
                    let url = redact(&self.url);
                    tracing::warn!("server.auth.jwks {url}: {error}; keys read before stay in use");
                }
            }
        }
        drop(turn);
        self.known()
    }

    fn may_ask(&self) -> bool {
        let asked = self.state().asked;
        asked.is_none_or(|asked| asked.elapsed() >= self.pace.between)
    }

    async fn ask(&self) -> Result<KeySet> {
        // The library's message would show the URL, and with it what stands in its query.
        let failed = |error: reqwest::Error| Error::Unavailable(chain(&error.without_url()));
        let request = self.client.get(self.url.clone()).send();
        let mut answer = request
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Error::Invalid(format!("the answer passes {LARGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        KeySet::parse(&body)
    }

    fn known(&self) -> Arc<KeySet> {
        Arc::clone(&self.state().keys)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::Algorithm;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::super::issuer::Issuer;
    use super::*;
    use crate::net::authority::Authority;

    /// A web server that answers everything with one text and counts how often it does.
    struct Web {
        url: Url,
        client: reqwest::Client,
        answer: Arc<Mutex<String>>,
        asked: Arc<AtomicUsize>,
    }

    impl Web {
        async fn start() -> Self {
            let authority = Authority::new();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let acceptor = TlsAcceptor::from(authority.http1());
            let answer = Arc::new(Mutex::new(String::new()));
            let asked = Arc::new(AtomicUsize::new(0));
            let (said, count) = (Arc::clone(&answer), Arc::clone(&asked));
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        continue;
                    };
                    let _ = stream.read(&mut [0; 4_096]).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    let text = said.lock().unwrap().clone();
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            });
            let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
            let client = reqwest::Client::builder()
                .add_root_certificate(root)
                .https_only(true)
                .no_proxy()
                .build();
            Self {
                url: Url::parse(&format!("https://localhost:{port}/keys?secret=hush")).unwrap(),
                client: client.unwrap(),
                answer,
                asked,
            }
        }

        fn say(&self, status: &str, body: &str) {
            let length = body.len();
            *self.answer.lock().unwrap() = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }

        fn keys(&self, id: &str) {
            self.say("200 OK", &Issuer::new(id).jwks().to_string());
        }

        fn source(&self, fresh: Duration, between: Duration) -> KeySource {
            let pace = Pace { fresh, between };
            KeySource::Remote(Remote::new(self.url.clone(), self.client.clone(), pace))
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn has(keys: &Arc<KeySet>, id: &str) -> bool {
        keys.candidates(Some(id), Algorithm::ES256).next().is_some()
    }

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn keys_behind_a_url_are_read_once_and_kept() {
        let web = Web::start().await;
        web.keys("a");
        let source = web.source(LONG, LONG);
        for _ in 0..5 {
            assert!(has(&source.current().await, "a"));
        }
        // Tokens that name unknown keys make no further requests in that time.
        web.keys("b");
        for _ in 0..5 {
            assert!(!has(&source.renewed().await, "b"));
        }
        assert_eq!(web.asked(), 1);
    }

    #[tokio::test]
    async fn an_unknown_key_is_looked_for_and_many_at_once_make_one_request() {
        let web = Web::start().await;
        web.keys("a");
        let source = web.source(LONG, Duration::from_secs(2));
        assert!(has(&source.current().await, "a"));
        web.keys("b");
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let calls = (0..50).map(|_| source.renewed());
        for keys in futures::future::join_all(calls).await {
            assert!(has(&keys, "b"));
        }
        assert_eq!(web.asked(), 2);
    }

    #[tokio::test]
    async fn keys_stay_when_the_url_fails() {
        let web = Web::start().await;
        web.keys("a");
        let source = web.source(Duration::ZERO, Duration::ZERO);
        assert!(has(&source.current().await, "a"));
        for (status, body) in [("500 Oops", "hush"), ("200 OK", "hush"), ("200 OK", "{}")] {
            web.say(status, body);
            assert!(has(&source.renewed().await, "a"), "{status} {body}");
        }
        web.say("200 OK", &" ".repeat(2 * LARGEST));
        assert!(has(&source.renewed().await, "a"));
        web.keys("b");
        assert!(has(&source.renewed().await, "b"));
    }

    #[tokio::test]
    async fn stale_keys_are_renewed_while_nobody_waits() {
        let web = Web::start().await;
        web.keys("a");
        let source = web.source(Duration::ZERO, Duration::ZERO);
        assert!(has(&source.current().await, "a"));
        web.keys("b");
        let started = Instant::now();
        while !has(&source.current().await, "b") {
            assert!(started.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_went_wrong_is_said_without_the_secrets_of_the_url() {
        let web = Web::start().await;
        web.say("500 Oops", "");
        let remote = Remote::new(web.url.clone(), web.client.clone(), Pace::default());
        let message = remote.ask().await.err().unwrap().to_string();
        assert!(
            message.contains("500") && !message.contains("hush"),
            "{message}"
        );
        // A client that does not know the authority.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let remote = Remote::new(web.url, client, Pace::default());
        let message = remote.ask().await.err().unwrap().to_string();
        assert!(
            message.contains("certificate") && !message.contains("hush"),
            "{message}"
        );
    }

    #[test]
    fn keys_do_not_come_over_plain_http_nor_from_a_missing_file() {
        let fails = |place: &str| KeySource::open(place).err().unwrap().to_string();
        let message = fails("http://issuer.example.org/keys?secret=hush");
        assert!(
            message.contains("https://") && !message.contains("hush"),
            "{message}"
        );
        assert!(fails("none.json").contains("server.auth.jwks none.json"));
    }
}
