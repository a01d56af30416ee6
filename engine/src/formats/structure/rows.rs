//! Rows of `structures` and `fvs`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use udfs::antibody::hash::sequence_hash;
use udfs::antibody::{Chain as Kind, VDomain};

use super::entry::{Chain, Model, Polymer, Residue, SequenceSource};
use super::fv::{Antigen, Domains, Side, kind};
use super::records::{ChainRow, Facts, FvRow};
use crate::error::{Error, Result};
use crate::formats::columns::source_schema;

/// Columns of `main.structures`, in the order of [`structures`].
const STRUCTURES: [&str; 17] = [
    "pdb_id",
    "model",
    "auth_asym_id",
    "label_asym_id",
    "chain_type",
    "molecule",
    "organism",
    "method",
    "resolution",
    "sequence_source",
    "sequence_hash",
    "residue_count",
    "observed_count",
    "title",
    "ligands",
    "sequence",
    "residues",
];

/// Columns of `main.fvs`, in the order of [`fvs`].
const FVS: [&str; 17] = [
    "pdb_id",
    "model",
    "pair_id",
    "heavy_chain",
    "light_chain",
    "pairing",
    "contact_count",
    "heavy_sequence_id",
    "light_sequence_id",
    "heavy_v_domain_hash",
    "light_v_domain_hash",
    "heavy_organism",
    "light_organism",
    "antigens",
    "method",
    "resolution",
    "warnings",
];

/// Columns of both formats.
pub(super) fn schema() -> Result<SchemaRef> {
    source_schema("main.structures", &STRUCTURES)
}

impl SequenceSource {
    /// Its name in the tables.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Seqres => "seqres",
            Self::Atoms => "atoms",
        }
    }
}

/// What a chain is, by its V domains and else by what it is made of.
pub(super) fn chain_type(chain: &Chain, domains: &[VDomain]) -> &'static str {
    let kinds: Vec<Kind> = domains.iter().map(VDomain::chain).collect();
    match (kinds.as_slice(), chain.polymer) {
        ([], Polymer::Polypeptide) => kind(chain.residues.len()),
        ([], Polymer::NucleicAcid) => "nucleic_acid",
        ([], Polymer::Other) => "other",
        ([Kind::Heavy, Kind::Light] | [Kind::Light, Kind::Heavy], _) => "scfv",
        ([first, rest @ ..], _) if rest.iter().all(|other| other == first) => first.as_str(),
        _ => "mixed",
    }
}

/// Rows of `main.structures`.
pub(super) fn structures(
    schema: &SchemaRef,
    rows: &[ChainRow<'_>],
    facts: &Facts,
) -> Result<RecordBatch> {
    let chain = |of: fn(&Chain) -> Option<&str>| texts(rows.iter().map(|row| of(row.chain)));
    let count = |of: fn(&Chain) -> usize| -> ArrayRef {
        let counts = rows
            .iter()
            .map(|row| i32::try_from(of(row.chain)).unwrap_or(i32::MAX));
        Arc::new(Int32Array::from_iter_values(counts))
    };
    let hashes = rows.iter().map(|row| {
        let is_polypeptide = row.chain.polymer == Polymer::Polypeptide;
        is_polypeptide
            .then(|| sequence_hash(row.chain.sequence.as_bytes()))
            .flatten()
    });
    let ligands = rows
        .iter()
        .map(|row| row.chain.ligands.iter().map(|ligand| ligand.as_str()));
    let columns: Vec<ArrayRef> = vec![
        records(rows.iter().map(|row| row.record)),
        texts(rows.iter().map(|_| Some(facts.pdb_id.as_str()))),
        Arc::new(Int32Array::from_iter_values(
            rows.iter().map(|row| row.model),
        )),
        chain(|chain| Some(&chain.auth_asym_id)),
        chain(|chain| chain.label_asym_id.as_deref()),
        texts(rows.iter().map(|row| Some(row.chain_type))),
        chain(|chain| chain.molecule.name.as_deref()),
        chain(|chain| chain.molecule.organism.as_deref()),
        texts(rows.iter().map(|_| facts.method.as_deref())),
        Arc::new(
            rows.iter()
                .map(|_| facts.resolution)
                .collect::<Float64Array>(),
        ),
        chain(|chain| chain.sequence_source.map(SequenceSource::as_str)),
        Arc::new(hashes.collect::<StringArray>()),
        count(|chain| chain.residues.len()),
        count(|chain| {
            chain
                .residues
                .iter()
                .filter(|residue| residue.is_observed)
                .count()
        }),
        texts(rows.iter().map(|_| facts.title.as_deref())),
        text_lists(item(schema, "ligands")?, ligands)?,
        chain(|chain| Some(chain.sequence.as_str()).filter(|sequence| !sequence.is_empty())),
        residues(item(schema, "residues")?, rows)?,
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Rows of `main.fvs`.
pub(super) fn fvs(
    rows: &[FvRow],
    facts: &Facts,
    models: &[Model],
    domains: &mut Domains,
) -> Result<RecordBatch> {
    let schema = source_schema("main.fvs", &FVS)?;
    let number = |row: &FvRow| models[row.model].number;
    let chain = |side: &Option<Side>| side.as_ref().map(|side| side.chain.clone());
    // A chain of which the file has nothing has no rows elsewhere.
    let found = |row: &FvRow, side: &Option<Side>| -> Option<usize> {
        let side = side.as_ref()?;
        let by_name = |chain: &Chain| chain.auth_asym_id == side.chain;
        let place = side.place.map(|(chain, _)| chain);
        place.or_else(|| models[row.model].chains.iter().position(by_name))
    };
    let id = |row: &FvRow, side: &Option<Side>| {
        let auth = &models[row.model].chains[found(row, side)?].auth_asym_id;
        Some(facts.sequence_id(number(row), auth))
    };
    let organism = |row: &FvRow, side: &Option<Side>| {
        models[row.model].chains[found(row, side)?]
            .molecule
            .organism
            .clone()
    };
    let mut hash = |row: &FvRow, side: &Option<Side>| {
        let (at, index) = side.as_ref()?.place?;
        let chain = &models[row.model].chains[at];
        let sequence = chain.sequence.as_bytes();
        sequence_hash(
            domains
                .of(chain)
                .get(index)?
                .v_domain_aa(sequence)
                .as_bytes(),
        )
    };
    let hashes: Vec<_> = rows
        .iter()
        .map(|row| (hash(row, &row.fv.heavy), hash(row, &row.fv.light)))
        .collect();
    let warnings = rows
        .iter()
        .map(|row| row.fv.warnings.iter().map(String::as_str));
    let contacts = rows.iter().map(|row| {
        row.fv
            .contacts
            .map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    });
    let columns: Vec<ArrayRef> = vec![
        records(rows.iter().map(|row| row.record)),
        texts(rows.iter().map(|_| Some(facts.pdb_id.as_str()))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(number))),
        owned(rows.iter().map(|row| facts.pair(number(row), &row.fv))),
        owned(rows.iter().map(|row| chain(&row.fv.heavy))),
        owned(rows.iter().map(|row| chain(&row.fv.light))),
        texts(rows.iter().map(|row| Some(row.fv.pairing.as_str()))),
        Arc::new(contacts.collect::<Int32Array>()),
        owned(rows.iter().map(|row| id(row, &row.fv.heavy))),
        owned(rows.iter().map(|row| id(row, &row.fv.light))),
        owned(hashes.iter().map(|(heavy, _)| heavy.clone())),
        owned(hashes.iter().map(|(_, light)| light.clone())),
        owned(rows.iter().map(|row| organism(row, &row.fv.heavy))),
        owned(rows.iter().map(|row| organism(row, &row.fv.light))),
        antigens(item(&schema, "antigens")?, rows)?,
        texts(rows.iter().map(|_| facts.method.as_deref())),
        Arc::new(
            rows.iter()
                .map(|_| facts.resolution)
                .collect::<Float64Array>(),
        ),
        text_lists(item(&schema, "warnings")?, warnings)?,
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The items of a column of lists.
fn item(schema: &Schema, column: &str) -> Result<FieldRef> {
    match schema.field_with_name(column)?.data_type() {
        DataType::List(item) => Ok(Arc::clone(item)),
        other => Err(Error::Internal(format!("{column} is {other} and no list"))),
    }
}

fn list(
    item: FieldRef,
    lengths: impl Iterator<Item = usize>,
    values: ArrayRef,
) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item, offsets, values, None)?))
}

fn structs(item: &FieldRef, columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    match item.data_type() {
        DataType::Struct(fields) => Ok(Arc::new(StructArray::try_new(
            fields.clone(),
            columns,
            None,
        )?)),
        other => Err(Error::Internal(format!("{other} is no struct"))),
    }
}

fn text_lists<'a, T>(item: FieldRef, rows: impl Iterator<Item = T> + Clone) -> Result<ArrayRef>
where
    T: Iterator<Item = &'a str>,
{
    let lengths = rows.clone().map(Iterator::count);
    let values: Vec<&str> = rows.flatten().collect();
    let values = StringArray::from(values);
    list(item, lengths, Arc::new(values))
}

fn residues(item: FieldRef, rows: &[ChainRow<'_>]) -> Result<ArrayRef> {
    let all = || rows.iter().flat_map(|row| &row.chain.residues);
    let axis = |axis: usize| -> ArrayRef {
        Arc::new(
            all()
                .map(|residue| Some(residue.ca?[axis]))
                .collect::<Float64Array>(),
        )
    };
    let code = |residue: &Residue| residue.insertion.map(|code| char::from(code).to_string());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(all().map(|residue| residue.number).collect::<Int32Array>()),
        owned(all().map(code)),
        texts(all().map(|residue| Some(residue.component.as_str()))),
        texts(all().map(|residue| residue.parent.as_ref().map(|parent| parent.as_str()))),
        Arc::new(
            all()
                .map(|residue| Some(residue.is_observed))
                .collect::<BooleanArray>(),
        ),
        axis(0),
        axis(1),
        axis(2),
        Arc::new(
            all()
                .map(|residue| residue.missing_atoms)
                .collect::<Int32Array>(),
        ),
    ];
    let values = structs(&item, columns)?;
    list(
        item,
        rows.iter().map(|row| row.chain.residues.len()),
        values,
    )
}

fn antigens(item: FieldRef, rows: &[FvRow]) -> Result<ArrayRef> {
    let all = || rows.iter().flat_map(|row| &row.fv.antigens);
    let text = |of: fn(&Antigen) -> Option<&str>| texts(all().map(of));
    let columns = vec![
        text(|antigen| Some(&antigen.chain)),
        text(|antigen| antigen.kind.as_deref()),
        text(|antigen| antigen.name.as_deref()),
    ];
    let values = structs(&item, columns)?;
    list(item, rows.iter().map(|row| row.fv.antigens.len()), values)
}

fn records(records: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(records))
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn owned(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}
