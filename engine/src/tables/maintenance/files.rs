//! The data files of a version: where they lie, what partition they belong to, how large they are.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::Expr;
use deltalake::kernel::{Add, EagerSnapshot, LogicalFileView, Remove};

use crate::error::{Error, Result};
use crate::tables::Table;

/// A data file of a version.
#[derive(Clone)]
pub struct DataFile {
    /// Path within the table's folder, as the log has it, decoded.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows, where the log says.
    pub rows: Option<u64>,
    /// Values of the partition columns, in their order; `None` is NULL.
    pub partition: Vec<Option<String>>,
    view: LogicalFileView,
}

impl DataFile {
    /// The action that added it, with its statistics and tags.
    pub fn add(&self) -> Add {
        #[allow(deprecated)] // the arrays offered instead leave out tags
        self.view.add_action()
    }

    /// The action that removes it.
    pub fn remove(&self, data_change: bool) -> Remove {
        self.view.remove_action(data_change)
    }

    /// A tag of the action that added it.
    pub fn tag(&self, name: &str) -> Option<String> {
        self.add().tags?.remove(name).flatten()
    }
}

/// The data files of `snapshot`, in its order.
///
/// # Errors
/// A log that cannot be read.
pub fn active(snapshot: &EagerSnapshot) -> Result<Vec<DataFile>> {
    let columns = snapshot.metadata().partition_columns();
    Ok(snapshot
        .try_log_data()?
        .iter()
        .map(|view| DataFile {
            path: view.path().into_owned(),
            bytes: view.size().try_into().unwrap_or(0),
            rows: rows(&view),
            partition: partition_of(columns, &view.partition_values_map()),
            view,
        })
        .collect())
}

/// Rows of a file without those that its deletion vector takes out.
fn rows(view: &LogicalFileView) -> Option<u64> {
    let stored: u64 = view.num_records()?.try_into().ok()?;
    let deleted = match view.deletion_vector_descriptor() {
        Some(vector) => vector.cardinality.try_into().ok()?,
        None => 0,
    };
    stored.checked_sub(deleted)
}

/// Values of the partition columns in their order. An empty text stands for NULL, whatever the
/// type (Delta protocol, partition values).
pub fn partition_of(
    columns: &[String],
    values: &HashMap<String, Option<String>>,
) -> Vec<Option<String>> {
    columns
        .iter()
        .map(|column| {
            let text = values.get(column).cloned().flatten();
            text.filter(|text| !text.is_empty())
        })
        .collect()
}

/// A partition value as its column's type; a text that does not fit is an error and not a NULL.
pub fn typed(text: Option<&str>, kind: &DataType) -> DFResult<ScalarValue> {
    match text {
        Some(text) => ScalarValue::try_from_string(text.to_string(), kind),
        None => ScalarValue::try_from(kind),
    }
}

/// Facts that hold for all rows of a file, by which files are selected.
pub struct Constants {
    columns: Vec<FieldRef>,
    rows: Vec<Vec<ScalarValue>>,
}

impl Constants {
    /// `rows` has a value for each of `columns` for each file.
    pub fn new(columns: Vec<FieldRef>, rows: Vec<Vec<ScalarValue>>) -> Self {
        Self { columns, rows }
    }

    /// Whether `predicate` speaks of these columns only.
    pub fn cover(&self, predicate: &Expr) -> bool {
        !predicate.is_volatile()
            && predicate.column_refs().iter().all(|column| {
                let known = |field: &FieldRef| field.name() == &column.name;
                self.columns.iter().any(known)
            })
    }

    /// Which files satisfy `predicate`: a verdict for each.
    pub fn verdicts(&self, state: &dyn Session, predicate: Expr) -> DFResult<Vec<bool>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let columns = (0..self.columns.len())
            .map(|column| {
                ScalarValue::iter_to_array(self.rows.iter().map(|row| row[column].clone()))
            })
            .collect::<DFResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let predicate =
            state.create_physical_expr(unqualified(predicate)?, &DFSchema::try_from(schema)?)?;
        let verdict = predicate.evaluate(&batch)?.into_array(self.rows.len())?;
        let verdict: &BooleanArray = verdict.as_boolean();
        Ok((0..self.rows.len())
            .map(|row| verdict.is_valid(row) && verdict.value(row))
            .collect())
    }
}

/// The predicate with bare column names: whatever the statement called the table.
fn unqualified(predicate: Expr) -> DFResult<Expr> {
    let bare = predicate.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(bare.data)
}

/// Those of `files` whose partition satisfies `predicate`.
///
/// # Errors
/// `Invalid` for a predicate on other columns.
pub fn in_partitions(
    table: &Table,
    snapshot: &EagerSnapshot,
    state: &dyn Session,
    files: Vec<DataFile>,
    predicate: &Expr,
) -> Result<Vec<DataFile>> {
    let partition_columns = snapshot.metadata().partition_columns();
    let schema = Table::schema(snapshot);
    let columns = partition_columns
        .iter()
        .map(|name| Ok(Arc::new(schema.field_with_name(name)?.clone())))
        .collect::<Result<Vec<FieldRef>>>()?;
    let rows = files
        .iter()
        .map(|file| {
            file.partition
                .iter()
                .zip(&columns)
                .map(|(text, field)| typed(text.as_deref(), field.data_type()))
                .collect::<DFResult<Vec<_>>>()
        })
        .collect::<DFResult<Vec<_>>>()?;
    let constants = Constants::new(columns, rows);
    if !constants.cover(predicate) {
        let among = match partition_columns.is_empty() {
            true => "it has no partitions".to_string(),
            false => format!("it is partitioned by {}", partition_columns.join(", ")),
        };
        return Err(Error::Invalid(format!(
            "the condition {predicate} cannot select partitions of {}: {among}",
            table.name()
        )));
    }
    let verdicts = constants.verdicts(state, predicate.clone())?;
    Ok(files
        .into_iter()
        .zip(verdicts)
        .filter_map(|(file, chosen)| chosen.then_some(file))
        .collect())
}
