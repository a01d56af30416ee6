//! Rows that a format makes itself (repertoires, molecules): what it gives, and where it came from.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};

use super::{Context, constant, pairs, species, timestamp};
use crate::error::Result;
use crate::formats::Target;
use crate::tables::definitions::definition;

/// Completes rows of a table: its schema, with what the context says of study, subject, sample and repertoire before
/// what the source says, as in `chains`, its species where the source has none, and pairs known as in `chains`.
///
/// # Errors
/// Only a defect: a column of another type than the table's.
pub fn complete(target: Target, rows: &RecordBatch, context: &Context) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let schema = definition(target.table())?.arrow_schema();
    // A repertoire that the user names is one, and names one.
    let repertoire = context
        .repertoire_id
        .as_deref()
        .filter(|_| target == Target::Repertoires && count == 1);
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> ArrayRef {
            let said = match field.name().as_str() {
                "repertoire_id" => repertoire,
                "study_id" => context.study_id.as_deref(),
                "subject_id" => context.subject_id.as_deref(),
                "sample_id" => context.sample_id.as_deref(),
                "source_file" => Some(context.source_file.as_str()),
                "ingested_at" => return timestamp(context.ingested_at, count),
                _ => None,
            };
            if let Some(said) = said {
                return constant(said, count);
            }
            let Some(column) = rows.column_by_name(field.name()) else {
                return new_null_array(field.data_type(), count);
            };
            match (field.name().as_str(), context.species.as_deref()) {
                // As in the rows of `chains` that belong together.
                ("pair_id", _) => {
                    let given = column.as_string::<i32>().iter();
                    let pair = |pair: Option<&str>| Some(pairs::of_source(pair?, context));
                    Arc::new(given.map(pair).collect::<StringArray>())
                }
                ("species", Some(default)) => {
                    let default = species::of(default);
                    let given = column.as_string::<i32>();
                    Arc::new(StringArray::from_iter_values((0..count).map(|row| {
                        let is_known = !given.is_null(row) && given.value(row) != "unknown";
                        if is_known { given.value(row) } else { default }
                    })))
                }
                _ => Arc::clone(column),
            }
        })
        .collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
