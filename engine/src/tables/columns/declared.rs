//! Columns as `CREATE TABLE` and `ALTER TABLE … ADD COLUMN` declare them.

use datafusion::sql::planner::IdentNormalizer;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryLength, CharacterLength, ColumnDef, ColumnOption, DataType as SqlType,
    ExactNumberInfo, TableConstraint, TimezoneInfo,
};
use deltalake::kernel::{
    ArrayType, DataType, MapType, MetadataValue, PrimitiveType, StructField, StructType,
};

use super::check_distinct;
use crate::error::{Error, Result};

/// Most digits of a decimal.
const DECIMAL_DIGITS: u64 = 38;
/// Digits of a decimal for which none are given, as in the casts of DataFusion.
const DECIMAL_DEFAULT: (u8, u8) = (38, 10);

/// Columns of a list like `(a INT NOT NULL COMMENT '…', b MAP<STRING, DOUBLE>)`.
///
/// # Errors
/// A type that Delta tables have not; an option or constraint that would not be carried out.
pub fn declared(
    columns: &[ColumnDef],
    constraints: &[TableConstraint],
) -> Result<Vec<StructField>> {
    if let Some(constraint) = constraints.first() {
        return Err(Error::Unsupported(format!(
            "{constraint} is not carried out by this version of paratope; leave it out"
        )));
    }
    columns.iter().map(field).collect()
}

/// Columns of `PARTITIONED BY (a, b)`.
///
/// # Errors
/// Anything but names: a column is declared among the others.
pub fn partition_columns(listed: &[ColumnDef]) -> Result<Vec<String>> {
    listed
        .iter()
        .map(|column| {
            if column.data_type != SqlType::Unspecified || !column.options.is_empty() {
                return Err(Error::Invalid(format!(
                    "PARTITIONED BY ({column}): declare {0} among the columns, and write PARTITIONED BY ({0})",
                    column.name
                )));
            }
            Ok(IdentNormalizer::default().normalize(column.name.clone()))
        })
        .collect()
}

fn field(column: &ColumnDef) -> Result<StructField> {
    let name = IdentNormalizer::default().normalize(column.name.clone());
    let mut nullable = true;
    let mut comment = None;
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull => nullable = false,
            ColumnOption::Null => {}
            ColumnOption::Comment(text) => comment = Some(text.clone()),
            other => {
                return Err(Error::Unsupported(format!(
                    "column {name}: {other} is not carried out by this version of paratope; leave it out"
                )));
            }
        }
    }
    let field = StructField::new(&name, data_type(&name, &column.data_type)?, nullable);
    Ok(match comment {
        Some(text) => field.with_metadata([("comment", MetadataValue::String(text))]),
        None => field,
    })
}

/// The Delta type of an SQL type; `column` is named in errors.
fn data_type(column: &str, sql: &SqlType) -> Result<DataType> {
    let nested = |element: &SqlType| data_type(column, element);
    Ok(match sql {
        SqlType::String(None)
        | SqlType::Text
        | SqlType::Varchar(None)
        | SqlType::CharVarying(None)
        | SqlType::CharacterVarying(None)
        | SqlType::Nvarchar(None) => DataType::STRING,
        SqlType::TinyInt(None) => DataType::BYTE,
        SqlType::SmallInt(None) | SqlType::Int2(None) => DataType::SHORT,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::INTEGER,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::LONG,
        SqlType::Float(ExactNumberInfo::None) | SqlType::Real | SqlType::Float4 => DataType::FLOAT,
        SqlType::Double(ExactNumberInfo::None) | SqlType::DoublePrecision | SqlType::Float8 => {
            DataType::DOUBLE
        }
        SqlType::Decimal(digits) | SqlType::Numeric(digits) | SqlType::Dec(digits) => {
            decimal(column, sql, *digits)?
        }
        SqlType::Boolean | SqlType::Bool => DataType::BOOLEAN,
        SqlType::Binary(None)
        | SqlType::Varbinary(None)
        | SqlType::Blob(None)
        | SqlType::Bytes(None)
        | SqlType::Bytea => DataType::BINARY,
        SqlType::Date => DataType::DATE,
        SqlType::Timestamp(None | Some(6), TimezoneInfo::WithoutTimeZone)
        | SqlType::TimestampNtz(None | Some(6))
        | SqlType::Datetime(None | Some(6)) => DataType::Primitive(PrimitiveType::TimestampNtz),
        SqlType::Timestamp(None | Some(6), _) => DataType::Primitive(PrimitiveType::Timestamp),
        SqlType::Array(
            ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element)
            | ArrayElemTypeDef::SquareBracket(element, None),
        ) => ArrayType::new(nested(element)?, true).into(),
        SqlType::Map(key, value) => MapType::new(nested(key)?, nested(value)?, true).into(),
        SqlType::Struct(parts, _) => structure(column, parts)?,
        other => return Err(unsupported(column, other)),
    })
}

fn structure(
    column: &str,
    parts: &[datafusion::sql::sqlparser::ast::StructField],
) -> Result<DataType> {
    let fields = parts
        .iter()
        .map(|part| {
            let Some(name) = &part.field_name else {
                return Err(Error::Invalid(format!(
                    "column {column}: write STRUCT<name type, …>, with a name for each field"
                )));
            };
            if part.options.is_some() {
                return Err(Error::Unsupported(format!(
                    "column {column}.{name}: options of a field are not carried out; leave them out"
                )));
            }
            let name = IdentNormalizer::default().normalize(name.clone());
            let path = format!("{column}.{name}");
            let kind = data_type(&path, &part.field_type)?;
            Ok(StructField::nullable(name, kind))
        })
        .collect::<Result<Vec<_>>>()?;
    if fields.is_empty() {
        return Err(Error::Invalid(format!(
            "column {column}: write STRUCT<name type, …>"
        )));
    }
    check_distinct(column, fields.iter().map(StructField::name))?;
    let fields = StructType::try_new(fields).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(DataType::Struct(Box::new(fields)))
}

fn decimal(column: &str, sql: &SqlType, digits: ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match digits {
        ExactNumberInfo::None => (u64::from(DECIMAL_DEFAULT.0), i64::from(DECIMAL_DEFAULT.1)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let refuse = || {
        Error::Invalid(format!(
            "column {column}: {sql} cannot be: a decimal has 1 to {DECIMAL_DIGITS} digits, and not more of them after the point than in all"
        ))
    };
    if precision == 0 || precision > DECIMAL_DIGITS {
        return Err(refuse());
    }
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => DataType::decimal(precision, scale).map_err(|_| refuse()),
        _ => Err(refuse()),
    }
}

fn unsupported(column: &str, sql: &SqlType) -> Error {
    let remedy = match sql {
        SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::Varchar(Some(CharacterLength::IntegerLength { .. } | CharacterLength::Max))
        | SqlType::CharVarying(_)
        | SqlType::CharacterVarying(_)
        | SqlType::Nvarchar(_)
        | SqlType::String(_)
        | SqlType::FixedString(_)
        | SqlType::Clob(_) => "lengths are not enforced; write STRING",
        SqlType::Uuid | SqlType::JSON | SqlType::JSONB | SqlType::Enum(..) => "write STRING",
        SqlType::Time(..) => "write STRING, or BIGINT for microseconds",
        SqlType::Interval { .. } => "write BIGINT, with the unit in the column's name",
        SqlType::Timestamp(..) | SqlType::TimestampNtz(_) | SqlType::Datetime(_) => {
            "timestamps have microseconds; write TIMESTAMP or TIMESTAMP(6)"
        }
        SqlType::Float(_) | SqlType::Double(_) => "write FLOAT or DOUBLE, without digits",
        SqlType::Binary(_)
        | SqlType::Varbinary(Some(BinaryLength::IntegerLength { .. } | BinaryLength::Max))
        | SqlType::Blob(_)
        | SqlType::Bytes(_) => "lengths are not enforced; write BINARY",
        SqlType::TinyIntUnsigned(_)
        | SqlType::UTinyInt
        | SqlType::SmallIntUnsigned(_)
        | SqlType::USmallInt
        | SqlType::IntUnsigned(_)
        | SqlType::IntegerUnsigned(_)
        | SqlType::BigIntUnsigned(_)
        | SqlType::UBigInt
        | SqlType::Unsigned => "Delta tables have no unsigned numbers; write the next larger type",
        SqlType::Array(_) => "write ARRAY<type>",
        SqlType::Unspecified => "write a type after the column's name",
        _ => {
            "write STRING, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), BOOLEAN, BINARY, DATE, TIMESTAMP, TIMESTAMP_NTZ, ARRAY<…>, MAP<…, …> or STRUCT<…>"
        }
    };
    Error::Unsupported(format!(
        "column {column}: the type {sql} is not supported: {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn columns(list: &str) -> Result<Vec<StructField>> {
        let sql = format!("({list})");
        let (columns, constraints) = Parser::new(&SparkSqlDialect {})
            .try_with_sql(&sql)
            .unwrap()
            .parse_columns()
            .unwrap();
        declared(&columns, &constraints)
    }

    fn kind(sql: &str) -> String {
        let fields = columns(&format!("c {sql}")).unwrap();
        fields[0].data_type().to_string()
    }

    #[test]
    fn each_type_of_delta_can_be_declared() {
        for (sql, delta) in [
            ("STRING", "string"),
            ("VARCHAR", "string"),
            ("TEXT", "string"),
            ("TINYINT", "byte"),
            ("SMALLINT", "short"),
            ("INT", "integer"),
            ("BIGINT", "long"),
            ("FLOAT", "float"),
            ("REAL", "float"),
            ("DOUBLE", "double"),
            ("DOUBLE PRECISION", "double"),
            ("DECIMAL", "decimal(38,10)"),
            ("DECIMAL(9)", "decimal(9,0)"),
            ("NUMERIC(12, 4)", "decimal(12,4)"),
            ("BOOLEAN", "boolean"),
            ("BINARY", "binary"),
            ("BYTEA", "binary"),
            ("DATE", "date"),
            ("TIMESTAMP", "timestamp"),
            ("TIMESTAMPTZ", "timestamp"),
            ("TIMESTAMP WITHOUT TIME ZONE", "timestamp_ntz"),
            ("TIMESTAMP_NTZ", "timestamp_ntz"),
            ("ARRAY<INT>", "array<integer>"),
            ("MAP<STRING, DOUBLE>", "map<string, double>"),
        ] {
            assert_eq!(kind(sql), delta, "{sql}");
        }
    }

    #[test]
    fn structs_nest() {
        let fields = columns("c STRUCT<a: INT, B: ARRAY<STRUCT<x: DATE>>>").unwrap();
        let DataType::Struct(parts) = fields[0].data_type() else {
            panic!("{:?}", fields[0]);
        };
        let names: Vec<_> = parts.fields().map(StructField::name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn names_are_lower_case_unless_quoted() {
        let fields = columns("A INT, `B` INT").unwrap();
        let names: Vec<_> = fields.iter().map(StructField::name).collect();
        assert_eq!(names, ["a", "B"]);
    }

    #[test]
    fn not_null_and_comments_are_kept() {
        let fields = columns("a INT NOT NULL COMMENT 'why', b INT NULL").unwrap();
        assert!(!fields[0].is_nullable());
        assert!(fields[1].is_nullable());
        let comment = fields[0].metadata().get("comment");
        assert_eq!(comment, Some(&MetadataValue::String("why".into())));
    }

    #[test]
    fn options_that_would_not_be_carried_out_are_errors_that_name_them() {
        for (option, named) in [
            ("DEFAULT 1", "DEFAULT 1"),
            ("CHECK (c > 0)", "CHECK"),
            ("PRIMARY KEY", "PRIMARY KEY"),
            ("UNIQUE", "UNIQUE"),
            ("REFERENCES t (x)", "REFERENCES"),
            ("COLLATE nocase", "COLLATE"),
            ("GENERATED ALWAYS AS (1) STORED", "GENERATED"),
        ] {
            let error = columns(&format!("c INT {option}")).unwrap_err().to_string();
            assert!(error.contains("column c"), "{option}: {error}");
            assert!(error.contains(named), "{option}: {error}");
        }
    }

    #[test]
    fn constraints_are_errors_that_name_them() {
        for constraint in ["PRIMARY KEY (c)", "UNIQUE (c)", "CHECK (c > 0)"] {
            let error = columns(&format!("c INT, {constraint}")).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{error}");
            assert!(error.to_string().contains(constraint), "{error}");
        }
    }

    #[test]
    fn types_that_delta_has_not_are_errors_with_a_remedy() {
        for (sql, remedy) in [
            ("VARCHAR(10)", "STRING"),
            ("CHAR(3)", "STRING"),
            ("UUID", "STRING"),
            ("JSON", "STRING"),
            ("TIME", "BIGINT"),
            ("INT UNSIGNED", "next larger"),
            ("TIMESTAMP(9)", "microseconds"),
            ("FLOAT(24)", "without digits"),
            ("DECIMAL(39, 2)", "1 to 38"),
            ("DECIMAL(4, 5)", "after the point"),
            ("INTERVAL", "unit"),
        ] {
            let error = columns(&format!("c {sql}")).unwrap_err().to_string();
            assert!(error.contains("column c"), "{sql}: {error}");
            assert!(error.contains(remedy), "{sql}: {error}");
        }
    }
}
