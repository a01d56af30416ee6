//! `ALTER TABLE t ADD COLUMN | SET TBLPROPERTIES | RENAME TO`, and `DROP TABLE | VIEW`.

use datafusion::sql::sqlparser::ast::{
    AlterTable, AlterTableOperation, ObjectName, ObjectType, RenameTableNameKind,
};

use super::Scope;
use super::resolve::unsupported;
use super::target::split;
use crate::catalog::{self, Kind, Name};
use crate::error::{Error, Result};
use crate::policy::Deed;
use crate::session::Session;
use crate::tables::{columns, metadata, properties};

/// Carries out the operations of one ALTER TABLE, which must be one.
pub async fn alter_table(session: &Session, statement: &AlterTable) -> Result<()> {
    let AlterTable {
        name,
        if_exists,
        only,
        operations,
        location,
        on_cluster,
        table_type,
        end_token: _,
    } = statement;
    for (given, clause) in [
        (*only, "ONLY"),
        (location.is_some(), "LOCATION"),
        (on_cluster.is_some(), "ON CLUSTER"),
        (table_type.is_some(), "ICEBERG, DYNAMIC, EXTERNAL"),
    ] {
        if given {
            return Err(unsupported(&format!("ALTER TABLE … {clause}")));
        }
    }
    // Names are looked up as they are now.
    Scope::new(session).await?;
    let lake = session.require_lake()?;
    let (schema, table) = split(name)?;
    session
        .caller()
        .grants
        .check(Deed::Write, &schema, &table)?;
    let name = Name::new(schema, table);
    let missing = lake.entry(&name).is_none();
    if missing && *if_exists {
        return Ok(());
    }
    if let [AlterTableOperation::RenameTable { table_name }] = operations.as_slice() {
        let (RenameTableNameKind::To(to) | RenameTableNameKind::As(to)) = table_name;
        let to = renamed(&name, to)?;
        session
            .caller()
            .grants
            .check(Deed::Write, &to.schema_name, &to.name)?;
        return catalog::rename(lake, &name, &to).await;
    }
    if lake
        .entry(&name)
        .is_some_and(|entry| entry.kind == Kind::View)
    {
        return Err(Error::Invalid(format!(
            "{name} is a view, which has the columns of its query; write CREATE OR REPLACE VIEW {} AS …",
            name.name
        )));
    }
    let table = lake.table(&name.to_string())?;
    if operations
        .iter()
        .all(|operation| matches!(operation, AlterTableOperation::AddColumn { .. }))
    {
        let mut fields = Vec::new();
        for operation in operations {
            let AlterTableOperation::AddColumn {
                column_keyword: _,
                if_not_exists,
                column_def,
                column_position,
            } = operation
            else {
                continue;
            };
            if *if_not_exists {
                return Err(unsupported("ADD COLUMN IF NOT EXISTS"));
            }
            if column_position.is_some() {
                return Err(unsupported(
                    "ADD COLUMN … FIRST, AFTER (columns are added at the end)",
                ));
            }
            fields.extend(columns::declared(std::slice::from_ref(column_def), &[])?);
        }
        return metadata::add_columns(&table, fields).await;
    }
    match operations.as_slice() {
        [AlterTableOperation::SetTblProperties { table_properties }] => {
            metadata::set_properties(&table, properties::declared(table_properties)?).await
        }
        [other] => Err(unsupported(&format!("ALTER TABLE … {other}"))),
        _ => Err(unsupported("ALTER TABLE with operations of several kinds")),
    }
}

/// A new name without a schema stays in the old one's.
fn renamed(from: &Name, to: &ObjectName) -> Result<Name> {
    let (schema, name) = split(to)?;
    Ok(match to.0.len() {
        1 => Name::new(&from.schema_name, name),
        _ => Name::new(schema, name),
    })
}

/// Drops tables or views of the lake. `false` where the names are the session's own (external
/// tables), which DataFusion drops.
pub async fn drop(
    session: &Session,
    kind: ObjectType,
    names: &[ObjectName],
    if_exists: bool,
) -> Result<bool> {
    let kind = match kind {
        ObjectType::Table => Kind::Table,
        ObjectType::View => Kind::View,
        other => return Err(unsupported(&format!("DROP {other}"))),
    };
    let [name] = names else {
        return Err(Error::Unsupported(
            "DROP takes one name at a time; nothing was changed".into(),
        ));
    };
    Scope::new(session).await?;
    let (schema, name) = split(name)?;
    let of_session = session
        .lake_catalog()
        .is_none_or(|catalog| catalog.has_session_table(&schema, &name));
    if of_session {
        return Ok(false);
    }
    session.caller().grants.check(Deed::Write, &schema, &name)?;
    catalog::drop(
        session.require_lake()?,
        &Name::new(schema, name),
        kind,
        if_exists,
    )
    .await?;
    Ok(true)
}
