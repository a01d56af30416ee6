//! How an ingest or a long query goes, on stderr, where that is a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use engine::ingest::Progress;
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(100);
/// A query that is done by then needs no progress line.
const LONG_QUERY: Duration = Duration::from_secs(1);
const KNOWN_SIZE: &str =
    "{spinner} [{bar:24}] {binary_bytes}/{binary_total_bytes} · {msg} · {eta} left";
const UNKNOWN_SIZE: &str = "{spinner} {binary_bytes} · {msg}";

/// All bars of the process: whoever else writes to stderr goes through [`above`].
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Whether the line of a query is drawn. It is no bar: the `^C` that a terminal echoes behind it
/// goes away with it.
static LINE: Mutex<bool> = Mutex::new(false);

/// Does `write` (to stderr) while no bar and no line is in the way.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(|| {
        let mut is_drawn = LINE.lock().unwrap_or_else(PoisonError::into_inner);
        clear_line(&mut is_drawn);
        write()
    })
}

/// Shows how some work goes until it is dropped.
pub struct Bar {
    /// Rows of a query.
    rows: Arc<AtomicU64>,
    /// Dropped first: tells the thread to end.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Follows an ingest.
    pub fn follow(progress: &Arc<Progress>) -> Self {
        let progress = Arc::clone(progress);
        Self::start(Arc::default(), move |stopped| {
            let bar = BARS.add(ProgressBar::no_length());
            let started = Instant::now();
            while !happens(stopped, INTERVAL) {
                draw(&bar, &progress, started.elapsed());
            }
            bar.finish_and_clear();
            BARS.remove(&bar);
        })
    }

    /// Follows a run of a job, once it takes long.
    pub fn of_job(progress: &Arc<engine::jobs::Progress>) -> Self {
        let progress = Arc::clone(progress);
        Self::start(Arc::default(), move |stopped| {
            let started = Instant::now();
            if happens(stopped, LONG_QUERY) {
                return;
            }
            loop {
                let seconds = started.elapsed().as_secs_f64();
                draw_line(&super::job::message(&progress.counts(), seconds));
                if happens(stopped, INTERVAL) {
                    break;
                }
            }
            above(|| {});
        })
    }

    /// Follows a query, once it takes long; its rows are [added](Self::add) as they come.
    pub fn of_query() -> Self {
        let rows = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&rows);
        Self::start(rows, move |stopped| {
            let started = Instant::now();
            if happens(stopped, LONG_QUERY) {
                return;
            }
            loop {
                draw_line(&query_message(
                    counter.load(Ordering::Relaxed),
                    started.elapsed(),
                ));
                if happens(stopped, INTERVAL) {
                    break;
                }
            }
            above(|| {});
        })
    }

    /// So many rows more.
    pub fn add(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Starts to draw. A thread of its own does it, for the runtime's may all be computing.
    fn start(
        rows: Arc<AtomicU64>,
        draw: impl FnOnce(&mpsc::Receiver<()>) + Send + 'static,
    ) -> Self {
        let (mut stop, mut thread) = (None, None);
        if io::stderr().is_terminal() {
            let (sender, stopped) = mpsc::channel();
            stop = Some(sender);
            thread = Some(std::thread::spawn(move || draw(&stopped)));
        }
        Self { rows, stop, thread }
    }
}

/// A spinner with what is being done, until it is dropped.
pub struct Steps(ProgressBar);

impl Steps {
    /// Begins with a step.
    pub fn start(step: &str) -> Self {
        let spinner = BARS.add(ProgressBar::new_spinner());
        spinner.enable_steady_tick(INTERVAL);
        spinner.set_message(step.to_string());
        Self(spinner)
    }

    /// The next step.
    pub fn say(&self, step: &str) {
        self.0.set_message(step.to_string());
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
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

/// Whether the work ends within a time.
fn happens(end: &mpsc::Receiver<()>, within: Duration) -> bool {
    end.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
}

fn draw_line(text: &str) {
    let terminal = Term::stderr();
    let width = usize::from(terminal.size().1).saturating_sub(1);
    let mut is_drawn = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = truncate_str(text, width, "…");
    // Over what was there, and nothing left behind its end.
    *is_drawn = terminal.write_str(&format!("\r{text}\x1b[K")).is_ok();
}

fn clear_line(is_drawn: &mut bool) {
    if std::mem::take(is_drawn) {
        let _ = Term::stderr().clear_line();
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

fn query_message(rows: u64, elapsed: Duration) -> String {
    format!(
        "{:.1} s · {} rows so far · Ctrl-C cancels",
        elapsed.as_secs_f64(),
        HumanCount(rows)
    )
}

/// `count` in `seconds` as a whole number a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)] // shown to people: casts saturate, no rate is negative, and a rate beyond 2^53 need not be exact
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
    fn a_query_tells_its_time_its_rows_and_the_way_out() {
        assert_eq!(
            query_message(12_345, Duration::from_millis(2_340)),
            "2.3 s · 12,345 rows so far · Ctrl-C cancels"
        );
    }

    #[test]
    fn both_templates_are_valid() {
        for template in [KNOWN_SIZE, UNKNOWN_SIZE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
