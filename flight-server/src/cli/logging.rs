//! Logs on stderr: quiet unless asked, and never through a progress bar.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging. `RUST_LOG` says what is logged where it is set, `-v` where it is not.
pub fn start(verbose: u8) {
    let asked = std::env::var("RUST_LOG").is_ok_and(|value| !value.is_empty());
    let filter = if asked {
        EnvFilter::from_default_env()
    } else {
        EnvFilter::new(directives(verbose))
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(AboveProgress);
    // A second start (in tests) keeps the first subscriber.
    let _ = if asked || verbose > 0 {
        subscriber.try_init()
    } else {
        subscriber
            .without_time()
            .with_target(false)
            .compact()
            .try_init()
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
            assert!(
                EnvFilter::try_new(directives(verbose)).is_ok(),
                "-v × {verbose}"
            );
        }
    }
}
