//! Tables as `sql/tables/*.sql` defines them: the one source of truth of every schema.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    ColumnDef, HiveDistributionStyle, ObjectName, TableConstraint,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow as _;
use deltalake::kernel::{DataType, StructField, StructType};

use super::{columns, properties};
use crate::error::{Error, Result};

/// The files of `sql/tables`, in the order in which the tables are created.
const SOURCES: &[&str] = &[
    include_str!("../../../sql/tables/system_catalog.sql"),
    include_str!("../../../sql/tables/system_files.sql"),
    include_str!("../../../sql/tables/system_rejects.sql"),
    include_str!("../../../sql/tables/system_query_log.sql"),
    include_str!("../../../sql/tables/system_job_runs.sql"),
    include_str!("../../../sql/tables/system_inference_results.sql"),
    include_str!("../../../sql/tables/repertoires.sql"),
    include_str!("../../../sql/tables/proteins.sql"),
    include_str!("../../../sql/tables/protein_chains.sql"),
    include_str!("../../../sql/tables/structures.sql"),
    include_str!("../../../sql/tables/fvs.sql"),
    include_str!("../../../sql/tables/chains.sql"),
];

/// What `CREATE TABLE` says of a Delta table.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// Schema of the name: `main` or `system`.
    pub schema_name: String,
    /// Name within the schema.
    pub name: String,
    /// Columns.
    pub schema: StructType,
    /// Columns the table is partitioned by.
    pub partition_columns: Vec<String>,
    /// Table properties.
    pub properties: Vec<(String, String)>,
    /// What the table is for.
    pub comment: Option<String>,
    /// The statement; empty where there is none.
    pub sql: String,
    arrow_schema: SchemaRef,
}

impl TableDefinition {
    /// A table with these columns (see [`columns`]).
    ///
    /// # Errors
    /// No columns, two of one name, names that a Delta table cannot have.
    pub fn new(schema_name: &str, name: &str, fields: Vec<StructField>) -> Result<Self> {
        let place = || format!("{schema_name}.{name}");
        let schema = columns::schema(fields).map_err(|error| error.context(place()))?;
        let arrow: Schema = (&schema)
            .try_into_arrow()
            .map_err(|error| Error::Internal(format!("{}: {error}", place())))?;
        Ok(Self {
            schema_name: schema_name.into(),
            name: name.into(),
            schema,
            partition_columns: Vec::new(),
            properties: Vec::new(),
            comment: None,
            sql: String::new(),
            arrow_schema: Arc::new(arrow),
        })
    }

    /// Partitioned by these columns.
    ///
    /// # Errors
    /// A column that is not there, twice there or nested; no column left.
    pub fn partitioned_by(mut self, names: Vec<String>) -> Result<Self> {
        let refuse = |why: String| Error::Invalid(format!("{}: {why}", self.full_name()));
        for (index, name) in names.iter().enumerate() {
            let Some(field) = self.schema.field(name) else {
                return Err(refuse(format!(
                    "the table is partitioned by {name}, which is not a column"
                )));
            };
            if columns::is_nested(field.data_type()) || *field.data_type() == DataType::BINARY {
                return Err(refuse(format!(
                    "a table cannot be partitioned by {name}, a column of type {}",
                    field.data_type()
                )));
            }
            if names[..index].contains(name) {
                return Err(refuse(format!("PARTITIONED BY names {name} twice")));
            }
        }
        if !names.is_empty() && names.len() == self.schema.num_fields() {
            return Err(refuse(
                "a table cannot be partitioned by all its columns: leave one out".into(),
            ));
        }
        self.partition_columns = names;
        Ok(self)
    }

    /// With these table properties.
    ///
    /// # Errors
    /// Properties that this software does not know or honour, values that do not fit.
    pub fn with_properties(mut self, properties: Vec<(String, String)>) -> Result<Self> {
        for (key, value) in &properties {
            properties::check(key, value, &self.schema)
                .map_err(|error| error.context(self.full_name()))?;
        }
        let set = properties
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        properties::check_together(set, &self.schema)
            .map_err(|error| error.context(self.full_name()))?;
        self.properties = properties;
        Ok(self)
    }

    /// Reads one `CREATE TABLE schema.name (column TYPE [NOT NULL] [COMMENT '…'], …)
    /// [PARTITIONED BY (…)] [TBLPROPERTIES ('key' = 'value', …)]`.
    ///
    /// # Errors
    /// Anything else, with line and column.
    pub fn parse(sql: &str) -> Result<Self> {
        let refuse = |error: ParserError| Error::Invalid(format!("table definition: {error}"));
        let dialect = SparkSqlDialect {};
        let mut parser = Parser::new(&dialect).try_with_sql(sql).map_err(refuse)?;
        let table = parse_table(&mut parser).map_err(refuse)?;
        let (schema_name, name) = split_name(&table.name)?;
        let fields = columns::declared(&table.columns, &table.constraints)?;
        let partition_columns = columns::partition_columns(&table.partition_columns)?;
        let definition = Self::new(&schema_name, &name, fields)?
            .partitioned_by(partition_columns)?
            .with_properties(table.properties)?;
        Ok(Self {
            sql: sql.to_string(),
            ..definition
        })
    }

    /// The columns as Arrow fields: strings are `Utf8`, timestamps microseconds UTC.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::clone(&self.arrow_schema)
    }

    /// `schema.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema_name, self.name)
    }
}

/// The tables every lake has.
pub fn all() -> Result<&'static [TableDefinition]> {
    static ALL: LazyLock<Result<Vec<TableDefinition>, String>> = LazyLock::new(|| {
        SOURCES
            .iter()
            .map(|sql| TableDefinition::parse(sql).map_err(|error| error.to_string()))
            .collect()
    });
    match ALL.as_ref() {
        Ok(tables) => Ok(tables),
        Err(message) => Err(Error::Internal(message.clone())),
    }
}

/// The table `schema.name`.
pub fn definition(full_name: &str) -> Result<&'static TableDefinition> {
    all()?
        .iter()
        .find(|table| table.full_name() == full_name)
        .ok_or_else(|| Error::NotFound(format!("there is no table {full_name}")))
}

struct Parsed {
    name: ObjectName,
    columns: Vec<ColumnDef>,
    constraints: Vec<TableConstraint>,
    partition_columns: Vec<ColumnDef>,
    properties: Vec<(String, String)>,
}

fn parse_table(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.expect_keywords(&[Keyword::CREATE, Keyword::TABLE])?;
    let name = parser.parse_object_name(false)?;
    let (columns, constraints) = parser.parse_columns()?;
    let partition_columns = match parser.parse_hive_distribution()? {
        HiveDistributionStyle::PARTITIONED { columns } => columns,
        _ => Vec::new(),
    };
    let options = parser.parse_options(Keyword::TBLPROPERTIES)?;
    let properties = properties::declared(&options)
        .map_err(|error| ParserError::ParserError(error.to_string()))?;
    let _ = parser.consume_token(&Token::SemiColon);
    parser.expect_token(&Token::EOF)?;
    Ok(Parsed {
        name,
        columns,
        constraints,
        partition_columns,
        properties,
    })
}

fn split_name(name: &ObjectName) -> Result<(String, String)> {
    let parts: Vec<&str> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(|ident| ident.value.as_str())
        .collect();
    match parts.as_slice() {
        [name] => Ok(("main".into(), (*name).into())),
        [schema, name] => Ok(((*schema).into(), (*name).into())),
        _ => Err(Error::Invalid(format!(
            "{name} is not a table name: write table or schema.table"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn every_shipped_table_parses_and_explains_each_column() {
        let tables = all().unwrap();
        assert_eq!(tables.len(), SOURCES.len());
        for table in tables {
            for field in table.schema.fields() {
                assert!(
                    field.metadata().contains_key("comment"),
                    "{}.{} has no comment",
                    table.full_name(),
                    field.name()
                );
            }
        }
    }

    #[test]
    fn chains_are_partitioned_by_chain_and_species() {
        let chains = definition("main.chains").unwrap();
        assert_eq!(chains.partition_columns, ["chain", "species"]);
    }

    #[test]
    fn partition_columns_that_cannot_be_are_refused() {
        for (sql, why) in [
            ("(a INT) PARTITIONED BY (b)", "partitioned by b"),
            ("(a INT) PARTITIONED BY (a)", "all its columns"),
            ("(a INT, b INT) PARTITIONED BY (a, a)", "twice"),
            ("(a INT, b ARRAY<INT>) PARTITIONED BY (b)", "array<integer>"),
            ("(a INT, b BINARY) PARTITIONED BY (b)", "binary"),
            ("(a INT) PARTITIONED BY (b STRING)", "declare b"),
        ] {
            let error = TableDefinition::parse(&format!("CREATE TABLE t {sql}")).unwrap_err();
            assert!(error.to_string().contains(why), "{sql}: {error}");
        }
    }

    #[test]
    fn columns_that_a_delta_table_cannot_have_are_refused() {
        for (columns, why) in [
            ("a INT, A INT", "two columns"),
            ("`a b` INT", "' '"),
            ("a STRUCT<x: INT, X: INT>", "of a"),
            ("a MAP<STRING, STRUCT<`p;q`: INT>>", "p;q"),
        ] {
            let error = TableDefinition::parse(&format!("CREATE TABLE t ({columns})")).unwrap_err();
            assert!(error.to_string().contains(why), "{columns}: {error}");
        }
    }

    #[test]
    fn properties_are_checked_against_the_columns() {
        let sql = "CREATE TABLE t (a INT) TBLPROPERTIES ('paratope.sortColumns' = 'b')";
        let error = TableDefinition::parse(sql).unwrap_err().to_string();
        assert!(error.contains("main.t") && error.contains('b'), "{error}");
    }
}
