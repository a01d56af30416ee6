//! The columns of a table: those of the result under AIRR's names or [`OURS`], and those that AIRR requires.

use arrow::datatypes::Schema;

use super::fields::check_kind;
use crate::error::{Error, Result};
use crate::export::cells::{check_textual, is_map};
use crate::formats::{AIRR_REQUIRED, AIRR_SUBSTANCE, OURS};

/// Columns of `chains` that ingest computes or knows by itself; those that AIRR has are not among them.
const COMPUTED: [&str; 16] = [
    "domain_index",
    "chain",
    "chain_source",
    "species",
    "v_gene",
    "j_gene",
    "sequence_hash",
    "v_domain_hash",
    "pair_id",
    "v_domain_start",
    "v_domain_end",
    "v_domain_aa",
    "imgt_aligned_aa",
    "source_file",
    "source_record",
    "ingested_at",
];

/// Where the cells of a column come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Column(usize),
    /// The first of two columns that is not NULL.
    Either(usize, usize),
    Attribute(usize),
    Nowhere,
}

#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub source: Source,
}

/// The columns of a result in the table.
///
/// # Errors
/// A column that is missing, stands twice or has a type or a name that AIRR does not allow.
pub(super) fn columns(schema: &Schema) -> Result<Vec<Column>> {
    let position = |name: &str| {
        schema
            .fields()
            .iter()
            .position(|field| field.name() == name)
    };
    if position("sequence_id").is_none() {
        return Err(Error::Invalid(
            "FORMAT airr needs the column sequence_id: select it, or name another one so (… AS sequence_id)".into(),
        ));
    }
    if !AIRR_SUBSTANCE.iter().any(|name| position(name).is_some()) {
        return Err(Error::Invalid(format!(
            "FORMAT airr needs one of the columns {}: a row without them says nothing",
            AIRR_SUBSTANCE.join(", ")
        )));
    }
    let reported = position("species_reported");
    let species = position("species");
    let mut columns: Vec<Column> = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if name == "attributes" && is_map(field.data_type()) {
            continue;
        }
        if schema.fields()[..index]
            .iter()
            .any(|other| other.name() == name)
        {
            return Err(Error::Invalid(format!(
                "FORMAT airr: two columns are named {name}; rename one with AS"
            )));
        }
        if name.is_empty() || name.contains(|c: char| c.is_control()) {
            return Err(Error::Invalid(format!(
                "FORMAT airr: the column {name:?} cannot stand in a header; rename it with AS"
            )));
        }
        check_textual("airr", field)?;
        check_kind(name, field.data_type())?;
        let is_computed = match name.as_str() {
            // On its own it is what ingest reads the species from.
            "species" => reported.is_some(),
            name => COMPUTED.contains(&name),
        };
        columns.push(Column {
            name: match is_computed {
                true => format!("{OURS}{name}"),
                false => name.clone(),
            },
            source: match (name.as_str(), species) {
                ("species_reported", Some(species)) => Source::Either(index, species),
                _ => Source::Column(index),
            },
        });
    }
    for name in AIRR_REQUIRED {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(Column {
                name: name.to_string(),
                source: Source::Nowhere,
            });
        }
    }
    Ok(columns)
}
