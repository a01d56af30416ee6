//! `--replace`: rows that earlier ingests of the same files left are removed in the very commit
//! that adds the new ones.
//!
//! Data files that hold such rows are removed whole; their other rows are written again.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result as DFResult;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use deltalake::kernel::{Action, EagerSnapshot};
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::identity::Identified;
use crate::error::Result;
use crate::lake::Lake;
use crate::session;
use crate::tables::write::as_stored;
use crate::tables::{LakeTableProvider, Table};

/// What a replacing commit takes out of a table, and what of it goes back in.
#[derive(Default)]
pub struct Replaced {
    removes: Vec<Action>,
    /// Behind a lock because a stream alone cannot be shared between threads.
    kept: Mutex<Option<BoxStream<'static, DFResult<RecordBatch>>>>,
}

impl Replaced {
    /// Whether nothing is taken out.
    pub fn is_empty(&self) -> bool {
        self.removes.is_empty()
    }

    /// Remove actions of the files concerned.
    pub fn removes(&self) -> Vec<Action> {
        self.removes.clone()
    }

    /// Rows of those files that stay; empty the second time.
    pub fn take_kept(&self) -> BoxStream<'static, DFResult<RecordBatch>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .unwrap_or_else(|| futures::stream::empty().boxed())
    }
}

/// The operation recorded for a replacing commit.
pub fn operation(inputs: &[Arc<Identified>]) -> DeltaOperation {
    let files: Vec<String> = inputs
        .iter()
        .map(|input| format!("'{}'", input.input.url.replace('\'', "''")))
        .collect();
    DeltaOperation::Write {
        mode: SaveMode::Overwrite,
        partition_by: None,
        predicate: Some(format!("source_file IN ({})", files.join(", "))),
    }
}

/// Finds the data files of `table` with rows from any of `source_files`.
pub async fn find(
    lake: &Lake,
    table: &Table,
    base: &EagerSnapshot,
    source_files: &[&str],
) -> Result<Replaced> {
    let provider = LakeTableProvider::try_new(table, base.clone()).await?;
    let context = session::write_context(lake)?;
    let concerned = || -> Expr {
        col("source_file").in_list(source_files.iter().map(|file| lit(*file)).collect(), false)
    };
    let mut removes = Vec::new();
    let mut paths = Vec::new();
    for file in base.try_log_data()?.iter() {
        let path = file.path().into_owned();
        let one = provider.restricted_to(std::slice::from_ref(&path))?;
        if rows(&context, one, concerned()).await? > 0 {
            removes.push(Action::Remove(file.remove_action(true)));
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Ok(Replaced::default());
    }
    let kept = context
        .read_table(Arc::new(provider.restricted_to(&paths)?))?
        .filter(!concerned())?
        .execute_stream()
        .await?;
    let schema = Table::schema(base);
    let kept = kept.map(move |batch| as_stored(&batch?, &schema)).boxed();
    Ok(Replaced {
        removes,
        kept: Mutex::new(Some(kept)),
    })
}

async fn rows(context: &SessionContext, provider: LakeTableProvider, filter: Expr) -> Result<i64> {
    let batches = context
        .read_table(Arc::new(provider))?
        .filter(filter)?
        .aggregate(vec![], vec![count(lit(1))])?
        .collect()
        .await?;
    Ok(batches
        .iter()
        .filter(|batch| batch.num_rows() > 0)
        .map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0))
        .sum())
}
