//! `OPTIMIZE`, `VACUUM`, `MAINTAIN`, `CHECKPOINT`, `RESTORE`, `DESCRIBE HISTORY` and `DESCRIBE DETAIL`.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName};

use super::target::{Target, split};
use super::{Scope, Statement};
use crate::catalog::SCHEMAS;
use crate::error::{Error, Result};
use crate::lifecycle::{self, Maintain, Maintained};
use crate::policy::Deed;
use crate::session::{Answer, Session};
use crate::tables::maintenance::{self, Optimize, Vacuum};
use crate::tables::{Moment, Table};

const OPTIMIZED: [&str; 6] = [
    "files_removed",
    "files_added",
    "bytes_before",
    "bytes_after",
    "partitions",
    "skipped_conflicts",
];
const VACUUMED: [&str; 3] = ["files_deleted", "bytes_deleted", "retained_hours"];
const CHECKPOINTED: [&str; 1] = ["version"];
const MAINTAINED: [&str; 8] = [
    "rows_expired",
    "partitions_archived",
    "files_compacted",
    "files_clustered",
    "files_expected",
    "files_after",
    "files_deleted",
    "bytes_deleted",
];

/// What these statements answer; `None` for other statements, and those that only describe.
pub fn schema(statement: &Statement) -> Option<SchemaRef> {
    let fields = match statement {
        Statement::Optimize { .. } => numbers(&OPTIMIZED),
        Statement::Vacuum { dry_run: true, .. } => {
            vec![Field::new("path", DataType::Utf8, false)]
        }
        Statement::Vacuum { .. } => numbers(&VACUUMED),
        Statement::Checkpoint(_) => numbers(&CHECKPOINTED),
        Statement::Maintain { .. } => {
            let mut fields = vec![Field::new("table", DataType::Utf8, false)];
            fields.extend(numbers(&MAINTAINED));
            fields.push(Field::new("notes", DataType::Utf8, true));
            fields
        }
        Statement::Restore(..) => {
            let mut fields = numbers(&["restored_version"]);
            fields.push(Field::new("changed", DataType::Boolean, false));
            fields.extend(numbers(&[
                "files_added",
                "files_removed",
                "inputs_undone",
                "inputs_redone",
            ]));
            fields
        }
        _ => return None,
    };
    Some(Arc::new(Schema::new(fields)))
}

fn numbers(names: &[&str]) -> Vec<Field> {
    let number = |name: &&str| Field::new(*name, DataType::UInt64, false);
    names.iter().map(number).collect()
}

/// `OPTIMIZE t [WHERE …] [ZORDER BY (…)]`.
pub async fn optimize(
    session: &Session,
    name: &ObjectName,
    predicate: Option<&Expr>,
    zorder: &[Expr],
) -> Result<Answer> {
    let scope = Scope::new(session).await?;
    let target = Target::of(session, &scope, name).await?;
    let schema = DFSchema::try_from(target.stored_schema()?)?;
    let filter = predicate
        .map(|predicate| {
            scope
                .state()
                .create_logical_expr(&predicate.to_string(), &schema)
        })
        .transpose()?;
    let zorder = zorder
        .iter()
        .map(|column| match column {
            Expr::Identifier(column) => target.column(&ObjectName::from(vec![column.clone()])),
            other => Err(Error::Invalid(format!(
                "ZORDER BY takes columns, not {other}"
            ))),
        })
        .collect::<Result<Vec<_>>>()?;
    let options = Optimize {
        filter,
        zorder,
        target_file_bytes: None,
    };
    let done = maintenance::optimize(session.require_lake()?, &target.table, &options).await?;
    counts(
        OPTIMIZED,
        [
            done.files_removed,
            done.files_added,
            done.bytes_before,
            done.bytes_after,
            done.partitions,
            done.skipped_conflicts,
        ],
    )
}

/// `VACUUM t [RETAIN n HOURS] [DRY RUN]`: the files, or how many they were.
pub async fn vacuum(
    session: &Session,
    name: &ObjectName,
    retain_hours: Option<u64>,
    dry_run: bool,
) -> Result<Answer> {
    let table = any_table(session, name, Deed::Write).await?;
    let options = Vacuum {
        retain: retain_hours.map(|hours| Duration::from_secs(hours.saturating_mul(3_600))),
        dry_run,
    };
    let done = maintenance::vacuum(session.require_lake()?, &table, options).await?;
    if dry_run {
        let paths: ArrayRef = Arc::new(StringArray::from(done.paths));
        return Answer::rows(RecordBatch::try_from_iter([("path", paths)])?);
    }
    counts(
        VACUUMED,
        [done.files, done.bytes, done.retained.as_secs() / 3_600],
    )
}

/// `CHECKPOINT t`.
pub async fn checkpoint(session: &Session, name: &ObjectName) -> Result<Answer> {
    let table = any_table(session, name, Deed::Write).await?;
    counts(CHECKPOINTED, [maintenance::checkpoint(&table).await?])
}

/// `MAINTAIN [t] [DRY RUN]`: a row for each table.
pub async fn maintain(
    session: &Session,
    name: Option<&ObjectName>,
    dry_run: bool,
) -> Result<Answer> {
    let tables = match name {
        Some(name) => vec![
            any_table(session, name, Deed::Write)
                .await?
                .name()
                .to_string(),
        ],
        None => {
            let [users, own] = SCHEMAS;
            for schema in [users, own] {
                session.caller().grants.check(Deed::Write, schema, "*")?;
            }
            Vec::new()
        }
    };
    let options = Maintain { tables, dry_run };
    let (done, _) = lifecycle::maintain(session.require_lake()?, session, &options).await?;
    let number = |of: fn(&Maintained) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(done.iter().map(of)))
    };
    let names = StringArray::from_iter_values(done.iter().map(|table| &table.table));
    let notes: StringArray = done
        .iter()
        .map(|table| Some(table.notes.join("; ")).filter(|notes| !notes.is_empty()))
        .collect();
    let values = [
        number(|table| table.rows_expired),
        number(|table| table.partitions_archived),
        number(|table| table.files_compacted),
        number(|table| table.files_clustered),
        number(|table| table.files_expected),
        number(|table| table.files_after),
        number(|table| table.files_deleted),
        number(|table| table.bytes_deleted),
    ];
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![("table", Arc::new(names), false)];
    for (name, values) in MAINTAINED.into_iter().zip(values) {
        columns.push((name, values, false));
    }
    columns.push(("notes", Arc::new(notes), true));
    Answer::rows(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// `RESTORE t TO …`.
pub async fn restore(session: &Session, name: &ObjectName, to: Moment) -> Result<Answer> {
    let scope = Scope::new(session).await?;
    let target = Target::of(session, &scope, name).await?;
    let done = maintenance::restore(session.require_lake()?, &target.table, to).await?;
    let changed: ArrayRef = Arc::new(BooleanArray::from(vec![done.version.is_some()]));
    let number = |value: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![value])) };
    Answer::rows(RecordBatch::try_from_iter([
        ("restored_version", number(done.restored)),
        ("changed", changed),
        ("files_added", number(done.files_added)),
        ("files_removed", number(done.files_removed)),
        ("inputs_undone", number(done.inputs_undone)),
        ("inputs_redone", number(done.inputs_redone)),
    ])?)
}

/// `DESCRIBE HISTORY t [LIMIT n]`.
pub async fn history(session: &Session, name: &ObjectName, limit: Option<usize>) -> Result<Answer> {
    let table = any_table(session, name, Deed::Read).await?;
    Answer::rows(maintenance::history(&table, limit).await?)
}

/// `DESCRIBE DETAIL t`.
pub async fn detail(session: &Session, name: &ObjectName) -> Result<Answer> {
    let table = any_table(session, name, Deed::Read).await?;
    Answer::rows(maintenance::detail(&table).await?)
}

/// A table of the lake, its own books included.
async fn any_table(session: &Session, name: &ObjectName, deed: Deed) -> Result<Arc<Table>> {
    Scope::new(session).await?;
    let (schema, table) = split(name)?;
    session.caller().grants.check(deed, &schema, &table)?;
    let full_name = format!("{schema}.{table}");
    let lake = session.require_lake()?;
    if lake.view(&full_name).is_some() {
        return Err(Error::Invalid(format!(
            "{full_name} is a view; this statement is for tables"
        )));
    }
    lake.table(&full_name)
}

/// One row of numbers.
fn counts<const N: usize>(names: [&str; N], values: [u64; N]) -> Result<Answer> {
    let values = values.map(|value| -> ArrayRef { Arc::new(UInt64Array::from(vec![value])) });
    let columns = names.into_iter().zip(values);
    Answer::rows(RecordBatch::try_from_iter(columns)?)
}
