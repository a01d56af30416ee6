//! `COPY … TO`: the rows of a query or a table into one file elsewhere.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::{CopyToSource, CopyToStatement, Statement as Plain};
use datafusion::sql::sqlparser::ast::{Statement as SqlStatement, Value};

use super::{Answer, Session, Statement};
use crate::error::{Error, Result};
use crate::export::encode::Encoding;
use crate::export::{ExportFormat, Exported, export, export_parts};
use crate::sql;
use crate::storage::{Mode, parse};

/// Plans the rows and answers with their number, once they are written: that is done while the answer is read.
///
/// # Errors
/// As for any query; a format or an option that does not exist; a place that may not be written to.
pub async fn copy(session: &Session, statement: CopyToStatement) -> Result<Answer> {
    let CopyToStatement {
        source,
        target,
        partitioned_by,
        stored_as,
        options,
    } = statement;
    if !partitioned_by.is_empty() {
        return Err(Error::Unsupported(
            "COPY writes one file: PARTITIONED BY is not carried out; copy each part with a WHERE of its own".into(),
        ));
    }
    session.access().check(&parse(&target)?, Mode::Write)?;
    let options: Vec<(&str, String)> = options
        .iter()
        .map(|(key, value)| (key.as_str(), text(value)))
        .collect();
    let pairs = options.iter().map(|(key, value)| (*key, value.as_str()));
    let format = ExportFormat::new(stored_as.as_deref(), &target, pairs)?;
    let encoding = Encoding::new(stored_as.as_deref(), &target, &options)?;
    let planned = session.plan(query(source)?).await?;
    let row_schema = Arc::clone(planned.schema());
    let (copied, in_parts) = planned.run_for_file(session, encoding.as_ref()).await?;
    let rows = copied.stream;
    let encoding = encoding.filter(|_| in_parts);
    let (context, access) = (session.context().task_ctx(), session.access().clone());
    let schema = Arc::new(Schema::new(vec![Field::new(
        "count",
        DataType::UInt64,
        false,
    )]));
    let columns = Arc::clone(&schema);
    let written = async move {
        let exported = match encoding {
            Some(encoding) => {
                export_parts(rows, &encoding, row_schema, &target, &context, &access).await
            }
            None => export(rows, &target, &format, &context, &access).await,
        };
        let exported = exported.map_err(DataFusionError::from)?;
        answer(&exported, columns)
    };
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::once(written));
    Ok(Answer {
        schema,
        stream: Box::pin(stream),
    })
}

fn answer(exported: &Exported, schema: Arc<Schema>) -> DFResult<RecordBatch> {
    for warning in &exported.warnings {
        tracing::warn!(location = exported.location, "{warning}");
    }
    let count = Arc::new(UInt64Array::from(vec![exported.rows]));
    Ok(RecordBatch::try_new(schema, vec![count])?)
}

/// What is copied, as a query.
fn query(source: CopyToSource) -> Result<Statement> {
    match source {
        CopyToSource::Query(query) => {
            let query = Plain::Statement(Box::new(SqlStatement::Query(query)));
            Ok(Statement::Plain(Box::new(query)))
        }
        CopyToSource::Relation(name) => sql::parse(&format!("SELECT * FROM {name}"))?
            .pop()
            .ok_or_else(|| Error::Internal(format!("{name} is no table's name"))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
        other => other.to_string(),
    }
}
