//! Runs what was typed: one statement after another, until one fails or Ctrl-C cancels it.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

use engine::Error;

use super::settings::Settings;
use crate::cli::connection::Connection;
use crate::cli::interrupt::Interrupts;
use crate::cli::output::{Written, say_time};
use crate::cli::progress::{Bar, above};
use crate::cli::{GRACE, exit};
use crate::script;

/// Runs the statements of `text` and says what comes of them.
///
/// # Errors
/// Those of stderr: a statement's own are said there.
pub async fn run(
    connection: &Arc<Connection>,
    text: &str,
    settings: &Settings,
    interrupts: &mut Interrupts,
) -> io::Result<()> {
    let statements = match connection.statements(text) {
        Ok(statements) => statements,
        Err(error) => {
            exit::complain(connection.explain(text, 0, &error).await);
            return Ok(());
        }
    };
    interrupts.forget();
    let many = statements.len();
    for (nth, statement) in statements.into_iter().enumerate() {
        let started = Instant::now();
        let work = {
            let connection = Arc::clone(connection);
            let mut output = settings.output();
            tokio::spawn(async move {
                if output.leaves_room_for_progress() {
                    output.count_on(Bar::of_query());
                }
                let answer = connection.execute(statement).await?;
                let written = output.answer(answer).await?;
                output.commit()?;
                Ok(written)
            })
        };
        let goes_on = match finished(work, settings, interrupts).await {
            End::Done(written) => {
                if !written.has_columns {
                    writeln!(io::stderr(), "{}: done", script::verb(text, nth))?;
                }
                if settings.timing {
                    say_time(written.computed - started)?;
                }
                true
            }
            // Who leaves the pager early has seen enough.
            End::Failed(error) if exit::is_broken_pipe(&error) => true,
            End::Failed(error) => {
                complain(connection, text, nth, error).await;
                false
            }
            End::Cancelled => {
                let elapsed = started.elapsed().as_secs_f64();
                above(|| writeln!(io::stderr(), "cancelled after {elapsed:.1} s"))?;
                false
            }
        };
        if !goes_on {
            let left = many - nth - 1;
            if left > 0 {
                writeln!(io::stderr(), "statements that were not run: {left}")?;
            }
            break;
        }
    }
    Ok(())
}

enum End {
    Done(Written),
    Failed(anyhow::Error),
    Cancelled,
}

/// Waits for a statement, or for Ctrl-C; that drops the statement with all it computes. While a
/// pager has the terminal, Ctrl-C is the pager's.
async fn finished(
    mut work: tokio::task::JoinHandle<anyhow::Result<Written>>,
    settings: &Settings,
    interrupts: &mut Interrupts,
) -> End {
    loop {
        tokio::select! {
            done = &mut work => return match done {
                Ok(Ok(written)) => End::Done(written),
                Ok(Err(error)) => End::Failed(error),
                Err(panic) => End::Failed(anyhow::anyhow!("a defect of paratope: {panic}")),
            },
            () = interrupts.next() => {
                if settings.pager().is_active() {
                    continue;
                }
                work.abort();
                // It ends where it next waits for something.
                let _ = tokio::time::timeout(GRACE, work).await;
                return End::Cancelled;
            }
        }
    }
}

async fn complain(connection: &Connection, text: &str, nth: usize, error: anyhow::Error) {
    match error.downcast::<Error>() {
        Ok(error) => exit::complain(connection.explain(text, nth, &error).await),
        Err(other) => exit::complain(format_args!("{other:#}")),
    }
}
