//! Changes of what a table is, not of its rows: columns, properties, comments.
//!
//! Each is one commit through the one committer. Rows that others commit meanwhile do no harm, and
//! the change is made after them; a change of the metadata meanwhile is a conflict.

use std::collections::HashMap;

use deltalake::kernel::{
    Action, EagerSnapshot, Metadata, MetadataValue, Protocol, StructField, StructType,
};
use deltalake::operations::update_table_metadata::TableMetadataUpdate;
use deltalake::protocol::DeltaOperation;
use serde_json::{Value, json};
use uuid::Uuid;

use super::commit::{Commit, Outcome, Reads, commit};
use super::{Table, TableDefinition, columns, definitions, properties, protocol};
use crate::error::{Error, Result};

/// Longest comment of a table that other writers of Delta tables take.
const LONGEST_COMMENT: usize = 4_000;

/// Metadata and protocol of version 0.
pub fn first(definition: &TableDefinition) -> Result<(Metadata, Protocol)> {
    let configuration: HashMap<String, String> = definition.properties.iter().cloned().collect();
    let metadata = from_json(json!({
        "id": Uuid::new_v4().to_string(),
        "name": definition.name,
        "description": definition.comment,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema_string(&definition.schema)?,
        "partitionColumns": definition.partition_columns,
        "configuration": configuration,
        "createdTime": chrono::Utc::now().timestamp_millis(),
    }))?;
    Ok((
        metadata,
        protocol::of_new(&definition.schema, &configuration)?,
    ))
}

/// Adds columns at the end; rows there are have NULL in them.
///
/// # Errors
/// `Invalid` for columns that are there already, are not nullable or cannot be; `Unsupported` for
/// tables whose columns are fixed; `Conflict` where the table changed meanwhile.
pub async fn add_columns(table: &Table, fields: Vec<StructField>) -> Result<()> {
    if definitions::definition(table.name()).is_ok() {
        return Err(Error::Unsupported(format!(
            "the columns of {} are those that every lake has: keep others in a table of your own, or in the column attributes",
            table.name()
        )));
    }
    let operation = DeltaOperation::AddColumn {
        fields: fields.clone(),
    };
    change(table, operation, |present| {
        if fields.is_empty() {
            return Err(Error::Invalid("no column is given to be added".into()));
        }
        for field in &fields {
            let known = present.schema.fields();
            let mut known = known.filter(|known| known.name().eq_ignore_ascii_case(field.name()));
            if let Some(known) = known.next() {
                return Err(Error::Invalid(format!(
                    "there is a column {} already",
                    known.name()
                )));
            }
            if !field.is_nullable() {
                return Err(Error::Invalid(format!(
                    "the column {} cannot be NOT NULL: rows that are there have no value for it",
                    field.name()
                )));
            }
        }
        let all = present.schema.fields().chain(&fields).cloned().collect();
        present.schema = columns::schema(all)?;
        Ok(())
    })
    .await
}

/// Sets table properties. Columns that they name must be there.
///
/// # Errors
/// As [`properties::check`]; `Conflict` where the table changed meanwhile.
pub async fn set_properties(table: &Table, set: Vec<(String, String)>) -> Result<()> {
    let operation = DeltaOperation::SetTableProperties {
        properties: set.iter().cloned().collect(),
    };
    change(table, operation, |present| {
        for (key, value) in &set {
            properties::check(key, value, &present.schema)?;
            properties::check_stored(key, value, table.storage())?;
            present.configuration.insert(key.clone(), value.clone());
        }
        Ok(())
    })
    .await
}

/// What makes a table have these columns, where it has others.
///
/// # Errors
/// A schema that cannot be written.
pub(crate) fn with_schema(present: &EagerSnapshot, schema: &StructType) -> Result<Vec<Action>> {
    let mut wanted = Changeable::of(present);
    if wanted.schema == *schema {
        return Ok(Vec::new());
    }
    wanted.schema = schema.clone();
    let raised = protocol::raised(present.protocol(), &wanted.schema, &wanted.configuration)?;
    let metadata = edited(present.metadata(), &wanted, Some(schema))?;
    let mut actions: Vec<Action> = raised.map(Action::Protocol).into_iter().collect();
    actions.push(Action::Metadata(metadata));
    Ok(actions)
}

/// Says what the table is for; `None` takes the comment away.
///
/// # Errors
/// A comment that is too long; `Conflict` where the table changed meanwhile.
pub async fn set_comment(table: &Table, comment: Option<String>) -> Result<()> {
    let length = comment
        .as_ref()
        .map_or(0, |comment| comment.chars().count());
    if length > LONGEST_COMMENT {
        return Err(Error::Invalid(format!(
            "the comment of {} has {length} characters, and {LONGEST_COMMENT} is the most",
            table.name()
        )));
    }
    change(table, described(comment.clone()), |present| {
        present.description = comment;
        Ok(())
    })
    .await
}

/// Says what a column is for; `None` takes the comment away.
///
/// # Errors
/// `NotFound` where there is no such column; `Conflict` where the table changed meanwhile.
pub async fn set_column_comment(
    table: &Table,
    column: &str,
    comment: Option<String>,
) -> Result<()> {
    let present = table.snapshot().await?;
    let Some(field) = present.schema().field(column).cloned() else {
        return Err(Error::NotFound(format!(
            "{} has no column {column}",
            table.name()
        )));
    };
    let operation = DeltaOperation::UpdateFieldMetadata {
        fields: vec![commented(field, comment.as_ref())],
    };
    change(table, operation, |present| {
        let fields = present
            .schema
            .fields()
            .map(|field| match field.name() == column {
                true => commented(field.clone(), comment.as_ref()),
                false => field.clone(),
            });
        present.schema = columns::schema(fields.collect())?;
        Ok(())
    })
    .await
}

fn commented(mut field: StructField, comment: Option<&String>) -> StructField {
    match comment {
        Some(text) => {
            let text = MetadataValue::String(text.clone());
            field.metadata.insert("comment".into(), text)
        }
        None => field.metadata.remove("comment"),
    };
    field
}

fn described(description: Option<String>) -> DeltaOperation {
    DeltaOperation::UpdateTableMetadata {
        metadata_update: TableMetadataUpdate {
            name: None,
            description,
        },
    }
}

/// What of a table's metadata can change.
#[derive(Clone, PartialEq)]
struct Changeable {
    schema: StructType,
    configuration: HashMap<String, String>,
    description: Option<String>,
}

impl Changeable {
    fn of(snapshot: &EagerSnapshot) -> Self {
        let metadata = snapshot.metadata();
        Self {
            schema: snapshot.schema().as_ref().clone(),
            configuration: metadata.configuration().clone(),
            description: metadata.description().map(ToString::to_string),
        }
    }
}

/// Makes the change; one that changes nothing is no commit.
async fn change(
    table: &Table,
    operation: DeltaOperation,
    edit: impl FnOnce(&mut Changeable) -> Result<()>,
) -> Result<()> {
    if table.name().starts_with("system.") {
        return Err(Error::Denied(format!(
            "{} cannot be altered: what is in schema system belongs to paratope",
            table.name()
        )));
    }
    let named = |error: Error| error.at(table.name());
    let base = table.snapshot().await?;
    let present = Changeable::of(&base);
    let mut wanted = present.clone();
    edit(&mut wanted).map_err(named)?;
    if wanted == present {
        return Ok(());
    }
    let changes_schema = wanted.schema != present.schema;
    if changes_schema && has_column_mapping(&present.configuration) {
        return Err(named(Error::Unsupported(
            "columns of a table with column mapping are only read".into(),
        )));
    }
    let set = wanted.configuration.iter();
    let set = set.map(|(key, value)| (key.as_str(), value.as_str()));
    properties::check_together(set, &wanted.schema).map_err(named)?;
    let mut actions = Vec::new();
    let raised = protocol::raised(base.protocol(), &wanted.schema, &wanted.configuration)?;
    actions.extend(raised.map(Action::Protocol));
    let schema = changes_schema.then_some(&wanted.schema);
    actions.push(Action::Metadata(edited(base.metadata(), &wanted, schema)?));
    let changes = Commit {
        base,
        operation,
        actions,
        transactions: Vec::new(),
        reads: Reads::Nothing,
    };
    match commit(table, changes).await? {
        Outcome::Committed(_) => Ok(()),
        // It carries no transaction ids that others could have committed.
        Outcome::AlreadyDone(_) => Err(Error::Internal(format!(
            "the change of {} was taken for another's",
            table.name()
        ))),
    }
}

fn has_column_mapping(configuration: &HashMap<String, String>) -> bool {
    configuration
        .get("delta.columnMapping.mode")
        .is_some_and(|mode| mode != "none")
}

/// The metadata with what is wanted in it. Everything else stays as its writer wrote it, the schema
/// too unless there is a new one.
fn edited(
    present: &Metadata,
    wanted: &Changeable,
    schema: Option<&StructType>,
) -> Result<Metadata> {
    let mut value = serde_json::to_value(present).map_err(broken)?;
    value["configuration"] = json!(wanted.configuration);
    value["description"] = json!(wanted.description);
    if let Some(schema) = schema {
        value["schemaString"] = json!(schema_string(schema)?);
    }
    from_json(value)
}

fn schema_string(schema: &StructType) -> Result<String> {
    serde_json::to_string(schema).map_err(broken)
}

fn from_json(value: Value) -> Result<Metadata> {
    serde_json::from_value(value).map_err(broken)
}

fn broken(error: serde_json::Error) -> Error {
    Error::Internal(format!("metadata: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests;
