//! Which files were written, as rows: what a writer tells whoever commits them.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{AsArray as _, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result as DFResult;
use datafusion::execution::SendableRecordBatchStream;
use deltalake::kernel::Add;
use futures::StreamExt as _;

use crate::error::{Error, Result};
use crate::tables::Table;
use crate::tables::write::{Written, discard};

/// One row for each file: its Add action; then one without a file that says how many rows there are in all of them.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("add", DataType::Utf8, true),
        Field::new("rows", DataType::UInt64, true),
    ]))
});

/// What one writer wrote.
///
/// # Errors
/// An action that cannot be written as JSON.
pub(super) fn told(written: &Written) -> DFResult<RecordBatch> {
    let adds = written.adds.iter().map(serde_json::to_string);
    let mut adds = adds
        .map(|add| Ok(Some(add?)))
        .collect::<serde_json::Result<Vec<_>>>()
        .map_err(|error| exec_datafusion_err!("{error}"))?;
    let mut rows = vec![None; adds.len()];
    adds.push(None);
    rows.push(Some(written.rows));
    let columns = vec![
        Arc::new(StringArray::from(adds)) as _,
        Arc::new(UInt64Array::from(rows)) as _,
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}

/// What all writers of a plan wrote.
///
/// # Errors
/// Those of the plan; then the files that are known are deleted.
pub(crate) async fn collect(table: &Table, mut told: SendableRecordBatchStream) -> Result<Written> {
    let mut written = Written::default();
    while let Some(batch) = told.next().await {
        let taken = batch
            .map_err(Error::from)
            .and_then(|batch| take(&batch, &mut written));
        if let Err(error) = taken {
            discard(table, &written).await;
            return Err(error);
        }
    }
    Ok(written)
}

fn take(batch: &RecordBatch, written: &mut Written) -> Result<()> {
    let wrong = || Error::Internal("what a writer tells has other columns".into());
    if batch.schema().fields() != SCHEMA.fields() {
        return Err(wrong());
    }
    let adds = batch.column(0).as_string_opt::<i32>().ok_or_else(wrong)?;
    for add in adds.iter().flatten() {
        let add: Add = serde_json::from_str(add)
            .map_err(|error| Error::Internal(format!("what a writer tells: {error}")))?;
        written.adds.push(add);
    }
    let rows = batch.column(1);
    let rows = rows.as_primitive_opt::<UInt64Type>().ok_or_else(wrong)?;
    written.rows += rows.iter().flatten().sum::<u64>();
    Ok(())
}
