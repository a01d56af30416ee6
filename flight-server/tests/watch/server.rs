//! `paratope serve` as a child process that logs JSON, its lake, and a client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// Longest that anything may take: dev builds on a busy machine are slow, but nothing here is this slow.
pub const WAIT: Duration = Duration::from_secs(120);

/// A folder with a lake.
pub struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let made = folder.command(&["init"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command line on the lake.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paratope"));
        for (name, _) in std::env::vars() {
            let foreign = ["PARATOPE__", "AWS_", "AZURE_", "GOOGLE_", "RUST_LOG"];
            if foreign.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.0.path())
            .arg("--lake")
            .arg(self.path("lake"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Rows of a query, as the command line reads them.
    pub fn query(&self, sql: &str) -> Vec<Value> {
        // Another file than the server's configuration: nothing of it is needed.
        let none = self.path("none.toml");
        std::fs::write(&none, "").unwrap();
        let config = none.to_str().unwrap();
        let answered = self
            .command(&["--config", config, "query", "--format", "json", "-c", sql])
            .output()
            .unwrap();
        let (text, error) = (
            String::from_utf8(answered.stdout).unwrap(),
            String::from_utf8_lossy(&answered.stderr),
        );
        assert!(answered.status.success(), "{sql}: {error}");
        match serde_json::from_str(&text) {
            Ok(Value::Array(rows)) => rows,
            _ => text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        }
    }
}

/// What a server logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Everything.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    fn lines(&self) -> Vec<Value> {
        let lines = self.0.lock().unwrap();
        let parsed = lines.iter().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
        });
        parsed.collect()
    }

    /// The first line with a message.
    pub fn line(&self, message: &str) -> Value {
        let found = self
            .lines()
            .into_iter()
            .find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no line says {message:?}:\n{}", self.text()))
    }

    /// The one line about the end of a statement.
    pub fn ended(&self, id: &str) -> Value {
        let mut found = self.lines();
        found.retain(|line| line["message"] == "statement ended" && line["query_id"] == id);
        assert_eq!(found.len(), 1, "{id}: {}", self.text());
        found.remove(0)
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    flight: String,
    http: String,
    log: Log,
    reader: Option<JoinHandle<()>>,
    folder: Option<Folder>,
}

impl Server {
    /// Over a new lake, with `settings` as its configuration.
    pub fn start(settings: &str) -> Self {
        Self::over(Folder::new(), settings)
    }

    /// Over the lake of a folder.
    pub fn over(folder: Folder, settings: &str) -> Self {
        let file = folder.path("server.toml");
        std::fs::write(&file, settings).unwrap();
        let any = "127.0.0.1:0";
        let file = file.to_str().unwrap();
        let mut child = folder
            .command(&[
                "--config",
                file,
                "serve",
                "--listen",
                any,
                "--http",
                any,
                "--log-format",
                "json",
            ])
            .spawn()
            .unwrap();
        let log = Log::default();
        let (lines, kept) = (child.stderr.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                kept.0.lock().unwrap().push(line);
            }
        });
        let start = Instant::now();
        let listening = loop {
            let listening = log
                .lines()
                .into_iter()
                .find(|line| line["message"] == "listening");
            if let Some(listening) = listening {
                break listening;
            }
            if child.try_wait().unwrap().is_some() || start.elapsed() > WAIT {
                let _ = child.kill();
                panic!("the server does not listen:\n{}", log.text());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let address = |name: &str| {
            let url = listening[name].as_str().unwrap();
            let rest = url.split("://").nth(1).unwrap();
            rest.split('/').next().unwrap().to_string()
        };
        Self {
            flight: address("flight"),
            http: address("health"),
            child,
            log,
            reader: Some(reader),
            folder: Some(folder),
        }
    }

    /// Its lake.
    pub fn folder(&self) -> &Folder {
        self.folder.as_ref().unwrap()
    }

    /// A client on a connection of its own.
    pub async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.flight)).unwrap();
        Client(FlightSqlServiceClient::new(
            endpoint.connect().await.unwrap(),
        ))
    }

    /// What it answers over HTTP.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: paratope\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        body.to_string()
    }

    /// Waits until something holds.
    pub fn until(&self, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < WAIT, "{}", self.log.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in order; gives what it logged, and its lake.
    pub fn stop(mut self) -> (Log, Folder) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < WAIT, "{}", self.log.text());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}: {}", self.log.text());
        self.reader.take().unwrap().join().unwrap();
        (self.log.clone(), self.folder.take().unwrap())
    }

    /// Kills it; gives its lake.
    pub fn kill(mut self) -> Folder {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.folder.take().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of Flight SQL.
pub struct Client(FlightSqlServiceClient<Channel>);

impl Client {
    /// Signs in with a password.
    pub async fn sign_in(&mut self, user: &str, password: &str) -> Result<(), String> {
        match self.0.handshake(user, password).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All rows of a statement, as texts.
    pub async fn run(&mut self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let described = self.0.execute(sql.to_string(), None).await;
        let described = described.map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        for endpoint in described.endpoint {
            let stream = self.0.do_get(endpoint.ticket.unwrap()).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let batches: Vec<RecordBatch> = stream
                .try_collect()
                .await
                .map_err(|error| error.to_string())?;
            rows.extend(batches.iter().flat_map(texts));
        }
        Ok(rows)
    }
}

fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let row = |row: usize| {
        let columns = batch.columns().iter();
        columns
            .map(|column| array_value_to_string(column, row).unwrap())
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}
