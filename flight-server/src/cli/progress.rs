//! The progress bar of an ingest, on stderr, where that is a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::ingest::Progress;
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(100);
const KNOWN_SIZE: &str =
    "{spinner} [{bar:24}] {binary_bytes}/{binary_total_bytes} · {msg} · {eta} left";
const UNKNOWN_SIZE: &str = "{spinner} {binary_bytes} · {msg}";

/// All bars of the process: whoever else writes to stderr goes through [`above`].
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Does `write` (to stderr) while no bar is in the way.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// A bar that follows an ingest until it is dropped.
pub struct Bar {
    /// Dropped first: tells the thread to end.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Starts to draw. A thread of its own does it, for the runtime's may all be computing.
    pub fn follow(progress: &Arc<Progress>) -> Self {
        if !io::stderr().is_terminal() {
            return Self {
                stop: None,
                thread: None,
            };
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let progress = Arc::clone(progress);
        let thread = std::thread::spawn(move || {
            let bar = BARS.add(ProgressBar::no_length());
            let started = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                draw(&bar, &progress, started.elapsed());
            }
            bar.finish_and_clear();
            BARS.remove(&bar);
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress, elapsed: Duration) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let total = read(&progress.bytes_total);
    let template = if total > 0 { KNOWN_SIZE } else { UNKNOWN_SIZE };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    if total > 0 {
        bar.set_length(total);
    }
    bar.set_position(read(&progress.bytes_done));
    bar.set_message(message(
        (read(&progress.files_done), read(&progress.files_total)),
        read(&progress.records),
        read(&progress.rejects),
        elapsed,
    ));
    bar.tick();
}

fn message(files: (u64, u64), records: u64, rejects: u64, elapsed: Duration) -> String {
    let rate = per_second(records, elapsed.as_secs_f64());
    let mut text = format!(
        "{}/{} files · {} records · {rate}/s",
        files.0,
        files.1,
        HumanCount(records)
    );
    if rejects > 0 {
        text.push_str(&format!(" · {} rejected", HumanCount(rejects)));
    }
    text
}

/// `count` in `seconds` as a whole number a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
pub fn per_second(count: u64, seconds: f64) -> HumanCount {
    HumanCount((count as f64 / seconds.max(0.001)).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_files_records_and_speed_and_rejects_only_where_there_are_any() {
        let elapsed = Duration::from_secs(2);
        assert_eq!(
            message((1, 3), 24_680, 0, elapsed),
            "1/3 files · 24,680 records · 12,340/s"
        );
        assert!(message((1, 3), 24_680, 7, elapsed).ends_with(" · 7 rejected"));
    }

    #[test]
    fn both_templates_are_valid() {
        for template in [KNOWN_SIZE, UNKNOWN_SIZE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
