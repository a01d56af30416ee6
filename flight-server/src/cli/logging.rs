//! Logs on stderr: quiet unless asked, and never through a progress bar.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::log_thread::LogThread;

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Whoever typed the command.
    Person,
    /// Whoever looks after the server.
    Operator(LogFormat),
}

/// What a line of a server's log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For reading
    #[default]
    Text,
    /// One JSON object on each line
    Json,
}

/// Starts logging. `RUST_LOG` says what is logged where it is set, `-v` where it is not.
pub fn start(verbose: u8, reader: Reader) {
    let asked = std::env::var("RUST_LOG").is_ok_and(|value| !value.is_empty());
    let filter = match (asked, reader) {
        (true, _) => EnvFilter::from_default_env(),
        (false, Reader::Person) => EnvFilter::new(directives(verbose)),
        (false, Reader::Operator(_)) => EnvFilter::new(server_directives(verbose)),
    };
    let writer = match reader {
        Reader::Operator(_) => LogThread::start(io::stderr())
            .map_or_else(|_| BoxMakeWriter::new(AboveProgress), BoxMakeWriter::new),
        Reader::Person => BoxMakeWriter::new(AboveProgress),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    // A second start (in tests) keeps the first subscriber.
    let _ = match reader {
        Reader::Operator(LogFormat::Json) => subscriber
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
        Reader::Person if !asked && verbose == 0 => subscriber
            .without_time()
            .with_target(false)
            .compact()
            .try_init(),
        _ => subscriber.try_init(),
    };
}

/// Our own crates first; the libraries below warn about things that no user can act on.
fn directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "off,flight_server=warn,engine=warn,udfs=warn,antibody=warn,models=warn",
        1 => "error,flight_server=info,engine=info,udfs=info,antibody=info,models=info",
        2 => "info,flight_server=debug,engine=debug,udfs=debug,antibody=debug,models=debug",
        _ => "debug,flight_server=trace,engine=trace,udfs=trace,antibody=trace,models=trace",
    }
}

/// A server tells what it does without being asked. Below, each read of a table's log says so at `info`, and plans are
/// shown with their literals at `debug`: these stay quiet as long as anything is left out.
fn server_directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn,flight_server=info,engine=info,udfs=info,antibody=info,models=info",
        1 => "warn,flight_server=debug,engine=debug,udfs=debug,antibody=debug,models=debug",
        2 => "info,flight_server=trace,engine=trace,udfs=trace,antibody=trace,models=trace",
        _ => "debug,flight_server=trace,engine=trace,udfs=trace,antibody=trace,models=trace",
    }
}

/// Writes lines to stderr, above a progress bar where one is drawn.
struct AboveProgress;

impl Write for AboveProgress {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        super::progress::above(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for AboveProgress {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_of_verbosity_is_a_valid_filter() {
        for verbose in 0..5 {
            for directives in [directives(verbose), server_directives(verbose)] {
                assert!(EnvFilter::try_new(directives).is_ok(), "-v × {verbose}");
            }
        }
    }
}
