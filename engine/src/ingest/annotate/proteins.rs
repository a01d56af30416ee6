//! Rows of `main.proteins`: records without a V domain and without a word of a chain.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use udfs::antibody::hash::sequence_hash;

use super::source::{Source, entries};
use super::{Context, constant, timestamp};
use crate::error::Result;
use crate::formats::{lists, map_builder};
use crate::tables::definitions::definition;

/// Attributes that are references to databases, and the databases' names.
const REFERENCES: [(&str, &str); 6] = [
    ("uniprot", "uniprot"),
    ("uniref", "uniref"),
    ("refseq", "refseq"),
    ("genbank", "genbank"),
    ("gi", "gi"),
    ("pdb_id", "pdb"),
];

/// References to databases whose entries are described by their names.
const NAMED: [&str; 4] = ["uniprot", "uniref", "refseq", "genbank"];

/// Attributes that are names too, and the one that has several (`RecName: Full=…; AltName: Full=…`).
const NAMES: [&str; 2] = ["gene", "entry_name"];
const FULL_NAMES: &str = "recommended_and_alternative_names";

/// The rows of these records.
pub(super) fn build(
    source: &Source<'_>,
    records: &UInt32Array,
    context: &Context,
) -> Result<RecordBatch> {
    let count = records.len();
    let rows = || records.values().iter().map(|row| *row as usize);
    let schema = definition("main.proteins")?.arrow_schema();
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            let from = |name: &str| -> Result<ArrayRef> {
                match source.column(name) {
                    Some(column) => Ok(take(column, records, None)?),
                    None => Ok(new_null_array(field.data_type(), count)),
                }
            };
            Ok(match field.name().as_str() {
                "protein_id" => from("sequence_id")?,
                "kind" => constant("other", count),
                "name" => texts(rows().map(|row| name(source, row))),
                "names" => {
                    let names: Vec<Vec<String>> = rows().map(|row| names(source, row)).collect();
                    lists(field.data_type(), names.iter().map(Vec::as_slice))?
                }
                "description" => texts(rows().map(|row| source.attribute(row, "description"))),
                "organism" => from("species_reported")?,
                "sequence_aa" => from("sequence_aa")?,
                "sequence_hash" => Arc::new(
                    rows()
                        .map(|row| sequence_hash(source.sequence_aa.get(row)?.as_bytes()))
                        .collect::<StringArray>(),
                ),
                "study_id" => match &context.study_id {
                    Some(study) => constant(study, count),
                    None => from("study_id")?,
                },
                "cross_references" => map(field.data_type(), source, rows(), |key| {
                    let found = REFERENCES.iter().find(|(attribute, _)| *attribute == key);
                    found.map(|(_, database)| *database)
                })?,
                "attributes" => map(field.data_type(), source, rows(), |key| {
                    let is_elsewhere = key == "description"
                        || REFERENCES.iter().any(|(attribute, _)| *attribute == key);
                    (!is_elsewhere).then_some(key)
                })?,
                "source_file" => constant(&context.source_file, count),
                "source_record" => from("source_record")?,
                "ingested_at" => timestamp(context.ingested_at, count),
                _ => new_null_array(field.data_type(), count),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The name of a record: what describes a database's entry.
fn name<'a>(source: &Source<'a>, row: usize) -> Option<&'a str> {
    NAMED
        .iter()
        .find_map(|database| source.attribute(row, database))?;
    source.attribute(row, "description")
}

/// All names of a record, the preferred first.
fn names(source: &Source<'_>, row: usize) -> Vec<String> {
    let full = source.attribute(row, FULL_NAMES).unwrap_or_default();
    let full = full.split("Full=").skip(1).map(|name| {
        let end = name.find([';', '{']).unwrap_or(name.len());
        name[..end].trim()
    });
    let others = NAMES.iter().filter_map(|key| source.attribute(row, key));
    let mut found: Vec<String> = Vec::new();
    for name in name(source, row).into_iter().chain(full).chain(others) {
        if !name.is_empty() && found.iter().all(|known| known != name) {
            found.push(name.to_string());
        }
    }
    found
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// The attributes whose keys get a name; NULL where a record has none.
fn map(
    kind: &DataType,
    source: &Source<'_>,
    rows: impl Iterator<Item = usize>,
    name: impl Fn(&str) -> Option<&str>,
) -> Result<ArrayRef> {
    let mut builder = map_builder(kind)?;
    for row in rows {
        let said = source
            .attributes()
            .into_iter()
            .flat_map(|map| entries(map, row));
        let mut any = false;
        for (key, value) in said {
            if let Some(key) = name(key) {
                builder.keys().append_value(key);
                builder.values().append_value(value);
                any = true;
            }
        }
        builder.append(any)?;
    }
    Ok(Arc::new(builder.finish()))
}
