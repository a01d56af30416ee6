//! Tables as `sql/tables/*.sql` defines them: the one source of truth of every schema.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, ColumnOption, DataType as SqlType, Expr, ObjectName, SqlOption, Value,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow as _;
use deltalake::kernel::{
    ArrayType, DataType, MapType, MetadataValue, PrimitiveType, StructField, StructType,
};

use crate::error::{Error, Result};

/// The files of `sql/tables`, in the order in which the tables are created.
const SOURCES: &[&str] = &[
    include_str!("../../../sql/tables/system_catalog.sql"),
    include_str!("../../../sql/tables/system_files.sql"),
    include_str!("../../../sql/tables/system_rejects.sql"),
    include_str!("../../../sql/tables/repertoires.sql"),
    include_str!("../../../sql/tables/proteins.sql"),
    include_str!("../../../sql/tables/protein_chains.sql"),
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
    /// The statement.
    pub sql: String,
    arrow_schema: SchemaRef,
}

impl TableDefinition {
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
        let schema = StructType::try_new(table.fields)
            .map_err(|error| Error::Invalid(format!("{schema_name}.{name}: {error}")))?;
        for column in &table.partition_columns {
            if schema.field(column).is_none() {
                return Err(Error::Invalid(format!(
                    "{schema_name}.{name} is partitioned by {column}, which is not a column"
                )));
            }
        }
        let arrow: arrow::datatypes::Schema = (&schema)
            .try_into_arrow()
            .map_err(|error| Error::Internal(format!("{schema_name}.{name}: {error}")))?;
        Ok(Self {
            schema_name,
            name,
            schema,
            partition_columns: table.partition_columns,
            properties: table.properties,
            sql: sql.to_string(),
            arrow_schema: Arc::new(arrow),
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
    fields: Vec<StructField>,
    partition_columns: Vec<String>,
    properties: Vec<(String, String)>,
}

fn parse_table(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.expect_keywords(&[Keyword::CREATE, Keyword::TABLE])?;
    let name = parser.parse_object_name(false)?;
    let (columns, _) = parser.parse_columns()?;
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let mut nullable = true;
        let mut comment = None;
        for option in column.options {
            match option.option {
                ColumnOption::NotNull => nullable = false,
                ColumnOption::Null => {}
                ColumnOption::Comment(text) => comment = Some(text),
                other => {
                    return Err(ParserError::ParserError(format!(
                        "column {}: {other} is not supported",
                        column.name
                    )));
                }
            }
        }
        let kind = delta_type(&column.data_type)?;
        let field = StructField::new(column.name.value, kind, nullable);
        fields.push(match comment {
            Some(text) => field.with_metadata([("comment", MetadataValue::String(text))]),
            None => field,
        });
    }
    let mut partition_columns = Vec::new();
    if parser.parse_keywords(&[Keyword::PARTITIONED, Keyword::BY]) {
        parser.expect_token(&Token::LParen)?;
        partition_columns = parser
            .parse_comma_separated(Parser::parse_identifier)?
            .into_iter()
            .map(|ident| ident.value)
            .collect();
        parser.expect_token(&Token::RParen)?;
    }
    let mut properties = Vec::new();
    for option in parser.parse_options(Keyword::TBLPROPERTIES)? {
        match option {
            SqlOption::KeyValue {
                key,
                value: Expr::Value(value),
            } => match value.value {
                Value::SingleQuotedString(text) => properties.push((key.value, text)),
                other => properties.push((key.value, other.to_string())),
            },
            other => {
                return Err(ParserError::ParserError(format!(
                    "table property {other}: expected 'key' = 'value'"
                )));
            }
        }
    }
    let _ = parser.consume_token(&Token::SemiColon);
    parser.expect_token(&Token::EOF)?;
    Ok(Parsed {
        name,
        fields,
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

/// The Delta type of an SQL type.
fn delta_type(sql: &SqlType) -> Result<DataType, ParserError> {
    Ok(match sql {
        SqlType::String(_) | SqlType::Text | SqlType::Varchar(_) => DataType::STRING,
        SqlType::TinyInt(_) => DataType::BYTE,
        SqlType::SmallInt(_) => DataType::SHORT,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::INTEGER,
        SqlType::BigInt(_) => DataType::LONG,
        SqlType::Float(_) | SqlType::Real => DataType::FLOAT,
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::DOUBLE,
        SqlType::Boolean | SqlType::Bool => DataType::BOOLEAN,
        SqlType::Binary(_) => DataType::BINARY,
        SqlType::Date => DataType::DATE,
        SqlType::Timestamp(..) => DataType::Primitive(PrimitiveType::Timestamp),
        SqlType::Array(ArrayElemTypeDef::AngleBracket(element)) => {
            DataType::from(ArrayType::new(delta_type(element)?, true))
        }
        SqlType::Map(key, value) => {
            DataType::from(MapType::new(delta_type(key)?, delta_type(value)?, true))
        }
        other => {
            return Err(ParserError::ParserError(format!(
                "type {other} is not supported"
            )));
        }
    })
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
    fn a_partition_column_that_is_no_column_is_refused() {
        let error =
            TableDefinition::parse("CREATE TABLE t (a INT) PARTITIONED BY (b)").unwrap_err();
        assert!(error.to_string().contains("partitioned by b"), "{error}");
    }
}
