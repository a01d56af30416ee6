//! Rows of a table that were put away: which queries need them.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::error::Result as DFResult;
use deltalake::kernel::EagerSnapshot;

use super::files::{FileList, Wanted};
use crate::error::{Error, Result};
use crate::session::{self, ARCHIVED, ClientOptions};
use crate::tables::Table;
use crate::tables::archive;

/// Partitions that a message names.
const NAMED: usize = 5;

/// The files of a table that lie in its archive.
#[derive(Debug, Clone)]
pub struct Archived {
    table: Arc<str>,
    files: FileList,
}

impl Archived {
    /// Those of a version; `None` where there are none.
    ///
    /// # Errors
    /// An archive that is gone.
    pub async fn of(table: &Table, snapshot: &EagerSnapshot) -> Result<Option<Self>> {
        let Some((archive, pinned)) = archive::in_force(table, snapshot).await? else {
            return Ok(None);
        };
        let files = FileList::try_new(&archive, pinned)?;
        let archived = Self {
            table: table.name().into(),
            files,
        };
        Ok((!archived.files.all().is_empty()).then_some(archived))
    }

    /// Whether queries of a session ask for them, and do not choose to do without.
    pub fn is_asked_for(&self, state: &dyn Session) -> bool {
        let options = state.config_options().extensions.get::<ClientOptions>();
        options.is_none_or(|options| options.archived == session::Archived::Refuse)
    }

    /// Fails where a query wants rows of them.
    ///
    /// # Errors
    /// `Unavailable` rows: which, and how to get them.
    pub fn check(&self, wanted: &Wanted) -> DFResult<()> {
        self.refuse(&self.files.selected(wanted)?)
    }

    /// Fails, for a query of which it cannot be told what it wants.
    ///
    /// # Errors
    /// As [`Archived::check`].
    pub fn check_none(&self) -> DFResult<()> {
        self.refuse(&self.files.all())
    }

    fn refuse(&self, needed: &[usize]) -> DFResult<()> {
        if needed.is_empty() {
            return Ok(());
        }
        let partitions = self.files.partitions_of(needed);
        let (named, more) = partitions.split_at(partitions.len().min(NAMED));
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let table = &self.table;
        Err(DataFusionError::from(Error::Invalid(format!(
            "the query needs rows of {table} that are archived: {}{more}. `paratope archive restore {table}` brings them back \
             (--where CONDITION: some partitions); a condition that excludes them, or SET {ARCHIVED} = 'skip', does without",
            named.join(", ")
        ))))
    }
}
