//! `paratope serve` as a child process: on free ports, over a lake of its own, with the settings of a test.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binary::Paratope;
use crate::flight::Client;

/// Longest a server may take to listen or to end: dev builds on a busy machine are slow, but nothing here is this slow.
const LIMIT: Duration = Duration::from_secs(120);

/// A running server. Dropping it kills it and removes its lake.
pub struct Server {
    child: Child,
    flight: SocketAddr,
    http: SocketAddr,
    log: Arc<Mutex<String>>,
    paratope: Paratope,
    folder: TempDir,
}

impl Server {
    /// Over a new lake, with `settings` as the rest of `paratope.toml`.
    pub fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lake = folder.path().join("lake");
        let paratope = Paratope::on(&lake);
        paratope.init();
        Self::over(paratope, folder, settings)
    }

    /// Over the lake of `paratope`, which lies in `folder`.
    pub fn over(paratope: Paratope, folder: TempDir, settings: &str) -> Self {
        let file = folder.path().join("paratope.toml");
        std::fs::write(&file, settings).expect("a configuration");
        let file = file.to_str().expect("UTF-8");
        let any = "127.0.0.1:0";
        let mut child = paratope
            .command(["--config", file, "serve", "--listen", any, "--http", any])
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its messages"));
        let log = Arc::new(Mutex::new(String::new()));
        let (mut flight, mut http) = (None, None);
        while flight.is_none() || http.is_none() {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("a line");
            note(&log, &line);
            if read == 0 {
                let _ = child.kill();
                panic!("the server ended before it listened:\n{}", text(&log));
            }
            flight = flight.or_else(|| address_after(&line, "Flight SQL: grpc://"));
            http = http.or_else(|| address_after(&line, "Health:     http://"));
        }
        keep_reading(lines, Arc::clone(&log));
        Self {
            child,
            flight: flight.expect("an address"),
            http: http.expect("an address"),
            log,
            paratope,
            folder,
        }
    }

    /// Where Flight SQL is spoken.
    pub fn flight(&self) -> SocketAddr {
        self.flight
    }

    /// A client on a connection of its own.
    pub async fn client(&self) -> Client {
        Client::connect(self.flight).await
    }

    /// The command line on the same lake.
    pub fn paratope(&self) -> &Paratope {
        &self.paratope
    }

    /// The folder that the lake lies in.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What the server said so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Status and text of `path` over HTTP.
    ///
    /// # Errors
    /// A server that does not answer.
    pub fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.http, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: paratope\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        Ok((status.unwrap_or(0), body.to_string()))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM");
    }

    /// `kill -9`; gives the lake and its folder back, so that another server can be started over it.
    pub fn kill(mut self) -> (Paratope, TempDir) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        let folder = std::mem::replace(&mut self.folder, elsewhere);
        (self.paratope.clone(), folder)
    }

    /// Whether it runs.
    pub fn is_up(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it takes too long.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not end:\n{}", self.log());
    }

    /// The most memory that it ever held, bytes; `None` where the system does not tell.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes << 10)
    }

    /// Time that it computed for so far, all threads together; `None` where the system does not tell.
    pub fn computed(&self) -> Option<Duration> {
        /// Ticks of a second: a constant of Linux's interface, whatever the kernel's own clock.
        const TICKS: u64 = 100;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut after_name = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let user: u64 = after_name.next()?.parse().ok()?;
        let system: u64 = after_name.next()?.parse().ok()?;
        Some(Duration::from_millis((user + system) * 1_000 / TICKS))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server said\n{}", self.log());
        }
    }
}

fn address_after(line: &str, words: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(words)?;
    rest.trim().split('/').next()?.parse().ok()
}

/// A server must never wait for somebody to read what it says.
fn keep_reading(mut lines: BufReader<ChildStderr>, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            note(&log, &line);
            line.clear();
        }
    });
}

fn note(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = log.write_str(line);
}

fn text(log: &Mutex<String>) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
