//! `CREATE [OR REPLACE] TABLE [IF NOT EXISTS] t (…) [PARTITIONED BY (…)] [TBLPROPERTIES (…)] [AS …]`.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    CreateTable, CreateTableOptions, HiveDistributionStyle, Query, Statement as Ast,
};
use deltalake::kernel::Action;

use super::Scope;
use super::resolve::unsupported;
use super::target::split;
use crate::catalog::{self, CreateMode, NewTable};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::policy::Deed;
use crate::session::Session;
use crate::tables::commit::{Commit, Reads, append, commit};
use crate::tables::sink::{self, SinkTarget};
use crate::tables::{Table, TableDefinition, columns, properties};

/// Creates a table, with the rows of a query where there is one; tells how many rows.
pub async fn create_table(session: &Session, statement: &CreateTable) -> Result<u64> {
    check(statement)?;
    let lake = session.require_lake()?;
    let (schema, name) = split(&statement.name)?;
    session.caller().grants.check(Deed::Write, &schema, &name)?;
    let mode = match (statement.or_replace, statement.if_not_exists) {
        (true, true) => return Err(unsupported("OR REPLACE together with IF NOT EXISTS")),
        (true, false) => CreateMode::OrReplace,
        (false, true) => CreateMode::IfNotExists,
        (false, false) => CreateMode::New,
    };
    match &statement.query {
        None => {
            catalog::create_table(lake, &definition(statement, None)?, mode).await?;
            Ok(0)
        }
        Some(query) => from_query(session, lake, statement, query, mode).await,
    }
}

/// The table gets its rows before it gets its name: nobody sees it half filled.
async fn from_query(
    session: &Session,
    lake: &Arc<Lake>,
    statement: &CreateTable,
    query: &Query,
    mode: CreateMode,
) -> Result<u64> {
    let scope = Scope::new(session).await?;
    let plan = scope.plan_ast(Ast::Query(Box::new(query.clone()))).await?;
    let columns = Arc::clone(plan.schema().inner());
    let definition = definition(statement, Some(&columns))?;
    let Some(new) = NewTable::begin(lake, &definition, mode).await? else {
        return Ok(0);
    };
    match fill(session, &scope, new.table(), plan).await {
        Ok(rows) => match new.publish(lake).await? {
            true => Ok(rows),
            false => Ok(0),
        },
        Err(error) => {
            new.abandon().await;
            Err(error)
        }
    }
}

async fn fill(session: &Session, scope: &Scope, table: &Table, rows: LogicalPlan) -> Result<u64> {
    let base = table.snapshot().await?;
    let sink = SinkTarget::of(table, &base, session.config())?;
    let told = scope.run(&sink::write(rows, sink)).await?;
    let written = sink::collect(table, told.stream).await?;
    if written.adds.is_empty() {
        return Ok(0);
    }
    let changes = Commit {
        base,
        operation: append(),
        actions: written.adds.into_iter().map(Action::Add).collect(),
        transactions: Vec::new(),
        reads: Reads::Nothing,
    };
    commit(table, changes).await?;
    Ok(written.rows)
}

/// The table as declared; its columns are those of the query's result where there is one.
fn definition(
    statement: &CreateTable,
    result: Option<&datafusion::arrow::datatypes::SchemaRef>,
) -> Result<TableDefinition> {
    let (schema, name) = split(&statement.name)?;
    let fields = match (result, statement.columns.is_empty()) {
        (Some(result), true) => columns::inferred(result)?,
        (Some(_), false) => {
            return Err(unsupported(
                "a column list beside AS (use CAST and AS in the query)",
            ));
        }
        (None, _) => columns::declared(&statement.columns, &statement.constraints)?,
    };
    let partitions = match &statement.hive_distribution {
        HiveDistributionStyle::NONE => Vec::new(),
        HiveDistributionStyle::PARTITIONED { columns: listed } => {
            columns::partition_columns(listed)?
        }
        HiveDistributionStyle::SKEWED { .. } => return Err(unsupported("SKEWED BY")),
    };
    let options = match &statement.table_options {
        CreateTableOptions::None => &[][..],
        CreateTableOptions::TableProperties(options) => options,
        other => {
            return Err(unsupported(&format!(
                "CREATE TABLE … {other} (use TBLPROPERTIES)"
            )));
        }
    };
    TableDefinition::new(&schema, &name, fields)?
        .partitioned_by(partitions)?
        .with_properties(properties::declared(options)?)
}

/// Refuses clauses that are not carried out.
fn check(statement: &CreateTable) -> Result<()> {
    let CreateTable {
        or_replace: _,
        temporary,
        external,
        dynamic,
        global,
        if_not_exists: _,
        transient,
        volatile,
        iceberg,
        snapshot,
        name: _,
        columns: _,
        constraints: _,
        hive_distribution: _,
        hive_formats,
        table_options: _,
        file_format,
        location,
        query: _,
        without_rowid,
        like,
        clone,
        version,
        comment,
        on_commit,
        on_cluster,
        primary_key,
        order_by,
        partition_by,
        cluster_by,
        clustered_by,
        inherits,
        partition_of,
        for_values,
        strict,
        copy_grants,
        enable_schema_evolution,
        change_tracking,
        data_retention_time_in_days,
        max_data_extension_time_in_days,
        default_ddl_collation,
        with_aggregation_policy,
        with_row_access_policy,
        with_storage_lifecycle_policy,
        with_tags,
        external_volume,
        base_location,
        catalog,
        catalog_sync,
        storage_serialization_policy,
        target_lag,
        warehouse,
        refresh_mode,
        initialize,
        require_user,
        diststyle,
        distkey,
        sortkey,
        backup,
    } = statement;
    let stored_otherwise = hive_formats.as_ref().is_some_and(|formats| {
        formats.row_format.is_some()
            || formats.storage.is_some()
            || formats.serde_properties.is_some()
    });
    let located = location.is_some()
        || hive_formats
            .as_ref()
            .is_some_and(|formats| formats.location.is_some());
    let refused = [
        (*temporary || global.is_some(), "TEMPORARY"),
        (*external, "EXTERNAL without STORED AS"),
        (
            *dynamic || target_lag.is_some() || refresh_mode.is_some(),
            "DYNAMIC",
        ),
        (*transient || *volatile, "TRANSIENT, VOLATILE"),
        (
            *iceberg || external_volume.is_some() || base_location.is_some(),
            "ICEBERG",
        ),
        (*snapshot, "SNAPSHOT"),
        (
            stored_otherwise || file_format.is_some(),
            "STORED AS, ROW FORMAT (a table of the lake is a Delta table)",
        ),
        (
            located,
            "LOCATION (a table of the lake lies in the lake; use CREATE EXTERNAL TABLE … STORED AS … LOCATION to read files elsewhere)",
        ),
        (*without_rowid, "WITHOUT ROWID"),
        (like.is_some(), "LIKE (use AS SELECT … WHERE false)"),
        (clone.is_some() || version.is_some(), "CLONE"),
        (comment.is_some(), "COMMENT"),
        (on_commit.is_some(), "ON COMMIT"),
        (on_cluster.is_some(), "ON CLUSTER"),
        (primary_key.is_some(), "PRIMARY KEY"),
        (
            order_by.is_some() || sortkey.is_some(),
            "ORDER BY, SORTKEY (use TBLPROPERTIES ('paratope.sortColumns' = '…'))",
        ),
        (partition_by.is_some(), "PARTITION BY (use PARTITIONED BY)"),
        (
            cluster_by.is_some() || clustered_by.is_some(),
            "CLUSTER BY, CLUSTERED BY",
        ),
        (
            inherits.is_some() || partition_of.is_some() || for_values.is_some(),
            "INHERITS, PARTITION OF",
        ),
        (*strict, "STRICT"),
        (*copy_grants, "COPY GRANTS"),
        (enable_schema_evolution.is_some(), "ENABLE_SCHEMA_EVOLUTION"),
        (
            change_tracking.is_some(),
            "CHANGE_TRACKING (use TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true'))",
        ),
        (
            data_retention_time_in_days.is_some() || max_data_extension_time_in_days.is_some(),
            "DATA_RETENTION_TIME_IN_DAYS (use TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '…'))",
        ),
        (default_ddl_collation.is_some(), "DEFAULT_DDL_COLLATION"),
        (
            with_aggregation_policy.is_some()
                || with_row_access_policy.is_some()
                || with_storage_lifecycle_policy.is_some(),
            "a POLICY",
        ),
        (with_tags.is_some(), "TAG"),
        (catalog.is_some() || catalog_sync.is_some(), "CATALOG"),
        (
            storage_serialization_policy.is_some(),
            "STORAGE_SERIALIZATION_POLICY",
        ),
        (
            warehouse.is_some() || initialize.is_some() || *require_user,
            "WAREHOUSE, INITIALIZE, REQUIRE USER",
        ),
        (
            diststyle.is_some() || distkey.is_some() || backup.is_some(),
            "DISTSTYLE, DISTKEY, BACKUP",
        ),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(unsupported(&format!("CREATE TABLE … {clause}"))),
        None if statement.columns.is_empty() && statement.query.is_none() => Err(Error::Invalid(
            "CREATE TABLE needs columns, (name TYPE, …), or AS SELECT …".into(),
        )),
        None => Ok(()),
    }
}
