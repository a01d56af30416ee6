//! The shell: statements and commands, typed one after another on a terminal.
//!
//! | module | |
//! |---|---|
//! | `repl` | reads, dispatches, and survives whatever goes wrong |
//! | `statement` | runs statements; Ctrl-C cancels them |
//! | `command` | backslash commands, as they are typed |
//! | `describe` | what `\d` and `\df` show |
//! | `settings` | what commands switch |
//! | `editor` | the line editor with its keys, prompt and history |
//! | `input`, `highlight` | when a statement is complete, and its colours |
//! | `context`, `complete`, `names` | completion: what is wanted at the cursor, what fits, what is known |

mod command;
mod complete;
mod context;
mod describe;
mod editor;
mod highlight;
mod input;
mod names;
mod repl;
mod settings;
mod statement;

use std::io::{self, Write as _};
use std::sync::Arc;

use console::style;

use super::connection::Connection;
use super::exit::Exit;
use super::interrupt::Interrupts;
use names::Names;
use repl::Repl;
pub use settings::Settings;

/// Runs a shell until its user leaves it.
pub async fn run(
    connection: Connection,
    place: String,
    settings: Settings,
) -> anyhow::Result<Exit> {
    let connection = Arc::new(connection);
    let version = format!("paratope {}", env!("CARGO_PKG_VERSION"));
    let mut stderr = io::stderr();
    writeln!(stderr, "{}. {place}", style(version).for_stderr().bold())?;
    writeln!(
        stderr,
        "A statement ends with `;`. \\? lists the commands, Tab completes, \\q leaves."
    )?;
    let interrupts = Interrupts::take();
    let runtime = tokio::runtime::Handle::current();
    // Reading lines blocks: that is done on a thread of its own.
    tokio::task::spawn_blocking(move || {
        let names = Arc::new(Names::new(&connection, runtime.clone())?);
        Repl::new(connection, names, settings, interrupts, runtime).run()
    })
    .await??;
    Ok(Exit::Success)
}
