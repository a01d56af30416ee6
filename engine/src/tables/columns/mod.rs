//! Columns of new tables: from SQL, or from the result of a query.

mod declared;
mod inferred;

pub use declared::{declared, partition_columns};
pub use inferred::inferred;

use deltalake::kernel::{DataType, PrimitiveType, StructField, StructType};

use crate::error::{Error, Result};

/// Letters that Parquet's schema language uses: Delta Lake refuses them in names of columns.
const RESERVED: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];
/// Columns of a table's change data, beside the table's own.
const CHANGE_DATA: [&str; 3] = ["_change_type", "_commit_version", "_commit_timestamp"];

/// The columns as one schema.
///
/// # Errors
/// No columns; two of one name (Delta does not tell upper from lower case); names that cannot be.
pub fn schema(fields: Vec<StructField>) -> Result<StructType> {
    if fields.is_empty() {
        return Err(Error::Invalid("a table has at least one column".into()));
    }
    for field in &fields {
        check_name(field.name(), field.name())?;
        check_nested(field.name(), field.data_type())?;
    }
    check_distinct("", fields.iter().map(|field| field.name()))?;
    StructType::try_new(fields).map_err(|error| Error::Invalid(error.to_string()))
}

/// Whether a value of the type has parts.
pub fn is_nested(kind: &DataType) -> bool {
    !matches!(kind, DataType::Primitive(_))
}

/// Whether the type is, or contains, a timestamp without time zone.
pub fn has_timestamp_ntz(kind: &DataType) -> bool {
    match kind {
        DataType::Primitive(primitive) => *primitive == PrimitiveType::TimestampNtz,
        DataType::Array(list) => has_timestamp_ntz(list.element_type()),
        DataType::Map(map) => {
            has_timestamp_ntz(map.key_type()) || has_timestamp_ntz(map.value_type())
        }
        DataType::Struct(parts) | DataType::Variant(parts) => parts
            .fields()
            .any(|part| has_timestamp_ntz(part.data_type())),
    }
}

/// Whether a table with change data cannot have this column.
pub fn is_change_data(name: &str) -> bool {
    CHANGE_DATA
        .iter()
        .any(|taken| taken.eq_ignore_ascii_case(name))
}

fn check_nested(path: &str, kind: &DataType) -> Result<()> {
    match kind {
        DataType::Primitive(_) => Ok(()),
        DataType::Array(list) => check_nested(path, list.element_type()),
        DataType::Map(map) => {
            check_nested(path, map.key_type())?;
            check_nested(path, map.value_type())
        }
        DataType::Struct(parts) | DataType::Variant(parts) => {
            for part in parts.fields() {
                let path = format!("{path}.{}", part.name());
                check_name(&path, part.name())?;
                check_nested(&path, part.data_type())?;
            }
            check_distinct(path, parts.fields().map(|part| part.name()))
        }
    }
}

fn check_name(path: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::Invalid(format!(
            "column \"{path}\" has an empty name: give it one with AS"
        )));
    }
    let bad = name
        .chars()
        .find(|letter| RESERVED.contains(letter) || letter.is_control());
    match bad {
        Some(letter) => Err(Error::Invalid(format!(
            "column \"{path}\" cannot have this name in a Delta table, because of {letter:?}: give it another name (in a query: AS)"
        ))),
        None => Ok(()),
    }
}

/// Refuses names that differ in upper and lower case only, or not at all.
pub fn check_distinct<'a>(within: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.to_lowercase()) {
            let place = match within {
                "" => String::new(),
                path => format!(" of {path}"),
            };
            return Err(Error::Invalid(format!(
                "there are two columns {name}{place}: Delta tables do not tell upper from lower case; name one otherwise"
            )));
        }
    }
    Ok(())
}
