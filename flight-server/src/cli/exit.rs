//! How a command ends: its exit status, and the message of a failure.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Status after Ctrl-C, as shells report it.
pub const INTERRUPTED: u8 = 130;
const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const PARTIAL: u8 = 3;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Success,
    /// Some of it was done: the command has said what was not.
    Partial,
    /// Nothing of it was done: the command has said why.
    Failure,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Partial => Self::from(PARTIAL),
            Exit::Failure => Self::from(FAILURE),
        }
    }
}

/// The command was called in a way that makes no sense.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Says on stderr what went wrong, and gives the status for it.
///
/// A reader that went away (`paratope query … | head`) has what it wanted: no error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    complain(format_args!("{error:#}"));
    match error.downcast_ref::<Usage>() {
        Some(_) => ExitCode::from(USAGE),
        None => ExitCode::from(FAILURE),
    }
}

/// One line `error: …` on stderr. A closed stderr is no reason to stop.
pub fn complain(message: impl fmt::Display) {
    let prefix = console::style("error:").for_stderr().red().bold();
    super::progress::above(|| {
        let _ = writeln!(io::stderr(), "{prefix} {message}");
    });
}

/// Whether a reader of our output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error_however_deep_it_stands() {
        let pipe = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&pipe.context("writing rows")));
        let full = anyhow::Error::new(io::Error::from(io::ErrorKind::StorageFull));
        assert!(!is_broken_pipe(&full));
    }
}
