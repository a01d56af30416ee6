//! The session's names as completion needs them: at once, and asked for only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::session::FunctionDoc;
use engine::session::names::quoted;
use tokio::runtime::Handle;

use super::complete::Known;
use super::describe::type_name;
use crate::cli::connection::Connection;
use crate::cli::function::first_sentence;

/// Who presses Tab does not want to wait longer for a store.
const PATIENCE: Duration = Duration::from_secs(2);

type Columns = Vec<(String, String)>;

/// Names of a session.
pub struct Names {
    connection: Arc<Connection>,
    runtime: Handle,
    functions: Vec<FunctionDoc>,
    columns: Mutex<HashMap<String, Columns>>,
}

impl Names {
    /// Nothing but functions is looked up yet.
    ///
    /// # Errors
    /// Functions that cannot be listed.
    pub fn new(connection: &Arc<Connection>, runtime: Handle) -> engine::Result<Self> {
        Ok(Self {
            connection: Arc::clone(connection),
            runtime,
            functions: connection.functions()?,
            columns: Mutex::default(),
        })
    }

    /// Documentation of every function.
    pub fn documentation(&self) -> &[FunctionDoc] {
        &self.functions
    }

    /// A statement may have changed tables: their columns are looked up anew.
    pub fn forget(&self) {
        self.cache().clear();
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, Columns>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_kind(&self, wanted: fn(&str) -> bool) -> Vec<(String, String)> {
        self.functions
            .iter()
            .filter(|function| wanted(function.kind))
            .map(|function| (function.name.clone(), first_sentence(&function.description)))
            .collect()
    }
}

impl Known for Names {
    fn tables(&self) -> Vec<String> {
        let tables = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.connection.tables()).await });
        tables.unwrap_or_default()
    }

    fn columns(&self, relation: &str) -> Columns {
        if let Some(columns) = self.cache().get(relation) {
            return columns.clone();
        }
        let schema = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.connection.columns(relation)).await
        });
        // What is not there now may be soon: only success is kept.
        let Ok(Ok(schema)) = schema else {
            return Vec::new();
        };
        let columns: Columns = schema
            .fields()
            .iter()
            .map(|field| {
                (
                    quoted(field.name()).into_owned(),
                    type_name(field.data_type()),
                )
            })
            .collect();
        self.cache().insert(relation.to_string(), columns.clone());
        columns
    }

    fn functions(&self) -> Vec<(String, String)> {
        self.of_kind(|kind| kind != "table")
    }

    fn table_functions(&self) -> Vec<(String, String)> {
        self.of_kind(|kind| kind == "table")
    }
}
