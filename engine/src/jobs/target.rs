//! The table that a job writes: made from the query's columns where it is not there, and otherwise one that the rows fit.
//!
//! Results say where they come from, in columns of their own: `_job`, `_run_id`, `_computed_at`, `_computed_by` (version,
//! functions and the models they name) and, in incremental jobs, `_source_cursor`, the place in the source's history at
//! which their chunk began. A target that somebody made without them is filled without them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, RecordBatch, new_null_array};
use datafusion::arrow::datatypes::{DataType as ArrowType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as DFResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{DataType, EagerSnapshot, PrimitiveType, StructField};
use futures::StreamExt as _;

use super::definition::{Job, Mode, short};
use crate::catalog::{self, CreateMode, Name};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::tables::write::as_stored;
use crate::tables::{Table, TableDefinition, columns};

/// Column: the job that computed a row.
pub const JOB: &str = "_job";
/// Column: the run that did.
pub const RUN_ID: &str = "_run_id";
/// Column: when that run began.
pub const COMPUTED_AT: &str = "_computed_at";
/// Column: version, functions and models.
pub const COMPUTED_BY: &str = "_computed_by";
/// Column: the cursor at which the row's chunk began.
pub const SOURCE_CURSOR: &str = "_source_cursor";

/// Where rows come from.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The job.
    pub job: String,
    /// The run.
    pub run_id: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Version, functions and models.
    pub by: String,
    /// Where in the source's history.
    pub cursor: Option<i64>,
}

impl Provenance {
    fn value(&self, column: &str) -> Option<ScalarValue> {
        Some(match column {
            JOB => ScalarValue::from(self.job.as_str()),
            RUN_ID => ScalarValue::from(self.run_id.as_str()),
            COMPUTED_AT => ScalarValue::TimestampMicrosecond(
                Some(self.at.timestamp_micros()),
                Some("UTC".into()),
            ),
            COMPUTED_BY => ScalarValue::from(self.by.as_str()),
            SOURCE_CURSOR => ScalarValue::Int64(self.cursor),
            _ => return None,
        })
    }
}

/// The table a job writes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table.
    pub table: Arc<Table>,
    name: Name,
    job: String,
}

impl Target {
    /// The job's target, where it is there.
    ///
    /// # Errors
    /// `Invalid` where the name is a view's.
    pub async fn find(lake: &Lake, job: &Job) -> Result<Option<Self>> {
        let Some(name) = &job.target else {
            return Ok(None);
        };
        lake.refresh_if_changed().await?;
        let full_name = name.to_string();
        if lake.view(&full_name).is_some() {
            return Err(Error::Invalid(format!(
                "job {}: its target {} is a view; name a table, or drop the view",
                job.name,
                short(name)
            )));
        }
        if lake.entry(name).is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            table: lake.table(&full_name)?,
            name: name.clone(),
            job: job.name.clone(),
        }))
    }

    /// The job's target, which is made for rows with these columns where it is not there.
    ///
    /// # Errors
    /// Columns that a table cannot have.
    pub async fn open(lake: &Lake, job: &Job, result: &Schema) -> Result<Self> {
        if let Some(found) = Self::find(lake, job).await? {
            return Ok(found);
        }
        let definition = definition(job, result)?;
        catalog::create_table(lake, &definition, CreateMode::IfNotExists).await?;
        Self::find(lake, job).await?.ok_or_else(|| {
            Error::Conflict(format!(
                "job {}: its target was dropped as soon as it was made",
                job.name
            ))
        })
    }

    /// Fails where the name stands for another table by now, or for none.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn check_there(&self, lake: &Lake) -> Result<()> {
        lake.refresh_if_changed().await?;
        let location = lake.entry(&self.name).and_then(|entry| entry.location);
        match location.as_deref() == Some(self.table.location()) {
            true => Ok(()),
            false => Err(Error::NotFound(format!(
                "job {}: its target {} was dropped or replaced while it ran; what was computed went with it. Run the job again to begin anew",
                self.job,
                short(&self.name)
            ))),
        }
    }
}

/// The table that a job makes for its rows.
pub fn definition(job: &Job, result: &Schema) -> Result<TableDefinition> {
    let of_job = |error: Error| error.context(format!("job {}", job.name));
    let name = job
        .target
        .as_ref()
        .ok_or_else(|| Error::Internal(format!("job {} has no target", job.name)))?;
    let mut fields = columns::inferred(result).map_err(of_job)?;
    let mut of_provenance = vec![
        (JOB, DataType::STRING),
        (RUN_ID, DataType::STRING),
        (COMPUTED_AT, DataType::Primitive(PrimitiveType::Timestamp)),
        (COMPUTED_BY, DataType::STRING),
    ];
    if matches!(job.mode, Mode::Incremental(_)) {
        of_provenance.push((SOURCE_CURSOR, DataType::LONG));
    }
    for (column, kind) in of_provenance {
        if !fields.iter().any(|field| field.name() == column) {
            fields.push(StructField::nullable(column, kind));
        }
    }
    for column in job.key.iter().chain(match &job.mode {
        Mode::Merge(key) => key.as_slice(),
        _ => &[],
    }) {
        if !fields.iter().any(|field| field.name() == column) {
            return Err(no_column(job, column, result));
        }
    }
    TableDefinition::new(&name.schema_name, &name.name, fields)
        .and_then(|definition| definition.partitioned_by(job.partition.clone()))
        .map_err(of_job)
}

fn no_column(job: &Job, column: &str, result: &Schema) -> Error {
    let known: Vec<&str> = result
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    Error::Invalid(format!(
        "job {}: the query gives no column {column}; it gives {}",
        job.name,
        known.join(", ")
    ))
}

/// How rows of a query become rows of a table.
#[derive(Debug, Clone)]
pub struct Fitting {
    schema: SchemaRef,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    /// This column of the result.
    Result(usize),
    /// The same for all rows.
    Constant(ScalarValue),
}

impl Fitting {
    /// Looks at the columns of both: they go by name.
    ///
    /// # Errors
    /// A column that the table has not, or with another type; one without a value that needs one. Each with the remedy.
    pub fn new(
        job: &Job,
        result: &Schema,
        base: &EagerSnapshot,
        provenance: &Provenance,
    ) -> Result<Self> {
        let stored = Table::schema(base);
        let target = job.target.as_ref().map(short).unwrap_or_default();
        let as_table = columns::inferred(result)
            .and_then(|fields| TableDefinition::new("main", &target, fields))
            .map_err(|error| error.context(format!("job {}", job.name)))?
            .arrow_schema();
        for field in as_table.fields() {
            let Ok(known) = stored.field_with_name(field.name()) else {
                return Err(Error::Invalid(format!(
                    "job {}: {target} has no column {}; add it with ALTER TABLE {target} ADD COLUMN {} …, or leave it out of the query",
                    job.name,
                    field.name(),
                    field.name()
                )));
            };
            if !fits(field.data_type(), known.data_type()) {
                return Err(Error::Invalid(format!(
                    "job {}: column {} is {} in the query and {} in {target}; CAST it in the query, or write into another table",
                    job.name,
                    field.name(),
                    field.data_type(),
                    known.data_type()
                )));
            }
        }
        let values = stored
            .fields()
            .iter()
            .map(|field| {
                if let Ok(index) = result.index_of(field.name()) {
                    return Ok(Value::Result(index));
                }
                if let Some(value) = provenance.value(field.name())
                    && fits(&value.data_type(), field.data_type())
                {
                    return Ok(Value::Constant(value));
                }
                match field.is_nullable() {
                    true => Ok(Value::Constant(ScalarValue::try_from(field.data_type())?)),
                    false => Err(Error::Invalid(format!(
                        "job {}: column {} of {target} may not be NULL, and the query does not give it",
                        job.name,
                        field.name()
                    ))),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            schema: stored,
            values,
        })
    }

    /// Rows as they are stored.
    pub fn rows(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let rows = rows.map(move |batch| self.fitted(&batch?));
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }

    fn fitted(&self, batch: &RecordBatch) -> DFResult<RecordBatch> {
        let count = batch.num_rows();
        let columns = self
            .values
            .iter()
            .map(|value| match value {
                Value::Result(index) => Ok(Arc::clone(batch.column(*index))),
                Value::Constant(value) if value.is_null() => {
                    Ok(new_null_array(&value.data_type(), count))
                }
                Value::Constant(value) => value.to_array_of_size(count),
            })
            .collect::<DFResult<Vec<ArrayRef>>>()?;
        let fields: Vec<_> = self
            .schema
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, values)| {
                field
                    .as_ref()
                    .clone()
                    .with_data_type(values.data_type().clone())
                    .with_nullable(true)
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        as_stored(&batch, &self.schema)
    }
}

/// Whether every value of a type is one of another.
fn fits(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType as A;
    let rank = |kind: &ArrowType| match kind {
        A::Int8 => Some(1),
        A::Int16 => Some(2),
        A::Int32 => Some(3),
        A::Int64 => Some(4),
        _ => None,
    };
    match (from, to) {
        (A::Float32, A::Float64) => true,
        (A::Int8 | A::Int16 | A::Int32, A::Float64) => true,
        (A::List(from), A::List(to)) => fits(from.data_type(), to.data_type()),
        (A::Struct(from), A::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to.iter()).all(|(from, to)| {
                    from.name() == to.name() && fits(from.data_type(), to.data_type())
                })
        }
        (A::Map(from, _), A::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (A::Struct(from), A::Struct(to)) => {
                from.len() == to.len()
                    && from
                        .iter()
                        .zip(to.iter())
                        .all(|(from, to)| fits(from.data_type(), to.data_type()))
            }
            _ => false,
        },
        (from, to) => match (rank(from), rank(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => from == to,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_fits_another_that_holds_all_its_values() {
        use ArrowType as A;
        for (from, to, expected) in [
            (A::Int32, A::Int64, true),
            (A::Int64, A::Int32, false),
            (A::Utf8, A::Utf8, true),
            (A::Utf8, A::Int64, false),
            (A::Int64, A::Utf8, false),
            (A::Float32, A::Float64, true),
            (A::Int64, A::Float64, false),
            (A::Boolean, A::Int8, false),
        ] {
            assert_eq!(fits(&from, &to), expected, "{from} into {to}");
        }
    }
}
