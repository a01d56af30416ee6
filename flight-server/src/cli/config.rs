//! `paratope config show`: the configuration that commands would use. `paratope config hash`: what the file of a server's
//! users holds in place of passwords and tokens.

use std::io::{self, IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::arguments::Shared;
use super::exit::{Exit, Usage};
use super::output;
use crate::auth::{hash_password, hash_token};

/// Longest secret that is read, bytes.
const LONGEST: u64 = 64 << 10;

/// Show the configuration, prepare secrets for it
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the effective configuration as TOML, with secrets masked
    ///
    /// Defaults, then the file (`paratope.toml` or --config), then environment variables
    /// (PARATOPE__STORAGE__ENDPOINT sets `endpoint` of `[storage]`), then flags.
    #[command(after_help = "\
Examples:
  paratope config show > paratope.toml      start a configuration file
  PARATOPE__QUERY__THREADS=4 paratope config show")]
    Show,
    /// Hash a password or token for the users file of a server
    ///
    /// Reads the secret from stdin (on a terminal it asks for it, twice) and prints the hash: argon2
    /// for a password, SHA-256 for a token. The file, named by `users` of `[server.auth]`, lists users:
    ///
    ///   [[users]]
    ///   name = "ada"
    ///   password = "$argon2id$v=19$…"
    ///   token = "sha256:…"
    ///   role = "reader"                   (reader, writer or admin)
    ///   schemas = { main = "writer" }     (roles for single schemas)
    #[command(
        verbatim_doc_comment,
        after_help = "\
Examples:
  paratope config hash                      asks for a password
  openssl rand -hex 32 | tee token | paratope config hash --token"
    )]
    Hash {
        /// The secret is a token: 32 or more random letters and digits
        #[arg(long)]
        token: bool,
    },
}

impl ConfigCommand {
    /// Runs the command.
    pub fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::Show => output::say(shared.load()?.to_toml()?.trim_end())?,
            Verb::Hash { token } => {
                let hash = if token {
                    hash_token(&secret("Token")?)
                } else {
                    hash_password(&secret("Password")?)
                };
                output::say(&hash.map_err(|error| Usage(error.to_string()))?)?;
            }
        }
        Ok(Exit::Success)
    }
}

/// The secret: typed unseen, or all of stdin but the end of its line.
fn secret(what: &str) -> anyhow::Result<Vec<u8>> {
    if io::stdin().is_terminal() {
        let typed = ask(&format!("{what}: "))?;
        if ask(&format!("{what} again: "))? != typed {
            anyhow::bail!("the two differ: try again");
        }
        return Ok(typed.into_bytes());
    }
    let mut secret = Vec::new();
    let mut stdin = io::stdin().lock().take(LONGEST + 1);
    stdin
        .read_to_end(&mut secret)
        .context("cannot read the secret from stdin")?;
    if secret.len() as u64 > LONGEST {
        return Err(Usage(format!("a secret of more than {LONGEST} bytes")).into());
    }
    for end in [b'\n', b'\r'] {
        if secret.last() == Some(&end) {
            secret.pop();
        }
    }
    Ok(secret)
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    let terminal = console::Term::stderr();
    terminal
        .write_str(prompt)
        .and_then(|()| terminal.read_secure_line())
        .context("cannot read the secret from the terminal")
}
