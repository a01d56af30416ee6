//! Where a row lies: its file and its place in the file. What changes rows finds them by this.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::RowNumber;

/// Column with the position of a row's file in the snapshot's list.
pub const FILE: &str = "__paratope_file";
/// Column with the number of a row in its file, from 0.
pub const ROW: &str = "__paratope_row";

/// `schema` and the columns of an address.
pub fn extended(schema: &SchemaRef) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(FILE, DataType::Int64, false)));
    let row = Field::new(ROW, DataType::Int64, false).with_extension_type(RowNumber);
    fields.push(Arc::new(row));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
