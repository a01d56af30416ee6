//! How a Delta schema looks to queries.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::kernel::EagerSnapshot;

/// Strings and binaries become views, which Parquet pages decode to without copying.
pub fn query_schema(delta: &SchemaRef) -> SchemaRef {
    let fields: Vec<Arc<Field>> = delta
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => retyped(field, DataType::Utf8View),
            DataType::Binary | DataType::LargeBinary => retyped(field, DataType::BinaryView),
            DataType::Dictionary(_, value) if value.as_ref() == &DataType::Utf8 => {
                retyped(field, DataType::Utf8View)
            }
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn retyped(field: &Field, data_type: DataType) -> Arc<Field> {
    Arc::new(field.clone().with_data_type(data_type))
}

/// Whether physical column names differ from logical ones.
pub fn has_column_mapping(snapshot: &EagerSnapshot) -> bool {
    snapshot
        .metadata()
        .configuration()
        .get("delta.columnMapping.mode")
        .is_some_and(|mode| mode != "none")
}
