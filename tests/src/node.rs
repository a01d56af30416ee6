//! `paratope worker` as a child process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};

use crate::binary::Paratope;

/// Settings of a cluster in which everything that can travel does, however little it is.
pub const EVERYTHING_TRAVELS: &str = "task_bytes = 1\ntask_expensive_rows = 1\n";

/// A node. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    child: Child,
    url: String,
    http: Option<String>,
}

impl Node {
    /// A node on the lake of `paratope`, with more `arguments`.
    pub fn start(paratope: &Paratope, arguments: &[&str]) -> Self {
        let mut all = vec!["worker", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child = paratope.command(all).spawn().expect("the node starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its messages"));
        let mut said = String::new();
        let mut http = None;
        let url = loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("a line");
            said.push_str(&line);
            if read == 0 {
                let _ = child.kill();
                panic!("the node ended before it listened:\n{said}");
            }
            if let Some(url) = line.trim().strip_prefix("Health: http://") {
                http = url.strip_suffix("/healthz").map(str::to_string);
            }
            if let Some(url) = line.trim().strip_prefix("Node: ") {
                break url.to_string();
            }
        };
        // Somebody has to read what it says, or it waits for a reader.
        std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = lines.read_to_string(&mut rest);
            eprint!("{rest}");
        });
        Self { child, url, http }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it tells health and metrics, if it does.
    pub fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    /// Sends a signal: `KILL`, `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name}");
    }

    /// Whether it runs.
    pub fn is_up(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits until it has ended, and tells how.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("a child")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Addresses of nodes, as a list in TOML.
pub fn addresses(nodes: &[Node]) -> String {
    let urls: Vec<&str> = nodes.iter().map(Node::url).collect();
    format!("{urls:?}")
}
