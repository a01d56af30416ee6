//! Columns of texts, lists and maps, of exactly the types that a table declares.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::DataType;

use super::columns::map_builder;
use crate::error::{Error, Result};

/// A column of texts.
pub(super) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// A column of lists of texts; an empty list is NULL.
pub(crate) fn lists<'a>(
    kind: &DataType,
    rows: impl Iterator<Item = &'a [String]>,
) -> Result<ArrayRef> {
    let DataType::List(item) = kind else {
        return Err(Error::Internal(format!("{kind} is no list")));
    };
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(item));
    for row in rows {
        for text in row {
            builder.values().append_value(text);
        }
        builder.append(!row.is_empty());
    }
    Ok(Arc::new(builder.finish()))
}

/// A column of maps of texts; an empty map is NULL.
pub(super) fn maps<'a>(
    kind: &DataType,
    rows: impl Iterator<Item = &'a [(String, String)]>,
) -> Result<ArrayRef> {
    let mut builder = map_builder(kind)?;
    for row in rows {
        for (key, value) in row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(!row.is_empty())?;
    }
    Ok(Arc::new(builder.finish()))
}
