//! The `paratope` binary as a child process: found beside the running test, given an environment
//! of its own, bounded in time, and killed when the test ends.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::s3::S3Server;

/// Longest a command may take: dev builds on a busy machine are slow, but nothing here is this slow.
const LIMIT: Duration = Duration::from_secs(900);

/// A row of a query's result.
pub type Row = Map<String, Value>;

/// The binary: `cargo test --workspace` builds it for flight-server's own tests, beside ours.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    let binary = profile.join(format!("paratope{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo test --workspace`, or `cargo build -p flight-server` first",
        binary.display()
    );
    binary
}

/// `paratope` on one lake.
#[derive(Debug, Clone)]
pub struct Paratope {
    lake: String,
    environment: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed for machines.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
}

impl Outcome {
    /// Asserts the exit status and gives the outcome back.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that stderr holds every one of `parts`, whatever their case.
    #[track_caller]
    pub fn expect_message(self, parts: &[&str]) -> Self {
        let text = self.stderr.to_lowercase();
        for part in parts {
            assert!(
                text.contains(&part.to_lowercase()),
                "the message lacks {part:?}\n--- stderr\n{}",
                self.stderr
            );
        }
        self
    }
}

impl Paratope {
    /// On a lake at a path or URL.
    pub fn on(lake: impl AsRef<OsStr>) -> Self {
        Self {
            lake: lake.as_ref().to_str().expect("UTF-8").to_string(),
            environment: Vec::new(),
        }
    }

    /// On a folder of the test server's bucket.
    pub fn on_s3(server: &S3Server, folder: &str) -> Self {
        let mut paratope = Self::on(server.url(folder));
        paratope.environment = server.environment();
        paratope
    }

    /// With an environment variable more.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.into(), value.into()));
        self
    }

    /// The lake's location.
    pub fn lake(&self) -> &str {
        &self.lake
    }

    /// The command, not started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(path());
        for (key, _) in std::env::vars() {
            let foreign = ["PARATOPE__", "AWS_", "AZURE_", "GOOGLE_", "RUST_LOG"];
            if foreign.iter().any(|prefix| key.starts_with(prefix)) {
                command.env_remove(key);
            }
        }
        command
            .current_dir(std::env::temp_dir())
            .env("RUST_BACKTRACE", "0")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .args(["--lake", &self.lake])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a command.
    pub fn spawn<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Running {
        let mut command = self.command(arguments);
        Running::start(&mut command)
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.spawn(arguments).wait()
    }

    /// Creates the lake.
    #[track_caller]
    pub fn init(&self) {
        self.run(["init"]).expect_code(0);
    }

    /// Ingests files, all records of which are good.
    #[track_caller]
    pub fn ingest<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.run_verb("ingest", arguments).expect_code(0)
    }

    /// Runs `verb` with arguments.
    #[track_caller]
    pub fn run_verb<S: AsRef<OsStr>>(
        &self,
        verb: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Outcome {
        let mut all = vec![OsStr::new(verb).to_owned()];
        all.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self.run(all)
    }

    /// Rows of a query.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Row> {
        let outcome = self
            .run(["query", "--format", "json", "-c", sql])
            .expect_code(0);
        rows(&outcome.stdout)
    }

    /// The only value of a query.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Value {
        let rows = self.query(sql);
        assert_eq!(rows.len(), 1, "{sql} gave {rows:?}");
        let mut values = rows[0].values();
        let value = values.next().expect("a column").clone();
        assert!(values.next().is_none(), "{sql} gave {rows:?}");
        value
    }

    /// The only value of a query that counts.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.value(sql).as_i64().expect("a number")
    }
}

/// JSON as `paratope query --format json` prints it: an array, or a row a line.
pub fn rows(text: &str) -> Vec<Row> {
    serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .flat_map(|value| match value.expect("JSON") {
            Value::Array(rows) => rows,
            row => vec![row],
        })
        .map(|row| match row {
            Value::Object(row) => row,
            other => panic!("{other} is not a row"),
        })
        .collect()
}

/// A child that does not outlive the test.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
}

impl Running {
    /// Starts `command`, whose output is piped.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the command starts");
        let stdout = child.stdout.take().map(drain);
        let stderr = child.stderr.take().map(drain);
        Self {
            child,
            stdout,
            stderr,
            started: Instant::now(),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it takes too long.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let status = self.status();
        let text = |drain: Option<JoinHandle<String>>| {
            drain.map_or_else(String::new, |thread| thread.join().expect("output"))
        };
        let outcome = Outcome {
            code: status.and_then(|status| status.code()),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        };
        assert!(
            status.is_some(),
            "the command took more than {LIMIT:?}\n--- stderr\n{}",
            outcome.stderr
        );
        outcome
    }

    fn status(&mut self) -> Option<ExitStatus> {
        while self.started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
