//! Lines of a server's log are written by a thread of their own: a terminal that is stopped, or a pipe that nobody reads,
//! must not hold up whoever logs.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::watch::line_left_out;

/// Lines that wait to be written; beyond it new ones are left out, and counted.
const WAITING: usize = 16_384;
/// How long the end of the process waits for what is not written yet.
const LINGER: Duration = Duration::from_secs(2);

static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();

enum Line {
    Text(Vec<u8>),
    /// Answered when all before it is written.
    Mark(SyncSender<()>),
}

/// Hands lines to the thread.
#[derive(Debug, Clone)]
pub struct LogThread(SyncSender<Line>);

impl LogThread {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    /// A system that has no more threads.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (send, lines) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("paratope-log".into())
            .spawn(move || write(&lines, out))?;
        let _ = LINES.set(send.clone());
        Ok(Self(send))
    }
}

fn write(lines: &Receiver<Line>, mut out: impl Write) {
    for line in lines {
        match line {
            // Where nobody reads any more there is nobody to tell.
            Line::Text(text) => {
                let _ = out.write_all(&text);
            }
            Line::Mark(reached) => {
                let _ = out.flush();
                let _ = reached.send(());
            }
        }
    }
}

/// Waits until what was logged is written.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        let (reached, mark) = sync_channel(1);
        if lines.try_send(Line::Mark(reached)).is_ok() {
            let _ = mark.recv_timeout(LINGER);
        }
    }
}

impl Write for LogThread {
    /// Takes a whole line: the formatter gives it in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Line::Text(line.to_vec())).is_err() {
            line_left_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogThread {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::mpsc;

    use super::*;

    /// A reader that reads nothing until it is let.
    struct Stopped(mpsc::Receiver<()>);

    impl Write for Stopped {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_does_not_wait_for_who_reads() {
        let (_keep, wait) = mpsc::channel();
        let mut log = LogThread::start(Stopped(wait)).unwrap();
        let start = std::time::Instant::now();
        for _ in 0..2 * WAITING {
            log.write_all(b"a line\n").unwrap();
        }
        assert!(start.elapsed() < LINGER);
    }
}
