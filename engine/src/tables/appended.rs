//! A few rows behind those of a table of ours: books and logs that are kept as tables.

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, EagerSnapshot, Transaction};
use futures::stream;

use super::commit::{Commit, Outcome, Reads, append, commit};
use super::{Table, write};
use crate::error::Result;
use crate::session;

/// Writes `rows`, which have the columns of `base`, and commits them with `transactions`. Where nothing is committed, nothing
/// stays behind.
///
/// # Errors
/// An unreachable store; a conflict with what others committed since `base`.
pub(crate) async fn append_rows(
    table: &Table,
    base: EagerSnapshot,
    rows: RecordBatch,
    transactions: Vec<Transaction>,
    target_file_bytes: u64,
) -> Result<Outcome> {
    let rows = RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)]));
    let context = session::bare_context()?.task_ctx();
    let written =
        write::write_sorted(table, &base, Box::pin(rows), context, target_file_bytes).await?;
    let changes = Commit {
        base,
        operation: append(),
        actions: written.adds.iter().cloned().map(Action::Add).collect(),
        transactions,
        reads: Reads::Nothing,
    };
    let outcome = commit(table, changes).await;
    let is_unused = match &outcome {
        Ok(Outcome::Committed(_)) => false,
        Ok(Outcome::AlreadyDone(_)) => true,
        // After other errors it is not known whether the commit was made.
        Err(error) => matches!(error, crate::Error::Conflict(_)),
    };
    if is_unused {
        write::discard(table, &written).await;
    }
    outcome
}
