//! What `\d` and `\df` show: tables, columns and functions.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use engine::session::FunctionDoc;

use crate::cli::function;
use crate::cli::output::terminal_width;

/// Lists the tables, each with its schema.
pub const TABLES: &str = "\
SELECT table_schema AS schema, table_name AS name,
  CASE table_type WHEN 'BASE TABLE' THEN 'table' ELSE lower(table_type) END AS kind
FROM information_schema.tables
WHERE table_schema <> 'information_schema'
ORDER BY 1, 2";

/// The columns of a table, a row each.
pub fn columns(schema: &Schema) -> anyhow::Result<RecordBatch> {
    let column = |value: fn(&Field) -> String| -> ArrayRef {
        let fields = schema.fields().iter();
        Arc::new(StringArray::from_iter_values(
            fields.map(|field| value(field)),
        ))
    };
    Ok(RecordBatch::try_from_iter([
        ("column", column(|field| field.name().clone())),
        ("type", column(|field| type_name(field.data_type()))),
        (
            "null",
            column(|field| if field.is_nullable() { "yes" } else { "no" }.into()),
        ),
        (
            "meaning",
            column(|field| field.metadata().get("comment").cloned().unwrap_or_default()),
        ),
    ])?)
}

/// What `\df NAME` shows.
#[derive(Debug)]
pub enum Functions {
    /// How a function is called, with its example.
    Documentation(String),
    /// The functions whose names contain the text.
    List(RecordBatch),
}

/// The documentation of the function of this name; else all whose names contain it.
///
/// # Errors
/// No function has such a name.
pub fn functions(all: &[FunctionDoc], name: &str) -> anyhow::Result<Functions> {
    if let Some(text) = function::show(all, name, terminal_width()) {
        return Ok(Functions::Documentation(text));
    }
    let list = function::list(all, name)?;
    if list.num_rows() == 0 {
        anyhow::bail!(function::unknown(all, name));
    }
    Ok(Functions::List(list))
}

/// A type in the words of `CREATE TABLE`.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BINARY".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => format!("ARRAY<{}>", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => format!(
                "MAP<{}, {}>",
                type_name(pair[0].data_type()),
                type_name(pair[1].data_type())
            ),
            other => other.to_string(),
        },
        DataType::Dictionary(_, value) => type_name(value),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use arrow::array::AsArray as _;
    use arrow::datatypes::Fields;
    use engine::config::Config;
    use engine::session::Session;
    use engine::storage::Access;

    use super::*;

    #[test]
    fn types_have_the_words_of_create_table() {
        let text = |name: &str| Field::new(name, DataType::Utf8View, true);
        let entries = DataType::Struct(Fields::from(vec![text("key"), text("value")]));
        let map = DataType::Map(Arc::new(Field::new("entries", entries, false)), false);
        assert_eq!(type_name(&map), "MAP<STRING, STRING>");
        let list = DataType::new_list(DataType::Int64, true);
        assert_eq!(type_name(&list), "ARRAY<BIGINT>");
        assert_eq!(type_name(&DataType::UInt8), "UInt8");
    }

    #[test]
    fn columns_are_listed_with_type_null_and_meaning() {
        let comment = [("comment".to_string(), "Heavy or light".to_string())];
        let schema = Schema::new(vec![
            Field::new("chain", DataType::Utf8, false).with_metadata(comment.into()),
            Field::new("n", DataType::Int32, true),
        ]);
        let batch = columns(&schema).unwrap();
        let cells = |column: usize| -> Vec<String> {
            let texts = batch.column(column).as_string::<i32>();
            texts.iter().flatten().map(str::to_string).collect()
        };
        assert_eq!(cells(1), ["STRING", "INT"]);
        assert_eq!(cells(2), ["no", "yes"]);
        assert_eq!(cells(3), ["Heavy or light", ""]);
    }

    #[test]
    fn a_functions_name_gives_its_documentation_and_a_part_of_it_a_list() {
        let all = Session::new(
            None,
            &Config::default(),
            Access::everything(&Config::default()).unwrap(),
        )
        .unwrap()
        .functions();
        let found = |name: &str| functions(&all, name).unwrap();
        assert!(
            matches!(found("ab_cdr3"), Functions::Documentation(text) if text.contains("Example"))
        );
        assert!(matches!(found("ab_"), Functions::List(list) if list.num_rows() > 5));
        let error = functions(&all, "ab_cdr4").unwrap_err().to_string();
        assert!(error.contains("did you mean ab_cdr1"), "{error}");
    }
}
