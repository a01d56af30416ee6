//! Columns for the result of a query.

use datafusion::arrow::datatypes::{DataType as ArrowType, Schema};
use deltalake::kernel::{ArrayType, DataType, MapType, PrimitiveType, StructField, StructType};

use super::check_distinct;
use crate::error::{Error, Result};

/// Most digits of a decimal.
const DECIMAL_DIGITS: u8 = 38;

/// A column for each of the result's, all of them nullable: that a query gives no NULL today says
/// nothing of rows to come. Numbers without sign become the next larger type with one; the largest
/// becomes BIGINT, into which larger values cannot be written. Timestamps have microseconds.
///
/// # Errors
/// A type that Delta tables have not, with the column.
pub fn inferred(result: &Schema) -> Result<Vec<StructField>> {
    result
        .fields()
        .iter()
        .map(|field| {
            let kind = data_type(field.name(), field.data_type())?;
            Ok(StructField::nullable(field.name(), kind))
        })
        .collect()
}

fn data_type(column: &str, arrow: &ArrowType) -> Result<DataType> {
    use ArrowType as A;
    Ok(match arrow {
        A::Utf8 | A::LargeUtf8 | A::Utf8View => DataType::STRING,
        A::Dictionary(_, values) => data_type(column, values)?,
        A::RunEndEncoded(_, values) => data_type(column, values.data_type())?,
        A::Int8 => DataType::BYTE,
        A::Int16 | A::UInt8 => DataType::SHORT,
        A::Int32 | A::UInt16 => DataType::INTEGER,
        A::Int64 | A::UInt32 | A::UInt64 => DataType::LONG,
        A::Float16 | A::Float32 => DataType::FLOAT,
        A::Float64 => DataType::DOUBLE,
        A::Boolean => DataType::BOOLEAN,
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => DataType::BINARY,
        A::Date32 | A::Date64 => DataType::DATE,
        A::Timestamp(_, Some(_)) => DataType::Primitive(PrimitiveType::Timestamp),
        A::Timestamp(_, None) => DataType::Primitive(PrimitiveType::TimestampNtz),
        A::Decimal32(precision, scale)
        | A::Decimal64(precision, scale)
        | A::Decimal128(precision, scale)
        | A::Decimal256(precision, scale) => decimal(column, arrow, *precision, *scale)?,
        A::List(element)
        | A::LargeList(element)
        | A::ListView(element)
        | A::LargeListView(element)
        | A::FixedSizeList(element, _) => {
            ArrayType::new(data_type(column, element.data_type())?, true).into()
        }
        A::Map(entries, _) => match entries.data_type() {
            A::Struct(parts) if parts.len() == 2 => {
                let key = data_type(column, parts[0].data_type())?;
                let value = data_type(column, parts[1].data_type())?;
                MapType::new(key, value, true).into()
            }
            _ => return Err(unsupported(column, arrow)),
        },
        A::Struct(parts) if !parts.is_empty() => {
            let fields = parts
                .iter()
                .map(|part| {
                    let path = format!("{column}.{}", part.name());
                    Ok(StructField::nullable(
                        part.name(),
                        data_type(&path, part.data_type())?,
                    ))
                })
                .collect::<Result<Vec<_>>>()?;
            check_distinct(column, fields.iter().map(StructField::name))?;
            let fields =
                StructType::try_new(fields).map_err(|error| Error::Invalid(error.to_string()))?;
            DataType::Struct(Box::new(fields))
        }
        other => return Err(unsupported(column, other)),
    })
}

/// Digits before the point that are always zero become digits of the number.
fn decimal(column: &str, arrow: &ArrowType, precision: u8, scale: i8) -> Result<DataType> {
    let (digits, after) = match u8::try_from(scale) {
        Ok(after) => (precision.max(after), after),
        Err(_) => (precision.saturating_add(scale.unsigned_abs()), 0),
    };
    if digits > DECIMAL_DIGITS {
        return Err(unsupported(column, arrow));
    }
    DataType::decimal(digits, after).map_err(|_| unsupported(column, arrow))
}

fn unsupported(column: &str, arrow: &ArrowType) -> Error {
    let remedy = match arrow {
        ArrowType::Null => "it has no type, only NULL; write CAST(NULL AS type)",
        ArrowType::Time32(_) | ArrowType::Time64(_) => "CAST it to VARCHAR",
        ArrowType::Duration(_) | ArrowType::Interval(_) => {
            "CAST it to VARCHAR, or compute a number of seconds"
        }
        ArrowType::Decimal256(..) | ArrowType::Decimal128(..) => {
            "a decimal has at most 38 digits; CAST it to DECIMAL(p, s) or DOUBLE"
        }
        _ => "CAST it to another type",
    };
    Error::Unsupported(format!(
        "column {column}: a Delta table cannot hold {arrow}: {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Fields, IntervalUnit, TimeUnit};

    use super::*;

    fn kind(arrow: ArrowType) -> Result<String> {
        let fields = inferred(&Schema::new(vec![Field::new("c", arrow, false)]))?;
        assert!(fields[0].is_nullable());
        Ok(fields[0].data_type().to_string())
    }

    #[test]
    fn what_queries_return_has_a_type_in_delta() {
        let text = || Box::new(ArrowType::Utf8);
        for (arrow, delta) in [
            (ArrowType::Utf8View, "string"),
            (ArrowType::LargeUtf8, "string"),
            (
                ArrowType::Dictionary(Box::new(ArrowType::Int32), text()),
                "string",
            ),
            (ArrowType::Int8, "byte"),
            (ArrowType::UInt8, "short"),
            (ArrowType::UInt16, "integer"),
            (ArrowType::UInt32, "long"),
            (ArrowType::UInt64, "long"),
            (ArrowType::Float16, "float"),
            (ArrowType::BinaryView, "binary"),
            (ArrowType::Date64, "date"),
            (
                ArrowType::Timestamp(TimeUnit::Nanosecond, None),
                "timestamp_ntz",
            ),
            (
                ArrowType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())),
                "timestamp",
            ),
            (ArrowType::Decimal128(20, 4), "decimal(20,4)"),
            (ArrowType::Decimal256(38, 0), "decimal(38,0)"),
            (ArrowType::Decimal128(5, -2), "decimal(7,0)"),
            (
                ArrowType::List(Arc::new(Field::new("item", ArrowType::Int64, true))),
                "array<long>",
            ),
        ] {
            assert_eq!(kind(arrow.clone()).unwrap(), delta, "{arrow}");
        }
    }

    #[test]
    fn maps_and_structs_keep_their_parts() {
        let parts = Fields::from(vec![
            Field::new("keys", ArrowType::Utf8View, false),
            Field::new("values", ArrowType::UInt8, true),
        ]);
        let entries = Field::new("entries", ArrowType::Struct(parts.clone()), false);
        assert_eq!(
            kind(ArrowType::Map(Arc::new(entries), false)).unwrap(),
            "map<string, short>"
        );
        assert!(kind(ArrowType::Struct(parts)).unwrap().contains("keys"));
    }

    #[test]
    fn other_types_are_errors_that_name_the_column() {
        for arrow in [
            ArrowType::Null,
            ArrowType::Time64(TimeUnit::Microsecond),
            ArrowType::Interval(IntervalUnit::MonthDayNano),
            ArrowType::Decimal256(50, 2),
            ArrowType::Struct(Fields::empty()),
        ] {
            let error = kind(arrow.clone()).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{arrow}: {error}");
            assert!(error.to_string().starts_with("column c"), "{error}");
        }
    }
}
