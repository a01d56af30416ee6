//! The command line: one file per verb, each with its arguments and a `run`.
//!
//! Data goes to stdout, everything else (errors, logs, progress) to stderr.

mod archive;
mod arguments;
mod config;
mod connection;

mod examples;
mod exit;
mod function;
mod ingest;
mod init;
mod interrupt;
mod job;
mod log_thread;
mod logging;
mod maintain;
mod model;
mod output;
mod progress;
mod query;
mod quickstart;
mod serve;

mod shell;
mod shipped;
mod table;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use arguments::{Cli, Command};
use engine::session::STACK_BYTES;
use exit::Exit;
pub use interrupt::Interrupts;

use crate::memory;

/// How long a cancelled command may tidy up (partial files, the progress bar).
const GRACE: Duration = Duration::from_secs(2);

/// Reads the arguments, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A configuration that cannot be read is told of by the command that needs it.
    if let Ok(config) = cli.shared.load() {
        memory::keep_freed_pages(&config);
    }
    logging::start(cli.shared.verbose, cli.command.reader());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(until_interrupted(cli));
            // A read of stdin that nobody waits for any more must not hold up the end.
            runtime.shutdown_background();
            log_thread::finish();
            code
        }
        Err(error) => exit::report(&anyhow::Error::new(error).context("cannot start threads")),
    }
}

/// The command runs as a task of its own, so that Ctrl-C is heard while it computes.
async fn until_interrupted(cli: Cli) -> ExitCode {
    let mut work = tokio::spawn(run(cli));
    tokio::select! {
        done = &mut work => match done {
            Ok(Ok(exit)) => exit.into(),
            Ok(Err(error)) => exit::report(&error),
            Err(panic) => exit::report(&anyhow::anyhow!("a defect of paratope: {panic}")),
        },
        () = interrupt::of_command() => {
            work.abort();
            let _ = tokio::time::timeout(GRACE, work).await;
            ExitCode::from(exit::INTERRUPTED)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Quickstart(command) => command.run(&cli.shared).await,
        Command::Init(command) => command.run(&cli.shared).await,
        Command::Ingest(command) => command.run(&cli.shared).await,
        Command::Query(command) => command.run(&cli.shared).await,
        Command::Serve(command) => command.run(&cli.shared).await,
        Command::Worker(command) => command.run(&cli.shared).await,
        Command::Model(command) => command.run(&cli.shared).await,
        Command::Job(command) => command.run(&cli.shared).await,
        Command::Table(command) => command.run(&cli.shared).await,
        Command::Maintain(command) => command.run(&cli.shared).await,
        Command::Archive(command) => command.run(&cli.shared).await,
        Command::Function(command) => command.run(&cli.shared).await,
        Command::Config(command) => command.run(&cli.shared),
    }
}
