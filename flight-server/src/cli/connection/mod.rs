//! Where statements go: a session of this process, or a server.

mod remote;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use engine::Error;
use engine::config::Config;
use engine::session::names::{TableName, Token};
use engine::session::{Answer, FunctionDoc, Session, Statement};
use engine::storage::Access;

use crate::{diagnosis, script};
pub use remote::{Credentials, Remote, Target};

/// Where statements go.
pub enum Connection {
    /// A session of this process.
    Local(Arc<Session>),
    /// A server.
    Remote(Box<Remote>),
}

/// One statement of a script, ready to be sent.
pub enum Piece {
    /// It is parsed here.
    Local(Statement),
    /// The server parses it.
    Remote(String),
}

impl Connection {
    /// Cuts a script into statements.
    ///
    /// # Errors
    /// A syntax error, where it is found here.
    pub fn statements(&self, text: &str) -> engine::Result<Vec<Piece>> {
        match self {
            Self::Local(session) => {
                let statements = session.parse(text)?;
                Ok(statements.into_iter().map(Piece::Local).collect())
            }
            Self::Remote(_) => {
                let pieces = (0..).map_while(|nth| script::statement(text, nth));
                let cut = |tokens: Vec<Token>| {
                    let start = tokens.first().map_or(0, |token| token.start);
                    let end = tokens.last().map_or(0, |token| token.end);
                    Piece::Remote(text[start..end].trim().to_string())
                };
                Ok(pieces.map(cut).collect())
            }
        }
    }

    /// Starts a statement.
    ///
    /// # Errors
    /// The statement's.
    pub async fn execute(&self, piece: Piece) -> engine::Result<Answer> {
        match (self, piece) {
            (Self::Local(session), Piece::Local(statement)) => session.execute(statement).await,
            (Self::Remote(remote), Piece::Remote(text)) => remote.execute(&text).await,
            _ => Err(Error::Internal(
                "a statement was cut for another connection".into(),
            )),
        }
    }

    /// What is wrong with statement number `nth` of a script. A server has explained it already.
    pub async fn explain(&self, text: &str, nth: usize, error: &Error) -> String {
        match self {
            Self::Local(session) => diagnosis::explain(session, text, nth, error).await,
            Self::Remote(_) => error.to_string(),
        }
    }

    /// The columns of a relation.
    ///
    /// # Errors
    /// What is wrong with its name, explained.
    pub async fn columns(&self, relation: &str) -> Result<SchemaRef, String> {
        match self {
            Self::Local(session) => match session.columns(relation).await {
                Ok(columns) => Ok(columns),
                Err(error) => Err(diagnosis::of_relation(session, relation, &error).await),
            },
            Self::Remote(remote) => remote
                .columns(relation)
                .await
                .map_err(|error| error.to_string()),
        }
    }

    /// Names of the tables and views.
    pub async fn tables(&self) -> Vec<String> {
        match self {
            Self::Local(session) => session.tables().iter().map(TableName::shown).collect(),
            Self::Remote(remote) => remote.tables().await.unwrap_or_default(),
        }
    }

    /// Documentation of every function: a server of this version has the same.
    ///
    /// # Errors
    /// A session that cannot be made.
    pub fn functions(&self) -> engine::Result<Vec<FunctionDoc>> {
        match self {
            Self::Local(session) => Ok(session.functions()),
            Self::Remote(_) => {
                let config = Config::default();
                let access = Access::nothing(&config)?;
                Ok(Session::new(None, &config, access)?.functions())
            }
        }
    }
}
