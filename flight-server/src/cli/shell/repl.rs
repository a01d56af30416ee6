//! Reads what is typed, does it, and goes on whatever comes of it.

use std::io::{self, Write as _};
use std::sync::Arc;

use anyhow::anyhow;
use reedline::Signal;
use tokio::runtime::Handle;

use super::command::{self, Command};
use super::describe::{self, Functions};
use super::editor::{Question, editor};
use super::names::Names;
use super::settings::Settings;
use super::statement;
use crate::cli::connection::Connection;
use crate::cli::exit;
use crate::cli::interrupt::Interrupts;

/// A shell at work.
pub struct Repl {
    connection: Arc<Connection>,
    names: Arc<Names>,
    settings: Settings,
    interrupts: Interrupts,
    runtime: Handle,
}

impl Repl {
    /// A shell over a session.
    pub fn new(
        connection: Arc<Connection>,
        names: Arc<Names>,
        settings: Settings,
        interrupts: Interrupts,
        runtime: Handle,
    ) -> Self {
        Self {
            connection,
            names,
            settings,
            interrupts,
            runtime,
        }
    }

    /// Reads and does until the user leaves.
    pub fn run(mut self) -> anyhow::Result<()> {
        let names = Arc::clone(&self.names);
        let mut editor = editor(names);
        loop {
            match editor.read_line(&Question)? {
                Signal::Success(text) if command::is_command(&text) => {
                    match command::parse(&text) {
                        Ok(Command::Quit) => return Ok(()),
                        Ok(command) => {
                            if let Err(error) = self.carry_out(command) {
                                complain(&error);
                            }
                        }
                        Err(message) => exit::complain(message),
                    }
                }
                Signal::Success(text) => {
                    let work = statement::run(
                        &self.connection,
                        &text,
                        &self.settings,
                        &mut self.interrupts,
                    );
                    self.runtime.block_on(work)?;
                    self.names.forget();
                    // A terminal that is closed must not take the history with it.
                    if let Err(error) = editor.sync_history() {
                        tracing::warn!("the history cannot be written: {error}");
                    }
                }
                Signal::CtrlC => {}
                Signal::CtrlD => return Ok(()),
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Describe(None) => {
                let work = statement::run(
                    &self.connection,
                    describe::TABLES,
                    &self.settings,
                    &mut self.interrupts,
                );
                Ok(self.runtime.block_on(work)?)
            }
            Command::Describe(Some(relation)) => self.describe(&relation),
            Command::Functions(name) => {
                let all = self.names.documentation();
                match describe::functions(all, name.as_deref().unwrap_or_default())? {
                    Functions::Documentation(text) => self.show(&text),
                    Functions::List(list) => {
                        let mut output = self.settings.listing();
                        output.batch(&list)?;
                        output.commit()
                    }
                }
            }
            Command::Expanded(switch) => {
                let state = switch.turn(&mut self.settings.tables.expanded);
                note("rows one below the other", state)
            }
            Command::Timing(switch) => {
                note("time of statements", switch.turn(&mut self.settings.timing))
            }
            Command::Pager(switch) => note("pager", switch.turn(&mut self.settings.paging)),
            Command::Rows(rows) => {
                let shown = &mut self.settings.tables.rows;
                *shown = rows.unwrap_or(*shown);
                Ok(writeln!(
                    io::stderr(),
                    "rows that a table shows: {shown} (0: all)"
                )?)
            }
            Command::Help => self.show(&command::help()),
            Command::Quit => Ok(()),
        }
    }

    /// The columns of a relation; it may be anything that can stand after FROM.
    fn describe(&mut self, relation: &str) -> anyhow::Result<()> {
        let connection = &self.connection;
        let interrupts = &mut self.interrupts;
        interrupts.forget();
        let columns = self.runtime.block_on(async {
            tokio::select! {
                found = connection.columns(relation) => found.map_err(|error| anyhow!(error)),
                () = interrupts.next() => Err(anyhow!("cancelled")),
            }
        })?;
        let mut output = self.settings.listing();
        output.batch(&describe::columns(&columns)?)?;
        output.commit()
    }

    fn show(&self, text: &str) -> anyhow::Result<()> {
        let mut destination = self.settings.destination();
        destination.write_all(text.as_bytes())?;
        destination.commit()
    }
}

fn complain(error: &anyhow::Error) {
    // Who leaves the pager early has seen enough.
    if !exit::is_broken_pipe(error) {
        exit::complain(format_args!("{error:#}"));
    }
}

fn note(setting: &str, state: bool) -> anyhow::Result<()> {
    let state = if state { "on" } else { "off" };
    Ok(writeln!(io::stderr(), "{setting}: {state}")?)
}
